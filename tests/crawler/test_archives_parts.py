"""What archives say, read as they say it; which capture is nearest; how fast they are asked. Nothing is asked here."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_archives import Visit, warc_record

from webtext.corpus.errors import UsageError
from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.archives import commoncrawl, wayback
from webtext.crawler.fetch.archives.captures import Capture, Place, days_apart, nearest, parse_timestamp
from webtext.crawler.fetch.archives.commoncrawl import Collection, NotUnderstood
from webtext.crawler.fetch.archives.orders import Orders, following, is_dead
from webtext.crawler.fetch.archives.pace import Pace, PutAside, Spent
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.records import StoredResponse

NOW = datetime(2025, 2, 1, tzinfo=UTC)
POSTED = datetime(2013, 5, 1, tzinfo=UTC)


def answer(body: bytes = b"", status: int = 200, **headers: str) -> StoredResponse:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return StoredResponse("http://archive.test/", status, named, body, NOW)


def capture(when: str, status: int | None = 200, mime: str = "text/html", truncated: str = "") -> Capture:
    return Capture("http://a.example/", parse_timestamp(when), status, mime, truncated=truncated)


# -- which capture -----------------------------------------------------------------------------------------------------


def test_the_capture_nearest_to_the_submission_is_taken() -> None:
    before, after, far = capture("20130420"), capture("20130515"), capture("2020")
    assert nearest([far, after, before], POSTED) == before
    assert nearest([capture("20130502"), capture("20130430")], POSTED) == capture("20130430")  # the earlier of two
    assert days_apart(after.when, POSTED) == 14
    assert nearest([far], POSTED, max_days=90) is None
    assert nearest([capture("20130730")], POSTED, max_days=90) == capture("20130730")
    assert nearest([capture("20130731")], POSTED, max_days=90) is None


def test_without_a_date_the_first_capture_is_taken() -> None:
    assert nearest([capture("2020"), capture("2009")], None, max_days=1) == capture("2009")
    assert days_apart(NOW, None) is None


def test_only_what_may_be_a_page_is_taken_and_redirects_where_there_is_nothing_else() -> None:
    moved, gone, image, cut = (
        capture("20130501", 301), capture("20130501", 404), capture("20130501", mime="image/png"),
        capture("20130501", truncated="length"),
    )  # fmt: skip
    page = capture("2024")
    assert nearest([moved, gone, image, cut, page], POSTED) == page
    assert nearest([moved, gone, image, cut], POSTED) == moved
    assert nearest([gone, image, cut], POSTED) is None
    same = capture("20130501", None, "warc/revisit")  # as an earlier capture
    assert nearest([same, page], POSTED) == same


@given(st.lists(st.integers(0, 6_000), min_size=1, max_size=20), st.integers(0, 6_000))
def test_no_capture_is_nearer_than_the_nearest(days: list[int], posted: int) -> None:
    begin = datetime(2009, 1, 1, tzinfo=UTC)
    captures = [Capture("http://a.example/", begin + timedelta(day), 200, "text/html") for day in days]
    found = nearest(captures, begin + timedelta(posted))
    assert found is not None
    assert abs((found.when - begin).days - posted) == min(abs(day - posted) for day in days)


# -- orders ------------------------------------------------------------------------------------------------------------


def test_the_order_of_a_host_is_its_own_or_its_domains_or_that_of_all() -> None:
    settings = CrawlSettings(
        sources=("live", "wayback", "commoncrawl"), host_sources=("github.com = commoncrawl, live", "a.example=wayback")
    )
    orders = Orders(settings, large=["big.example", "gist.github.com"])
    assert orders.of("other.example") == ("live", "wayback", "commoncrawl")
    assert orders.of("big.example") == ("wayback", "commoncrawl", "live")
    assert orders.of("gist.github.com") == orders.of("github.com") == ("commoncrawl", "live")
    assert orders.of("b.a.example") == ("wayback",)
    assert orders.of("notgithub.com") == ("live", "wayback", "commoncrawl")
    assert Orders(settings, usable=["wayback"]).of("github.com") == ("live",)
    assert following(("live", "wayback"), ["live"]) == "wayback"
    assert following(("live", "wayback"), ["wayback", "live"]) == ""


@pytest.mark.parametrize("entry", ["github.com", "github.com = google", "= live", "a.example = live, live"])
def test_an_order_that_is_none_is_told(entry: str) -> None:
    with pytest.raises(UsageError, match="host_sources"):
        Orders(CrawlSettings(host_sources=(entry,)))
    with pytest.raises(UsageError, match="twice"):
        Orders(CrawlSettings(sources=("live", "live")))


@pytest.mark.parametrize(
    ("outcome", "detail", "dead"),
    [
        ("http-error", "status 404", True), ("http-error", "status 410", True), ("http-error", "status 500", True),
        ("http-error", "status 403", False), ("http-error", "status 401", False), ("http-error", "status 451", False),
        ("unreachable", "the host's name is not known", True), ("timeout", "no whole answer in time", True),
        ("redirect", "leads back to an address of its own chain", True), ("robots", "disallowed by robots.txt", False),
        ("opt-out", "noai in X-Robots-Tag", False), ("content-type", "application/pdf", False), ("page", "", False),
        ("too-large", "", False), ("private-address", "", False), ("deferred", "", False),
    ],
)  # fmt: skip
def test_which_links_are_dead(outcome: str, detail: str, dead: bool) -> None:
    assert is_dead(outcome, detail) is dead


# -- pace --------------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pace(delay: float = 3.0, most: int = 100) -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(delay, most, clock), clock


def test_requests_keep_their_distance_and_their_maximum() -> None:
    own, clock = pace(most=2)
    assert own.turn() == 0.0
    assert own.answered(answer())
    clock.now += 1
    assert own.turn() == 2.0
    with pytest.raises(Spent):
        own.turn()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (answer(status=429, Retry_After="7"), 7.0),
        (answer(status=503, Retry_After="Sat, 01 Feb 2025 00:00:09 GMT"), 9.0),
        (answer(status=429), 60.0),
        (answer(status=503, Retry_After="soon"), 60.0),
        (answer(status=429, Retry_After="0"), 3.0),
        (answer(status=502), 15.0),
        (Verdict(Outcome.TIMEOUT, "no whole answer in time"), 15.0),
    ],
)
def test_an_archive_that_asks_for_patience_gets_it(told: StoredResponse | Verdict, seconds: float) -> None:
    own, _ = pace()
    own.turn()
    assert not own.answered(told)
    assert own.turn() == seconds


@pytest.mark.parametrize(
    ("told", "times", "seconds"),
    [
        (answer(status=403), 1, 3_600), (answer(status=403, Retry_After="86400"), 1, 86_400),
        (answer(status=429, Retry_After="900"), 1, 3_600), (answer(status=429, Retry_After="1"), 3, 3_600),
        (answer(status=503), 3, 3_600), (answer(status=500), 3, 3_600),
        (Verdict(Outcome.UNREACHABLE, "the connection was refused"), 1, 3_600),
        (Verdict(Outcome.UNREACHABLE, "the connection was closed"), 3, 3_600),
        (Verdict(Outcome.PRIVATE_ADDRESS, "loopback"), 1, 3_600),
    ],
)  # fmt: skip
def test_signs_of_a_ban_put_an_archive_aside(told: StoredResponse | Verdict, times: int, seconds: float) -> None:
    own, _ = pace()
    for _ in range(times - 1):
        assert not own.answered(told)
    with pytest.raises(PutAside) as caught:
        own.answered(told)
    assert caught.value.seconds == seconds


def test_failures_count_only_in_a_row() -> None:
    own, _ = pace()
    for _ in range(9):
        assert not own.answered(answer(status=500))
        own.unreadable("a captcha")
        assert own.answered(answer(status=404))


# -- Common Crawl ------------------------------------------------------------------------------------------------------

# As index.commoncrawl.org gave them.
COLLINFO = json.dumps([
    {"id": "CC-MAIN-2024-10", "name": "February/March 2024 Index", "timegate": "https://index.commoncrawl.org/x/",
     "cdx-api": "https://index.commoncrawl.org/CC-MAIN-2024-10-index", "from": "2024-02-20T21:16:45",
     "to": "2024-03-05T15:44:33"},
    {"id": "CC-MAIN-2013-20", "name": "Summer 2013 Index", "cdx-api": "…"},
    {"id": "CC-MAIN-2009-2010", "name": "2009 - 2010 Index"},
    {"id": "CC-MAIN-2012", "name": "2012 Index"},
    {"id": "SOMETHING-ELSE"},
]).encode()  # fmt: skip
LINE = (
    b'{"urlkey": "example,a)/", "timestamp": "20130519000000", "url": "http://a.example/", "mime": "text/html", '
    b'"mime-detected": "text/html", "status": "200", "digest": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "length": "1234", '
    b'"offset": "5678", "filename": "crawl-data/CC-MAIN-2013-20/segments/1/warc/a.warc.gz", "languages": "eng"}\n'
)


def test_the_list_of_crawls_and_which_of_them_is_near() -> None:
    collections = commoncrawl.parse_collections(COLLINFO)
    assert [one.name for one in collections] == [
        "CC-MAIN-2024-10", "CC-MAIN-2013-20", "CC-MAIN-2009-2010", "CC-MAIN-2012",
    ]  # fmt: skip
    assert collections[0].begin == datetime(2024, 2, 20, 21, 16, 45, tzinfo=UTC)
    assert [one.name for one in commoncrawl.by_nearness(collections, POSTED)][:2] == ["CC-MAIN-2013-20", "CC-MAIN-2012"]
    assert commoncrawl.by_nearness(collections, None)[0].name == "CC-MAIN-2009-2010"
    for body in (b"<html>", b"{}", b"[1]", b"[{}]", b"[" * 100_000):
        with pytest.raises(NotUnderstood):
            commoncrawl.parse_collections(body)


def test_queries_and_answers_of_the_index_server() -> None:
    collection = Collection("CC-MAIN-2013-20", POSTED, POSTED)
    assert commoncrawl.query_address("https://index.test/", collection, "http://a.example/?b=c&d") == (
        "https://index.test/CC-MAIN-2013-20-index?url=http%3A%2F%2Fa.example%2F%3Fb%3Dc%26d&output=json"
        "&fl=url,timestamp,status,mime,length,offset,filename,truncated"
    )
    (found,) = commoncrawl.parse_captures(answer(LINE))
    assert (found.when, found.status, found.place) == (
        datetime(2013, 5, 19, tzinfo=UTC), 200,
        Place("crawl-data/CC-MAIN-2013-20/segments/1/warc/a.warc.gz", 5_678, 1_234),
    )  # fmt: skip
    assert commoncrawl.record_address("https://data.test", found.place)[1] == "bytes=5678-6911"
    none = answer(b'{"message": "No Captures found for: http://a.example/"}', 404)
    assert commoncrawl.parse_captures(none) == []
    assert commoncrawl.parse_pages(b'{"pages": 4, "pageSize": 5, "blocks": 17}') == commoncrawl.parse_pages(b"4") == 4
    for wrong in (answer(b"<html>", 404), answer(b"<html>"), answer(b"{}"), answer(b"[1]\n"), answer(b"", 400)):
        with pytest.raises(NotUnderstood):
            commoncrawl.parse_captures(wrong)


def test_a_record_is_taken_only_whole_and_of_the_address_that_was_asked_for() -> None:
    record = warc_record(Visit("https://www.a.example/", "20130519000000", b"<p>hello"))
    stored = commoncrawl.parse_record(record, "http://a.example/")
    assert (stored.status, stored.body, stored.fetched) == (200, b"<p>hello", datetime(2013, 5, 19, tzinfo=UTC))
    for wrong in (record[:-9], record[1:], b"", b"<html>404", gzip.compress(b"WARC/1.0\r\n\r\n")):
        with pytest.raises(NotUnderstood):
            commoncrawl.parse_record(wrong, "http://a.example/")
    with pytest.raises(NotUnderstood, match="another address"):
        commoncrawl.parse_record(record, "http://b.example/")


# -- the Wayback Machine -----------------------------------------------------------------------------------------------


def test_queries_and_answers_of_the_cdx_server() -> None:
    assert wayback.query_address("https://web.archive.org", "http://a.example/?b=c").startswith(
        "https://web.archive.org/cdx/search/cdx?url=http%3A%2F%2Fa.example%2F%3Fb%3Dc&output=json&"
    )
    rows = b"""[["timestamp","original","mimetype","statuscode"],
["20110101000000","http://www.a.example:80/","text/html","200"],
["20120101000000","http://a.example/","warc/revisit","-"]]"""
    first, second = wayback.parse_captures(answer(rows))
    assert (first.url, first.when, first.status) == ("http://www.a.example:80/", datetime(2011, 1, 1, tzinfo=UTC), 200)
    assert (second.mime, second.status) == ("warc/revisit", None)
    assert wayback.playback_address("https://web.archive.org/", first) == (
        "https://web.archive.org/web/20110101000000id_/http://www.a.example:80/"
    )
    for none in (answer(b"[]"), answer(b"\n"), answer(status=404)):
        assert wayback.parse_captures(none) == []
    for wrong in (answer(b"<html>"), answer(b'[["timestamp"],["2011"]]'), answer(b"[[1],[2]]"), answer(b"[", 200)):
        with pytest.raises(NotUnderstood):
            wayback.parse_captures(wrong)


def test_what_its_owner_has_excluded_is_no_ban() -> None:
    blocked = "AdministrativeAccessControlException: Blocked Site Error"
    assert wayback.is_excluded(answer(status=403, X_Archive_Wayback_Runtime_Error=blocked))
    assert wayback.is_excluded(answer(b"<p>This URL has been excluded from the Wayback Machine.</p>", 403))
    assert not wayback.is_excluded(answer(b"Forbidden", 403))
    assert not wayback.is_excluded(answer(b"has been excluded from", 200))


def test_an_answer_of_then_is_restored() -> None:
    played = answer(
        b"\x1f\x8b", 200, Content_Type="text/html", Content_Encoding="gzip", Memento_Datetime="x", Server="nginx",
        X_Archive_Orig_Content_Type="text/html; charset=latin1", X_Archive_Orig_X_Robots_Tag="noai",
        X_Archive_Orig_Content_Encoding="deflate", X_Archive_Orig_Content_Length="9",
    )  # fmt: skip
    stored = wayback.restored(played, "http://a.example/", POSTED)
    assert stored.headers == [
        ("Content-Type", "text/html; charset=latin1"), ("X-Robots-Tag", "noai"), ("Content-Encoding", "gzip"),
    ]  # fmt: skip
    assert stored.fetched == POSTED
    moved = answer(status=301, Location="https://web.archive.org/web/20130501000000id_/http://b.example/x?y")
    assert wayback.other_capture(moved) == (POSTED, "http://b.example/x?y")
    assert wayback.restored(moved, "http://a.example/", POSTED).headers == [("Location", "http://b.example/x?y")]
    assert wayback.other_capture(answer(status=302, Location="/account/login")) is None


def test_a_truncated_record_is_no_page() -> None:
    from webtext.crawler.fetch.judging import judge_page

    record = warc_record(Visit("http://a.example/", "20130519000000", b"<p>half", truncated="length"))
    stored = commoncrawl.parse_record(record, "http://a.example/")
    assert stored.truncated == "length"
    verdict = judge_page(stored, CrawlSettings())
    assert verdict == Verdict(Outcome.TOO_LARGE, "only the beginning was recorded (WARC-Truncated: length)")
    assert judge_page(replace(stored, truncated=""), CrawlSettings()) is None
