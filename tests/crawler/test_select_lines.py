"""Judged lines as tables: every line ends as a link, an outcome or a count."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.config import LinksSettings
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.crawler.reddit.lines import LINES, decide_lines, judge_lines
from webtext.crawler.reddit.select import Judge
from webtext.crawler.reddit.urls import url_key

SHA = "0123456789abcdef" * 4
DEFAULTS = LinksSettings()


def lines_of(*records: dict[str, Any] | bytes, first_line: int = 0) -> tuple[pa.Table, dict[str, int]]:
    data = b"".join(
        (record if isinstance(record, bytes) else json.dumps(record).encode()) + b"\n" for record in records
    )
    return judge_lines(data, first_line, SHA, Judge(DEFAULTS))


def record(url: str, score: int = 5, name: str = "a", created: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "url": url,
        "score": score,
        "created_utc": created,
        "subreddit": "news",
        "is_self": False,
        **more,
    }


def test_a_line_file_holds_what_deciding_needs_and_no_more() -> None:
    table, counts = lines_of(
        record("http://x.example/"),
        record("http://y.example/", over_18=True),
        record("http://z.example/", is_self=True),
        record("http://i.redd.it/a"),
        b"",
        b"{",
    )
    assert table.schema == LINES
    assert counts == {
        "lines": 6, "blank_lines": 1, "objects": 4, "submissions": 4, "self-post": 1, "media": 1,
    }  # fmt: skip
    rows = {row["outcome"]: row for row in table.to_pylist()}
    assert set(rows) == {"", "nsfw", "unreadable"}
    assert rows[""] == {
        "key": url_key("http://x.example/"), "url": "http://x.example/", "outcome": "", "detail": "", "id": "a",
        "subreddit": "news", "score": 5, "created": 10,
    }  # fmt: skip
    assert rows["nsfw"]["id"] == "" and rows["nsfw"]["subreddit"] is None and rows["nsfw"]["created"] is None
    assert table["key"].to_pylist() == sorted(table["key"].to_pylist())


def test_an_unreadable_line_can_be_found_again() -> None:
    table, _ = lines_of({}, b"[]", first_line=1_000)
    assert "no JSON object: line 1002 of the dump with sha256 0123456789abcdef" in table["detail"].to_pylist()


def test_a_block_of_nothing_is_an_empty_table() -> None:
    table, counts = lines_of()
    assert (table.num_rows, table.schema, counts["lines"]) == (0, LINES, 0)
    links, outcomes = decide_lines(table, DEFAULTS)
    assert (links.num_rows, outcomes.num_rows) == (0, 0)
    assert (links.schema, outcomes.schema) == (LINKS, OUTCOMES)


def test_a_link_carries_its_submissions_and_its_other_lines_are_duplicates() -> None:
    table, _ = lines_of(
        record("http://www.x.example/a/", 2, "b", 20),
        record("http://x.example/a?utm_source=y", 9, "c", 30, subreddit=None),
        record("https://x.example/a", 1, "a", 10),
    )
    links, outcomes = decide_lines(table, DEFAULTS)
    (link,) = links.to_pylist()
    assert (link["url"], link["domain"], link["karma"]) == ("https://x.example/a", "x.example", 9)
    assert link["first_posted"].timestamp() == 10
    posts = link["submissions"]
    assert [(post["id"], post["subreddit"], post["score"]) for post in posts] == [
        ("a", "news", 1), ("b", "news", 2), ("c", None, 9),
    ]  # fmt: skip
    assert [post["created"].timestamp() for post in posts] == [10, 20, 30]
    assert [(row["outcome"], row["url"], row["detail"]) for row in outcomes.to_pylist()] == [
        ("duplicate-url", "https://x.example/a", "submission a, score 1"),
        ("duplicate-url", "http://www.x.example/a/", "submission b, score 2"),
    ]
    assert {row["key"] for row in outcomes.to_pylist()} == {link["key"]}


def test_too_little_karma_is_one_outcome_and_the_other_lines_are_duplicates() -> None:
    table, _ = lines_of(record("http://x.example/", 1, "a"), record("http://x.example/", 2, "b"))
    links, outcomes = decide_lines(table, DEFAULTS)
    assert links.num_rows == 0
    assert sorted((row["outcome"], row["detail"]) for row in outcomes.to_pylist()) == [
        ("duplicate-url", "submission a, score 1"), ("karma", "karma 2"),
    ]  # fmt: skip


def test_a_rejected_line_takes_no_part_in_the_decision() -> None:
    table, _ = lines_of(
        record("http://x.example/", 1, "a"),
        record("http://x.example/", 50, "b", over_18=True),
        record("http://x.example/", 50, "c", removed_by_category="moderator"),
    )
    links, outcomes = decide_lines(table, DEFAULTS)
    assert links.num_rows == 0
    assert Counter(outcomes["outcome"].to_pylist()) == {"karma": 1, "nsfw": 1, "removed": 1}


def test_a_score_no_one_recorded_is_no_karma() -> None:
    links, _ = decide_lines(lines_of({**record("http://x.example/"), "score": None})[0], LinksSettings(min_karma=0))
    assert links["karma"].to_pylist() == [0]


_RECORDS = st.lists(
    st.one_of(
        st.builds(
            record,
            st.sampled_from(
                ["http://a.example/", "https://www.a.example", "http://b.example/", "ftp://c/", "", "http://[::1]/"]
            ),
            st.integers(-1, 5),
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 3),
            over_18=st.booleans(),
            is_self=st.booleans(),
        ),
        st.sampled_from([b"", b" ", b"{", b"[]"]),
    ),
    max_size=12,
)


@given(_RECORDS)
def test_every_line_ends_once(records: list[dict[str, Any] | bytes]) -> None:
    table, counts = lines_of(*records)
    links, outcomes = decide_lines(table, DEFAULTS)
    counted = counts.get("self-post", 0) + counts.get("media", 0)
    assert counts["lines"] - counts["blank_lines"] == links.num_rows + outcomes.num_rows + counted
    assert len(set(links["key"].to_pylist())) == links.num_rows
