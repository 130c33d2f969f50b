"""Listings of Reddit's API: the protocol against a stand-in, and whole against a server on the loopback."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from reddit_api import IDENTITY, LIMITS, SECRET, FakeReddit, fake_reddit, listing, submission

from webtext.corpus.errors import UsageError, WebtextError
from webtext.crawler.reddit.listing import Gathering, Listing, check_credentials, is_listing, parse_listing
from webtext.crawler.reddit.listing_limits import LONGEST, TRIES, pause_after, retry_after
from webtext.crawler.reddit.listing_pages import Answer, Pager, Unreachable
from webtext.crawler.reddit.listing_process import gather

PAGES = [[submission(number) for number in range(start, start + 3)] for start in (0, 3, 6)]
PATH = "/r/science/new"


@pytest.fixture
def reddit(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeReddit]:
    monkeypatch.setenv("REDDIT_CLIENT_ID", IDENTITY)
    monkeypatch.setenv("REDDIT_CLIENT_SECRET", SECRET)
    with fake_reddit(pages={PATH: PAGES}) as found:
        yield found


class Sleeps(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def page(reddit: FakeReddit, folder: Path, name: str = f"reddit:{PATH}") -> tuple[list[dict[str, Any]], list[float]]:
    """Gather a listing without a socket; its submissions, and the waits."""

    async def ask(url: str, headers: Mapping[str, str], body: str | None) -> Answer:
        if body is not None:
            status, found, data = reddit.token(headers, body.encode())
        else:
            reddit.asked.append(url)
            status, found, data = reddit.listing(url, headers)
        if not status:
            raise Unreachable("ConnectionRefusedError")
        return Answer(status, {name.lower(): value for name, value in found.items()}, data)

    sleeps = Sleeps()
    gathering = Gathering(parse_listing(name), folder)
    asyncio.run(Pager(reddit.endpoints, ask, sleeps, lambda value: None).gather(gathering))
    return [json.loads(line) for line in gathering.lines.read_bytes().splitlines()], sleeps


def get(reddit: FakeReddit, corpus: Path, *names: str) -> list[dict[str, Any]]:
    """Gather listings as a stage does: in a process, over HTTP."""
    listings = [parse_listing(name) for name in names or (f"reddit:{PATH}",)]
    files = gather(listings, corpus / "work/sources", corpus, reddit.endpoints)
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("reddit:/r/science/new", "/r/science/new", ""),
        ("reddit:r/science/new/", "/r/science/new", ""),
        ("reddit:/r/a_b+Cde/top", "/r/a_b+Cde/top", "t=all"),
        ("reddit:/r/science/top?t=year", "/r/science/top", "t=year"),
        ("reddit:/domain/News.Example.com/new", "/domain/news.example.com/new", ""),
        ("REDDIT:/domain/example.com/top?t=day", "/domain/example.com/top", "t=day"),
    ],
)
def test_a_listing_is_named_by_its_path(name: str, path: str, query: str) -> None:
    assert is_listing(name)
    assert parse_listing(name) == Listing(path, query)


@pytest.mark.parametrize(
    "name",
    [
        "reddit:", "reddit:/r/science", "reddit:/r/science/hot", "reddit:/r//new", "reddit:/user/me/new",
        "reddit:/r/science/new?t=year", "reddit:/r/science/top?t=decade", "reddit:/r/science/top?limit=5",
        "reddit://evil.example/r/science/new", "reddit:/r/../new", "reddit:/domain/localhost/new",
    ],
)  # fmt: skip
def test_what_names_no_listing_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        parse_listing(name)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET are"),
        ({"REDDIT_CLIENT_ID": "x", "REDDIT_CLIENT_SECRET": ""}, "REDDIT_CLIENT_SECRET is"),
    ],
)
def test_without_credentials_nothing_begins(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        check_credentials(environment)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining": "100.0", "x-ratelimit-reset": "300"}, 3.0),
        ({"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "300"}, 300.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999"}, LONGEST),
        ({"x-ratelimit-remaining": "nan", "x-ratelimit-reset": "300"}, 1.0),
        ({"x-ratelimit-remaining": "5"}, 1.0),
        ({}, 1.0),
    ],
)
def test_what_is_left_of_a_period_is_spread_over_what_is_left_of_its_requests(
    headers: dict[str, str], seconds: float
) -> None:
    assert pause_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "headers", "tried", "seconds"),
    [
        (200, {}, 1, None), (403, {"retry-after": "5"}, 1, None), (404, {}, 1, None),
        (429, {"retry-after": "17"}, 1, 17.0), (429, {"x-ratelimit-reset": "44"}, 2, 44.0), (429, {}, 1, 2.0),
        (429, {"retry-after": "Wed, 01 Jan 2025 00:00:30 GMT"}, 1, 30.0),
        (429, {"retry-after": "Tue, 31 Dec 2024 00:00:00 GMT"}, 1, 0.0),
        (429, {"retry-after": "soon"}, 3, 8.0), (429, {"retry-after": "999999"}, 1, LONGEST),
        (500, {}, 1, 2.0), (503, {"retry-after": "3"}, 1, 3.0), (503, {}, 4, 16.0), (503, {}, TRIES, None),
        (429, {"retry-after": "1"}, TRIES, None),
    ],
)  # fmt: skip
def test_how_long_a_failed_request_waits(
    status: int, headers: dict[str, str], tried: int, seconds: float | None
) -> None:
    assert retry_after(status, headers, tried, datetime(2025, 1, 1, tzinfo=UTC)) == seconds


def test_a_listing_is_gathered_page_by_page_and_kept_without_its_secrets(
    reddit: FakeReddit, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert get(reddit, tmp_path) == [submission(number) for number in range(9)]
    assert reddit.asked == [f"{PATH}?limit=100", f"{PATH}?limit=100&after=page_1", f"{PATH}?limit=100&after=page_2"]
    assert reddit.tokens == 1
    (kept,) = (tmp_path / "listings").iterdir()
    assert kept.name.startswith("r-science-new-") and kept.suffix == ".ndjson"
    (agent,) = reddit.agents
    assert ":webtext:v" in agent
    # Until its stage is made it is not asked for again.
    assert get(reddit, tmp_path) == [submission(number) for number in range(9)]
    assert len(reddit.asked) == 3
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = "".join(capfd.readouterr()).encode()
    for secret in (SECRET, IDENTITY, "token-1"):
        assert secret.encode() not in written + said


def test_several_listings_share_a_token(reddit: FakeReddit, tmp_path: Path) -> None:
    reddit.pages["/domain/site.example/top"] = [[submission(50)]]
    names = (f"reddit:{PATH}", "reddit:/domain/site.example/top?t=year", f"reddit:{PATH}")
    assert len(get(reddit, tmp_path, *names)) == 10
    assert reddit.tokens == 1 and len(reddit.asked) == 4
    assert reddit.asked[-1] == "/domain/site.example/top?t=year&limit=100"


def test_an_expired_token_is_renewed(reddit: FakeReddit, tmp_path: Path) -> None:
    reddit.expires_after = 2
    assert len(page(reddit, tmp_path)[0]) == 9
    assert reddit.tokens == 2


def test_a_token_that_is_refused_at_once_ends_it(reddit: FakeReddit, tmp_path: Path) -> None:
    reddit.expires_after = 0
    with pytest.raises(WebtextError, match="does not accept its own token"):
        page(reddit, tmp_path)
    assert reddit.tokens == 2


def test_the_limits_of_the_last_answer_are_waited_for(reddit: FakeReddit, tmp_path: Path) -> None:
    some = {"X-Ratelimit-Remaining": "10", "X-Ratelimit-Reset": "40"}
    none = {"X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Reset": "77"}
    reddit.faults = [(200, limits, answer(number)) for number, limits in enumerate((some, none))]
    found, sleeps = page(reddit, tmp_path)
    assert [row["id"] for row in found] == ["a0", "a3", "a6", "a7", "a8"]
    assert sleeps == [4.0, 77.0]


def answer(number: int) -> bytes:
    """The first submission of a page alone."""
    return json.dumps(listing([{"kind": "t3", "data": PAGES[number][0]}], f"page_{number + 1}")).encode()


def test_what_is_no_submission_is_left_out(reddit: FakeReddit, tmp_path: Path) -> None:
    comment = {"kind": "t1", "data": {"id": "c", "body": "text"}}
    body = listing([comment, {"kind": "t3", "data": PAGES[0][0]}], None)
    reddit.faults = [(200, LIMITS, json.dumps(body).encode())]
    assert page(reddit, tmp_path)[0] == [PAGES[0][0]]


def test_a_cursor_that_does_not_move_ends_the_listing(reddit: FakeReddit, tmp_path: Path) -> None:
    body = json.dumps(listing([], "page_1")).encode()
    reddit.faults = [(200, LIMITS, body)] * 9
    assert page(reddit, tmp_path)[0] == []
    assert len(reddit.asked) == 2


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        ((429, {"Retry-After": "7"}, b"later"), [7.0, 7.0]),
        ((503, {}, b""), [2.0, 4.0]),
        ((0, {}, b""), [2.0, 4.0]),  # no answer at all
    ],
)
def test_what_passes_is_tried_again(reddit: FakeReddit, tmp_path: Path, fault: Any, waits: list[float]) -> None:
    reddit.faults = [fault] * 2
    found, sleeps = page(reddit, tmp_path)
    assert len(found) == 9 and len(reddit.asked) == 5
    assert [seconds for seconds in sleeps if seconds] == waits


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ([(403, {}, b"")], "may not be read"),
        ([(302, {"Location": "https://www.reddit.com/subreddits/search"}, b"")], "does not exist"),
        ([(429, {}, b"")] * 5, "still answers 429"),
        ([(500, {}, b"")] * 5, "answers HTTP 500"),
        ([(0, {}, b"")] * 5, r"cannot be reached \(ConnectionRefusedError\)"),
        ([(200, LIMITS, b"<html>")], "no listing"),
        ([(200, LIMITS, b'{"data": {"children": [1]}}')], "no listing"),
    ],
)
def test_what_does_not_pass_is_told(reddit: FakeReddit, tmp_path: Path, faults: list[Any], told: str) -> None:
    reddit.faults = [(200, LIMITS, answer(0)), *faults]
    with pytest.raises(WebtextError, match=told) as caught:
        page(reddit, tmp_path)
    assert caught.value.hint and not reddit.faults
    assert [row["id"] for row in page(reddit, tmp_path)[0]] == ["a0", *(f"a{number}" for number in range(3, 9))]


def test_a_subreddit_that_is_not_there(reddit: FakeReddit, tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match=r"reddit:/r/nowhere/new: does not exist"):
        page(reddit, tmp_path, "reddit:/r/nowhere/new")


def test_a_listing_without_submissions_is_told_and_asked_for_again(reddit: FakeReddit, tmp_path: Path) -> None:
    reddit.pages[PATH] = [[]]
    page(reddit, tmp_path / "work/sources")
    for _ in range(2):
        with pytest.raises(WebtextError, match="has no submissions"):
            gather([parse_listing(f"reddit:{PATH}")], tmp_path / "work/sources", tmp_path, reddit.endpoints)
        page(reddit, tmp_path / "work/sources")
    assert len(reddit.asked) == 3


def test_wrong_credentials_are_told_and_never_shown(
    reddit: FakeReddit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDDIT_CLIENT_SECRET", "wrong-secret")
    with pytest.raises(WebtextError, match="refuses the credentials") as caught:
        get(reddit, tmp_path)
    assert "wrong-secret" not in str(caught.value) + "".join(capfd.readouterr())


def test_refused_credentials_that_come_with_200(reddit: FakeReddit, tmp_path: Path) -> None:
    reddit.token = lambda headers, body: (200, {}, b'{"error": "unsupported_grant_type"}')  # type: ignore[method-assign]
    with pytest.raises(WebtextError, match="refuses the credentials"):
        page(reddit, tmp_path)


def test_an_interrupted_listing_goes_on_after_its_last_page(reddit: FakeReddit, tmp_path: Path) -> None:
    """Killed when the second page's lines are on disk and its cursor is not."""
    code = (
        "import sys; from pathlib import Path; from webtext.crawler.reddit.listing import Endpoints, parse_listing\n"
        "from webtext.crawler.reddit.listing_process import gather\n"
        f"c = Path({str(tmp_path)!r}); e = Endpoints({reddit.endpoints.token!r}, {reddit.endpoints.api!r})\n"
        f"gather([parse_listing('reddit:{PATH}')], c / 'work/sources', c, e)\n"
    )
    environment = {**os.environ, "WEBTEXT_FAULT": "listing.page:2"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "the process that gathers listings was killed by signal 9 (SIGKILL)" in done.stderr
    assert len(reddit.asked) == 2
    assert get(reddit, tmp_path) == [submission(number) for number in range(9)]
    assert [target.rpartition("=")[2] for target in reddit.asked] == ["100", "page_1", "page_1", "page_2"]
