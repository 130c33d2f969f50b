"""robots.txt as RFC 9309 has it: what each answer means, once an origin, for each of its links."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch import sites
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.site_store import SiteStore
from webtext.crawler.fetch.sites import Permission, Sites, origin_of

# robots.txt alone; the consent files have tests of their own.
SETTINGS = replace(CrawlSettings(), user_agent="webtext/0.1 (+https://example.org)", tdm=False, ai_txt=False)
FORBIDDEN = Verdict(Outcome.ROBOTS, "disallowed by robots.txt, line 2: Disallow: / (for *)")

Answers = Mapping[str, "bytes | int | str | Verdict | StoredResponse"]


class Server:
    """A web of robots.txt files: bytes are the text, a number is a status, a string is where it redirects to."""

    def __init__(
        self, answers: Answers, settings: CrawlSettings = SETTINGS, store: SiteStore | None = None, now: float = 0.0
    ) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.now = now
        self.delays: dict[str, float] = {}
        self.sites = Sites(
            settings, self.ask, store=store, clock=lambda: self.now, learned=self.delays.__setitem__
        )  # fmt: skip

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

    def judged(self, *urls: str) -> list[Permission | Verdict]:
        async def all_at_once() -> list[Permission | Verdict]:
            return list(await asyncio.gather(*(self.sites.judge(url) for url in urls)))

        return asyncio.run(all_at_once())

    def verdicts(self, *urls: str) -> list[Verdict | None]:
        return [found if isinstance(found, Verdict) else None for found in self.judged(*urls)]

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
    assert (found is None) is allowed
    assert found is None or found.outcome is Outcome.ROBOTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451, 499])
def test_unavailable_means_no_restriction(status: int) -> None:
    assert Server({"http://a.example/robots.txt": status}).verdict("http://a.example/x") is None


@pytest.mark.parametrize("status", [500, 502, 503, 599, 429])
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
    monkeypatch.setattr(sites, "_CACHE_BYTES", 10_000)
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

    async def run() -> Permission | Verdict:
        first = asyncio.ensure_future(server.sites.judge("http://a.example/1"))
        second = asyncio.ensure_future(server.sites.judge("http://a.example/2"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(run()) == FORBIDDEN


def test_the_rules_lie_on_disk_for_the_next_process(tmp_path: Path) -> None:
    closed = {"http://a.example/robots.txt": b"User-agent: *\nDisallow: /\nCrawl-delay: 7\n"}
    for now, asked in ((0.0, 1), (86_399.0, 0), (86_401.0, 1)):
        with SiteStore.open(tmp_path / "hosts.sqlite", now) as store:
            server = Server(closed, store=store, now=now)
            assert server.verdict("http://a.example/x") == FORBIDDEN
            assert len(server.asked) == asked
            assert server.delays == {"a.example": 7.0}


def test_what_no_memory_holds_is_read_from_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sites, "_CACHE_BYTES", 10_000)
    with SiteStore.open(tmp_path / "hosts.sqlite", 0.0) as store:
        server = Server({f"http://{number}.example/robots.txt": b"" for number in range(50)}, store=store)
        for number in (*range(50), *range(50)):
            server.verdict(f"http://{number}.example/")
    assert len(server.asked) == 50


def test_a_crawl_delay_is_told_and_one_beyond_the_limit_keeps_us_away() -> None:
    server = Server({
        "http://a.example/robots.txt": b"User-agent: *\nCrawl-delay: 20\n",
        "http://b.example/robots.txt": b"User-agent: *\nRequest-rate: 1/1h\n",
    })  # fmt: skip
    first, second = server.judged("http://a.example/x", "http://b.example/x")
    assert isinstance(first, Permission)
    assert first.delay == 20.0
    detail = "robots.txt asks for 3,600 s between requests; at most 300 are waited for"
    assert second == Verdict(Outcome.ROBOTS, detail)
    assert server.delays == {"a.example": 20.0, "b.example": 300.0}


AI_GROUPS = b"User-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nDisallow: /private\n"


def test_groups_for_training_crawlers_speak_to_us_too() -> None:
    found = Server({"http://a.example/robots.txt": AI_GROUPS}).verdict("http://a.example/x")
    why = "crawlers for training are disallowed by robots.txt, line 2: Disallow: / (for gptbot)"
    assert found == Verdict(Outcome.OPT_OUT, why)


def test_whose_groups_those_are_is_a_setting() -> None:
    robots_txt = {"http://a.example/robots.txt": AI_GROUPS}
    assert Server(robots_txt, replace(SETTINGS, ai_agents=())).verdict("http://a.example/x") is None
    assert Server(robots_txt, replace(SETTINGS, ai_agents=("CCBot",))).verdict("http://a.example/x") is None
    found = Server(robots_txt, replace(SETTINGS, ai_agents=("gptbot",), obey_robots=False)).verdict(
        "http://a.example/x"
    )
    assert found is not None
    assert found.outcome is Outcome.OPT_OUT


def test_the_group_for_everybody_is_no_word_about_training() -> None:
    text = b"User-agent: *\nDisallow: /private\n"
    found = Server({"http://a.example/robots.txt": text}, replace(SETTINGS, obey_robots=False))
    assert found.verdict("http://a.example/private") is None


def test_a_group_of_our_own_is_the_last_word() -> None:
    text = AI_GROUPS + b"User-agent: webtext\nAllow: /\n"
    assert Server({"http://a.example/robots.txt": text}).verdict("http://a.example/x") is None


FULL = replace(SETTINGS, tdm=True, ai_txt=True)
RESERVED = b'[{"location": "/news/", "tdm-reservation": 1, "tdm-policy": "https://a.example/p"}]'


def test_tdmrep_and_ai_txt_keep_pages_out() -> None:
    server = Server({
        "http://a.example/.well-known/tdmrep.json": RESERVED,
        "http://b.example/ai.txt": b"User-Agent: *\nDisallow: *.html\n",
    }, FULL)  # fmt: skip
    found = server.verdicts(
        "http://a.example/news/1", "http://a.example/x", "http://b.example/y", "http://b.example/y.php"
    )
    assert found == [
        Verdict(Outcome.OPT_OUT, "tdm-reservation: 1, tdm-policy: https://a.example/p in tdmrep.json"), None,
        Verdict(Outcome.OPT_OUT, "ai.txt, line 2: Disallow: *.html"), None,
    ]  # fmt: skip
    assert sorted(server.asked) == [
        "http://a.example/.well-known/tdmrep.json", "http://a.example/ai.txt", "http://a.example/robots.txt",
        "http://b.example/.well-known/tdmrep.json", "http://b.example/ai.txt", "http://b.example/robots.txt",
    ]  # fmt: skip


def test_either_may_be_switched_off() -> None:
    server = Server({"http://a.example/.well-known/tdmrep.json": RESERVED}, replace(FULL, tdm=False))
    assert server.verdict("http://a.example/news/1") is None
    assert server.asked == ["http://a.example/robots.txt", "http://a.example/ai.txt"]


def test_consent_files_are_asked_for_only_where_a_page_is_and_robots_txt_lets_us() -> None:
    server = Server({
        "http://a.example/robots.txt": b"User-agent: *\nDisallow: /\n",
        "http://b.example/robots.txt": b"User-agent: *\nDisallow: /.well-known/\nDisallow: /ai.txt\n",
        "http://b.example/ai.txt": b"User-Agent: *\nDisallow: /\n",
    }, FULL)  # fmt: skip
    assert server.verdicts("http://a.example/x", "http://b.example/x") == [FORBIDDEN, None]
    assert server.asked == ["http://a.example/robots.txt", "http://b.example/robots.txt"]


@pytest.mark.parametrize("answer", [404, 500, b"<html>", Verdict(Outcome.TIMEOUT, "x"), "/elsewhere"])
def test_a_consent_file_that_cannot_be_had_says_nothing(answer: bytes | int | str | Verdict) -> None:
    server = Server({"http://a.example/.well-known/tdmrep.json": answer, "http://a.example/ai.txt": answer}, FULL)
    assert server.verdict("http://a.example/x") is None


def test_what_was_said_is_evidence_of_the_page() -> None:
    text = b"User-agent: *\nDisallow: /private\n"
    rules = b'[{"location": "/", "tdm-reservation": 0}]'
    answers: Answers = {
        "http://a.example/robots.txt": text, "http://a.example/.well-known/tdmrep.json": rules,
    }  # fmt: skip
    (found,) = Server(answers, FULL).judged("http://a.example/x")
    assert isinstance(found, Permission)
    first, second = (hashlib.sha256(body).hexdigest() for body in (text, rules))
    assert found.evidence == (
        ("robots.txt", f"sha256 {first}, 2025-01-01T00:00:00Z; no rule of robots.txt for * fits"),
        ("tdmrep.json", f"sha256 {second}, 2025-01-01T00:00:00Z; tdm-reservation: 0"),
        ("ai.txt", "none (status 404), 2025-01-01T00:00:00Z"),
    )  # fmt: skip
    assert [(file.url, file.body) for file in found.files] == list(answers.items())
    (other,) = Server({}, FULL).judged("http://b.example/x")
    assert isinstance(other, Permission)
    none = "none (status 404), 2025-01-01T00:00:00Z"
    assert other.evidence[0] == ("robots.txt", f"{none}; no group of robots.txt is for us")
    assert not other.files


def test_a_file_that_robots_txt_keeps_us_from_is_told_as_such() -> None:
    kept = b"User-agent: *\nDisallow: /ai.txt\n"
    (found,) = Server({"http://a.example/robots.txt": kept}, FULL).judged("http://a.example/x")
    assert isinstance(found, Permission)
    assert found.evidence[2] == ("ai.txt", "not asked for, as robots.txt wants")
