"""robots.txt as RFC 9309 has it: what each answer means, once an origin, for each of its links."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from webtext.corpus.config import CrawlSettings
from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch import robots
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.robots import RobotsCache, origin_of

SETTINGS = replace(CrawlSettings(), user_agent="webtext/0.1 (+https://example.org)")
FORBIDDEN = Verdict(Outcome.ROBOTS, "disallowed by robots.txt")

Answers = Mapping[str, "bytes | int | str | Verdict | StoredResponse"]


class Server:
    """A web of robots.txt files: bytes are the text, a number is a status, a string is where it redirects to."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.now = 0.0
        self.cache = RobotsCache(SETTINGS, self.ask, clock=lambda: self.now)

    async def ask(self, url: str) -> StoredResponse | Verdict:
        self.asked.append(url)
        await asyncio.sleep(0)
        answer = self.answers.get(url, 404)
        if isinstance(answer, (Verdict, StoredResponse)):
            return answer
        when = datetime(2025, 1, 1, tzinfo=UTC)
        if isinstance(answer, int):
            return StoredResponse(url, answer, [], b"", when)
        if isinstance(answer, str):
            return StoredResponse(url, 301, [("Location", answer)], b"", when)
        return StoredResponse(url, 200, [("Content-Type", "text/plain")], answer, when)

    def verdicts(self, *urls: str) -> list[Verdict | None]:
        async def all_at_once() -> list[Verdict | None]:
            return list(await asyncio.gather(*(self.cache.verdict(url) for url in urls)))

        return asyncio.run(all_at_once())

    def verdict(self, url: str) -> Verdict | None:
        return self.verdicts(url)[0]


