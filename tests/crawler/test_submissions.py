"""From the lines of a dump to submissions, whatever the year."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webtext.crawler.reddit.submissions import Submission, Unreadable, parse_block, parse_block_slowly


def parse_one(**fields: Any) -> Submission:
    (entry,) = parse_block(json.dumps(fields).encode() + b"\n").entries
    assert isinstance(entry, Submission)
    return entry


def test_a_record_of_2024_is_read() -> None:
    found = parse_one(
        id="1afwvv8", name="t3_1afwvv8", url="https://x.example/?a&amp;b", url_overridden_by_dest="https://other.example/",
        domain="x.example", subreddit="news", score=183, created_utc=1706745600.0, is_self=False, is_video=False,
        is_reddit_media_domain=False, over_18=True, removed_by_category=None, selftext="", preview={"images": [{}]},
    )  # fmt: skip
    assert found == Submission(
        id="1afwvv8", url="https://x.example/?a&amp;b", subreddit="news", score=183, created=1706745600, is_self=False,
        is_media=False, nsfw=True, removed="", recognised=True,
    )  # fmt: skip


def test_a_record_with_nothing_in_it_is_read() -> None:
    assert parse_one() == Submission(
        id="", url="", subreddit=None, score=None, created=None, is_self=False, is_media=False, nsfw=False, removed="",
        recognised=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "created"),
    [
        (1402000000, 1402000000), ("1402000000", 1402000000), (1402000000.0, 1402000000), ("1402000000.5", 1402000000),
        (0, None), ("0", None), (None, None), (-5, None), ("soon", None), ("", None), (1e300, None), (10**30, None),
        (True, None), ([1402000000], None), ({}, None), ("9" * 5_000, None), ("nan", None), ("inf", None),
    ],
)  # fmt: skip
def test_created_utc_is_a_number_a_string_or_nothing(stored: object, created: int | None) -> None:
    assert parse_one(created_utc=stored).created == created


@pytest.mark.parametrize(
    ("stored", "score"),
    [(7, 7), ("7", 7), (7.0, 7), ("-3", -3), (-3, -3), (0, 0), (None, None), (True, None), ("x", None), ([], None)],
)
def test_a_score_is_a_number_a_string_or_nothing(stored: object, score: int | None) -> None:
    assert parse_one(score=stored).score == score


def test_a_missing_url_is_taken_from_url_overridden_by_dest() -> None:
    assert parse_one(url=None, url_overridden_by_dest="http://a.example/").url == "http://a.example/"
    assert parse_one(url="", url_overridden_by_dest="http://a.example/").url == "http://a.example/"
    assert parse_one(url="http://b.example/", url_overridden_by_dest="http://a.example/").url == "http://b.example/"
    assert parse_one(url=None, url_overridden_by_dest=None).url == ""


def test_a_crosspost_is_counted_to_the_link_of_the_submission_that_it_repeats() -> None:
    parent = {"id": "p", "url": "http://x.example/a", "score": 900, "is_self": False}
    fields = {"id": "c", "subreddit": "news", "score": 4, "created_utc": 1_600_000_000, "crosspost_parent": "t3_p"}
    inside = ["/r/other/comments/p/a/", "https://www.reddit.com/r/other/comments/p/a/", "/user/x/comments/p/a/"]
    for url in (*inside, "http://x.example/a"):
        found = parse_one(**fields, url=url, crosspost_parent_list=[parent])
        assert (found.url, found.score, found.crosspost) == ("http://x.example/a", 4, True)
    for other in ("/r/other/comments/q/a/", "/r/other/", "https://x.example/r/other/comments/p/"):
        assert parse_one(**fields, url=other, crosspost_parent_list=[parent]).url == other
    own = parse_one(**fields, url="http://y.example/", crosspost_parent_list=[parent])
    assert own.url == "http://y.example/"  # a link of its own
    assert parse_one(**fields, url=inside[0], crosspost_parent_list=[{}]).url == inside[0]  # its parent is gone
    assert parse_one(**fields, url="http://y.example/", crosspost_parent_list=[]).crosspost
    assert not parse_one(url="http://y.example/").crosspost


def test_the_id_may_stand_in_the_name_alone_or_be_a_number() -> None:
    assert parse_one(name="t3_abc").id == "abc"
    assert parse_one(id=87).id == "87"


@pytest.mark.parametrize(("stored", "nsfw"), [(True, True), ("true", True), (1, True), (False, False), (None, False)])
def test_flags_may_be_strings_or_numbers(stored: object, nsfw: bool) -> None:
    assert parse_one(over_18=stored).nsfw is nsfw


@pytest.mark.parametrize("field", ["is_reddit_media_domain", "is_video", "is_gallery"])
def test_reddit_says_itself_what_is_media(field: str) -> None:
    assert parse_one(**{field: True}).is_media


@pytest.mark.parametrize(
    ("fields", "removed"),
    [
        ({"removed_by_category": "moderator"}, "moderator"),
        ({"removed_by_category": "deleted", "selftext": "[removed]"}, "deleted"),
        ({"removed_by_category": None, "selftext": "[removed]"}, "[removed]"),
        ({"selftext": "[deleted]", "author": "[deleted]"}, "[deleted]"),
        ({"selftext": "", "author": "[deleted]"}, ""),  # the account went, the submission stayed
        ({"selftext": "I wrote [removed]"}, ""),
    ],
)
def test_removals_show_differently_before_and_after_2019(fields: dict[str, object], removed: str) -> None:
    assert parse_one(**fields).removed == removed


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"null", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b'{"id":"trunc","url":"http://x.example/', "not JSON"),
        (b'{"id":"a"}{"id":"b"}', "not JSON"),
        (b'{"score":NaN}', "not JSON"),
        (b'{"other":Infinity}', "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"id":"bad-utf8","title":"\xff\xfe","score":9}', "not UTF-8"),
        (b'{"id":"\xed\xa0\xbd"}', "not UTF-8"),
        (b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deeply"),
    ],
)
def test_a_line_that_holds_no_object_is_unreadable_and_costs_no_other(line: bytes, reason: str) -> None:
    found = parse_block(b'{"id":"before"}\n' + line + b'\n{"id":"after"}\n')
    before, bad, after = found.entries
    assert isinstance(bad, Unreadable) and (bad.line, bad.reason) == (1, reason)
    assert isinstance(before, Submission) and before.id == "before"
    assert isinstance(after, Submission) and after.id == "after"


def test_an_object_spread_over_two_lines_beside_two_on_one_line_is_not_mistaken_for_three_lines() -> None:
    found = parse_block(b'{"id":"a"}{"id":"b"}\n{"id":\n"c"}\n')
    assert [type(entry) for entry in found.entries] == [Unreadable, Unreadable, Unreadable]


def test_blank_lines_are_counted_apart() -> None:
    found = parse_block(b'\n{"id":"a"}\n  \r\n\t\n{"id":"b"}')
    assert (found.lines, found.blank, len(found.entries)) == (5, 3, 2)
    assert parse_block(b"").lines == 0


def test_windows_line_ends_are_read() -> None:
    found = parse_block(b'{"id":"a"}\r\n{"id":"b"}\r\n')
    assert [entry.id for entry in found.entries if isinstance(entry, Submission)] == ["a", "b"]


def test_lone_surrogates_cost_neither_the_line_nor_the_utf8() -> None:
    line = rb'{"id":"a","title":"\ud83d","url":"http://x.example/\ud83d/\ud83d\ude00","subreddit":"\udead"}'
    (found,) = parse_block(line).entries
    assert isinstance(found, Submission)
    assert found.url == "http://x.example/\ufffd/\U0001f600"
    assert found.subreddit == "\ufffd"


@pytest.mark.parametrize("digits", [b"1" * 30, b"1" * 5_000, b"1e400"])
def test_numbers_beyond_all_measure_cost_a_field_and_not_the_line(digits: bytes) -> None:
    (found,) = parse_block(b'{"id":"a","score":' + digits + b',"other":' + digits + b"}").entries
    assert isinstance(found, Submission) and (found.id, found.score) == ("a", None)


_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["[deleted]", "[removed]", "true", "1402000000", "t3_a", "\ud83d", "\ud83d\ude00", "\udead"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
_FIELDS = st.sampled_from([
    "id", "name", "url", "url_overridden_by_dest", "subreddit", "score", "created_utc", "is_self", "is_video",
    "is_gallery", "is_reddit_media_domain", "over_18", "removed_by_category", "selftext", "title", "\ud800",
    "crosspost_parent", "crosspost_parent_list", "webtext_chosen",
])  # fmt: skip
_OBJECTS = st.builds(
    lambda value, plain: json.dumps(value, ensure_ascii=plain).encode("utf-8", "surrogatepass"),
    st.dictionaries(_FIELDS, _VALUES, max_size=8),
    st.booleans(),
)
_USUAL = {
    "id": "a", "url": "/r/news/comments/b/", "crosspost_parent": "t3_b", "subreddit": "news", "score": 3,
    "created_utc": 1_402_000_000, "is_self": False, "over_18": False, "selftext": "", "is_video": None,
    "crosspost_parent_list": [{"url": "http://y.example/"}],
}  # fmt: skip
_DRIFTED = st.builds(
    lambda changes, gone: json.dumps({k: v for k, v in {**_USUAL, **changes}.items() if k not in gone}).encode(),
    st.dictionaries(
        _FIELDS,
        _VALUES
        | st.sampled_from([[{}], [{"url": ""}], [{"url": 1}], [{"url": "http://z.example/"}, 1], [None], 0, -5]),
        max_size=2,
    ),
    st.lists(_FIELDS, max_size=2),
)
_PIECES = st.sampled_from([
    b"{", b"}", b"[", b"]", b":", b",", b'"', b'"id"', b'"x"', b"1", b"-", b"01", b"1.", b"1e9", b"NaN", b"null",
    b"tru", b"\\u", b"\\ud83d", b"\\n", b"\xff", b"\xc3\xa4", b"\x00", b"\r", b"\x0c", b" ", b'{"id":"a"}', b'{"id":',
    b'"c"}', b"\xef\xbb\xbf",
])  # fmt: skip
_LINES = st.one_of(_OBJECTS, _DRIFTED, st.builds(b"".join, st.lists(_PIECES, max_size=6)), st.just(b""))


@given(st.builds(b"\n".join, st.lists(_LINES, max_size=6)))
@example(b'{"a":1}{"b":2}\n{"x":\n1}\n')
def test_the_fast_parser_gives_what_the_slow_one_gives(block: bytes) -> None:
    assert parse_block(block) == parse_block_slowly(block)


def test_real_dumps_are_read_alike_by_both(data: Path) -> None:
    july = lzma.decompress((data / "reddit/dumps/RS_v2_2005-07.xz").read_bytes())
    found = parse_block(july)
    assert found == parse_block_slowly(july)
    assert (found.lines, found.blank, len(found.entries)) == (1_079, 0, 1_079)
    assert sum(isinstance(entry, Submission) and (entry.score or 0) >= 3 for entry in found.entries) == 757
    modern = (data / "reddit/dumps/submissions-2024-schema.ndjson").read_bytes()
    entries = [entry for entry in parse_block(modern).entries if isinstance(entry, Submission)]
    assert parse_block(modern) == parse_block_slowly(modern)
    assert len(entries) == 31
    assert all(entry.created and entry.id and entry.subreddit and entry.url for entry in entries)