@pytest.mark.parametrize(
    ("text", "url", "allowed"),
    [
        (b"User-agent: *\nDisallow: /\n", "http://a.example/x", False),
        (b"User-agent: *\nDisallow: /private\n", "http://a.example/x", True),
        (b"User-agent: *\nDisallow: /private\n", "http://a.example/private/x", False),
        (b"User-agent: WebText\nDisallow: /\n", "http://a.example/x", False),
        (b"User-agent: otherbot\nDisallow: /\n", "http://a.example/x", True),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: webtext\nAllow: /\n", "http://a.example/x", True),
        (b"User-agent: *\nDisallow: /\nAllow: /open/\n", "http://a.example/open/x", True),
        (b"User-agent: *\nDisallow: /*.php$\n", "http://a.example/x.php", False),
        (b"User-agent: *\nDisallow: /*?q=\n", "http://a.example/x?q=1", False),
        (b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /\r\n", "http://a.example/x", False),
        (b"User-agent: *\nDisallow:\n", "http://a.example/x", True),
        (b"<html>Not found</html>", "http://a.example/x", True),
        (b"", "http://a.example/x", True),
        (b"\xff\xfe\x00 garbage", "http://a.example/x", True),
    ],
)
def test_rules(text: bytes, url: str, allowed: bool) -> None:
    found = Server({"http://a.example/robots.txt": text}).verdict(url)
    assert found == (None if allowed else FORBIDDEN)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
def test_unavailable_means_no_restriction(status: int) -> None:
    assert Server({"http://a.example/robots.txt": status}).verdict("http://a.example/x") is None


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_forbids_everything(status: int) -> None:
    found = Server({"http://a.example/robots.txt": status}).verdict("http://a.example/x")
    assert found == Verdict(Outcome.ROBOTS, f"robots.txt has status {status}")


@pytest.mark.parametrize(
    ("failure", "found"),
    [
        (Verdict(Outcome.UNREACHABLE, "the host's name is not known"), Outcome.UNREACHABLE),
        (Verdict(Outcome.TIMEOUT, "no whole answer in time"), Outcome.TIMEOUT),
        (Verdict(Outcome.PRIVATE_ADDRESS, "leads to no public address"), Outcome.PRIVATE_ADDRESS),
        (Verdict(Outcome.TOO_LARGE, "more than 10 bytes"), Outcome.ROBOTS),
    ],
)
def test_no_answer_forbids_everything_and_says_what_is_wrong(failure: Verdict, found: Outcome) -> None:
    verdict = Server({"http://a.example/robots.txt": failure}).verdict("http://a.example/x")
    assert verdict is not None
    assert verdict.outcome is found


def test_a_failure_behind_a_redirect_is_no_failure_of_the_host() -> None:
    answers: Answers = {
        "http://a.example/robots.txt": "http://inside.example/robots.txt",
        "http://inside.example/robots.txt": Verdict(Outcome.PRIVATE_ADDRESS, "x"),
    }
    assert Server(answers).verdict("http://a.example/x") == Verdict(Outcome.ROBOTS, "robots.txt cannot be had")


def test_five_redirects_are_followed_also_to_other_hosts() -> None:
    chain: dict[str, bytes | int | str | Verdict | StoredResponse] = {
        "http://a.example/robots.txt": "http://b.example/1"
    }
    chain |= {f"http://b.example/{number}": f"/{number + 1}" for number in range(1, 5)}
    closed = b"User-agent: *\nDisallow: /\n"
    assert Server({**chain, "http://b.example/5": closed}).verdict("http://a.example/x") == FORBIDDEN
    # With a sixth it counts as unavailable.
    assert (
        Server({**chain, "http://b.example/5": "/6", "http://b.example/6": closed}).verdict("http://a.example/x")
        is None
    )


def test_a_compressed_file_is_read_and_a_damaged_one_forbids() -> None:
    when = datetime(2025, 1, 1, tzinfo=UTC)
    body = gzip.compress(b"User-agent: *\nDisallow: /private\n")
    for data, expected in ((body, None), (body[:-9], Verdict(Outcome.ROBOTS, "robots.txt does not decode"))):
        stored = StoredResponse("http://a.example/robots.txt", 200, [("Content-Encoding", "gzip")], data, when)
        assert Server({"http://a.example/robots.txt": stored}).verdict("http://a.example/x") == expected


def test_only_the_first_500_kib_are_read() -> None:
    rules = b"User-agent: *\nDisallow: /\n"
    padding = b"# " + b"x" * (500 * 1024)
    assert Server({"http://a.example/robots.txt": rules + padding}).verdict("http://a.example/x") == FORBIDDEN
    assert Server({"http://a.example/robots.txt": padding + b"\n" + rules}).verdict("http://a.example/x") is None


def test_rules_hold_for_scheme_host_and_port_together() -> None:
    server = Server({"http://a.example/robots.txt": b"User-agent: *\nDisallow: /\n"})
    urls = ("http://a.example/", "https://a.example/", "http://a.example:8080/", "http://www.a.example/")
    assert server.verdicts(*urls) == [FORBIDDEN, None, None, None]
    assert server.asked == [f"{origin_of(url)}/robots.txt" for url in urls]


def test_links_that_wait_for_the_same_rules_ask_once() -> None:
    server = Server({"http://a.example/robots.txt": b"User-agent: *\nDisallow: /1\n"})
    found = server.verdicts(*(f"http://a.example/{number}" for number in range(10)))
    assert [number for number, verdict in enumerate(found) if verdict] == [1]
    assert server.asked == ["http://a.example/robots.txt"]


def test_rules_are_held_for_a_day_and_failures_for_ten_minutes() -> None:
    server = Server({"http://a.example/robots.txt": b"", "http://down.example/robots.txt": 503})
    for now, times in ((0.0, 1), (599.0, 1), (601.0, 2)):
        server.now = now
        server.verdict("http://down.example/")
        assert server.asked.count("http://down.example/robots.txt") == times
    for now, times in ((0.0, 1), (86_399.0, 1), (86_401.0, 2)):
        server.now = now
        server.verdict("http://a.example/")
        assert server.asked.count("http://a.example/robots.txt") == times


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "_CACHE_BYTES", 10_000)
    server = Server({f"http://{number}.example/robots.txt": b"# " + b"x" * 100 for number in range(10)})
    for number in range(10):
        server.verdict(f"http://{number}.example/")
    assert len(server.asked) == 10
    server.verdict("http://9.example/")  # still there
    assert len(server.asked) == 10
    server.verdict("http://0.example/")  # forgotten
    assert len(server.asked) == 11


def test_a_link_that_is_cancelled_does_not_cancel_the_others() -> None:
    server = Server({"http://a.example/robots.txt": b"User-agent: *\nDisallow: /\n"})

    async def run() -> Verdict | None:
        first = asyncio.ensure_future(server.cache.verdict("http://a.example/1"))
        second = asyncio.ensure_future(server.cache.verdict("http://a.example/2"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(run()) == FORBIDDEN
