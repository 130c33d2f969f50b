"""Judged lines as tables: every line ends as a link, an outcome or a count."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.settings import LinksSettings
from webtext.crawler.reddit import lines as judging
from webtext.crawler.reddit.counts import Counts
from webtext.crawler.reddit.decisions import decide_lines, decide_lines_slowly
from webtext.crawler.reddit.lines import SCHEMA, JudgedLines, judge_lines, sorted_by_key, with_places
from webtext.crawler.reddit.select import Judge
from webtext.crawler.reddit.urls import url_key

SHA = "0123456789abcdef" * 4
DEFAULTS = LinksSettings()


def lines_of(*records: dict[str, Any] | bytes, **more: bool) -> tuple[pa.Table, Counts]:
    data = b"".join(
        (record if isinstance(record, bytes) else json.dumps(record).encode()) + b"\n" for record in records
    )
    return judge_lines(data, Judge(DEFAULTS), **more)


def decided(table: pa.Table, settings: LinksSettings = DEFAULTS) -> tuple[pa.Table, pa.Table]:
    """Links and outcomes; whatever is decided, the slow way decides it so, too."""
    found, slowly = decide_lines(table, settings), decide_lines_slowly(table, settings)
    assert found.links == slowly.links
    assert found.outcomes == slowly.outcomes
    assert +found.counts == +slowly.counts
    counted = decide_lines(table, settings, outcomes=False)
    assert (counted.links, counted.counts, len(counted.outcomes)) == (found.links, found.counts, 0)
    assert found.outcomes["key"].to_pylist() == sorted(found.outcomes["key"].to_pylist())
    return found.links, found.outcomes


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
    assert table.schema == SCHEMA
    assert counts.numbers == {
        "lines": 6, "blank_lines": 1, "objects": 4, "submissions": 4, "self-post": 1, "media": 1, "nsfw": 1,
        "unreadable": 1,
    }  # fmt: skip
    assert counts.unreadable == [(6, "not JSON")]
    assert counts.months == {"1970-01": {"submissions": 4, "score_sum": 20, "at_least_3": 4}}
    assert Counts.of(json.loads(json.dumps(counts.to_json()))) == counts
    rows = {row["outcome"]: row for row in table.to_pylist()}
    assert set(rows) == {"", "nsfw", "unreadable"}
    assert rows[""] == {
        "key": url_key("http://x.example/"), "url": "http://x.example/", "outcome": "", "detail": "", "id": "a",
        "subreddit": "news", "score": 5, "created": 10,
    }  # fmt: skip
    assert rows["nsfw"]["id"] == "" and rows["nsfw"]["subreddit"] is None and rows["nsfw"]["created"] is None


def test_lines_that_have_an_outcome_by_themselves_may_be_counted_only() -> None:
    lines = [record("http://x.example/"), record("http://y.example/", over_18=True), b"{"]
    (table, counts), (all_rows, same) = lines_of(*lines, rejected=False), lines_of(*lines)
    assert counts == same
    assert table["outcome"].to_pylist() == [""] and all_rows["outcome"].to_pylist() == ["", "nsfw", "unreadable"]


def test_an_unreadable_line_can_be_found_again() -> None:
    judged = JudgedLines(Judge(DEFAULTS))
    judged.add(b"{}\n[]\n", 1_000)
    table, counts = judged.take()
    assert counts.unreadable == [(2, "no JSON object")]
    placed = with_places(table, 50_000, SHA)
    assert "no JSON object: line 51002 of the dump with sha256 0123456789abcdef" in placed["detail"].to_pylist()
    assert placed["created"].to_pylist() == [None, None] and placed.schema == SCHEMA
    readable, _ = lines_of(record("http://x.example/"))
    assert with_places(readable, 50_000, SHA) == readable


def test_what_is_lost_of_a_source_is_an_unreadable_line() -> None:
    for rejected in (True, False):
        judged = JudgedLines(Judge(DEFAULTS), rejected=rejected)
        judged.add(b"{}\n{}\n", 10)
        judged.lose("is cut off at byte 7", 12, 400)
        judged.add(b"{}\n[]", 13)
        table, counts = judged.take()
        placed = with_places(table.filter(pc.equal(table["outcome"], "unreadable")), 0, SHA)
        where = "of the dump with sha256 0123456789abcdef"
        assert placed["detail"].to_pylist() == [
            f"is cut off at byte 7: line 13 {where}", f"no JSON object: line 15 {where}"
        ][: 2 * rejected]  # fmt: skip
        assert counts.unreadable == [(3, "is cut off at byte 7"), (5, "no JSON object")]
        assert (counts.numbers["lines"], counts.numbers["unreadable"], counts.numbers["lost_bytes"]) == (5, 2, 400)


@given(st.lists(st.sampled_from([record("http://x.example/"), record("http://y.example/", over_18=True), b"{", b""])))
def test_blocks_judged_together_are_judged_as_one(lines: list[dict[str, Any] | bytes]) -> None:
    whole, counts = lines_of(*lines)
    for held in (1, 3, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(judging, "_HELD_ROWS", held)
            judged = JudgedLines(Judge(DEFAULTS))
            for number, line in enumerate(lines):
                judged.add((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n", number)
            table, total = judged.take()
        assert total == counts
        assert sorted_by_key(table) == sorted_by_key(whole)


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    lines = [b"{", record("http://x.example/"), b"", *[b"["] * 30, record("http://y.example/", 1, created=3_000_000)]
    _, whole = lines_of(*lines)
    total = Counts()
    for start in range(0, len(lines), 3):
        total.add(lines_of(*lines[start : start + 3])[1])
    assert total == whole
    assert whole.numbers["unreadable"] == 31
    assert [line for line, _ in whole.unreadable] == [1, *range(4, 23)]
    assert set(whole.months) == {"1970-01", "1970-02"}


def test_a_row_of_a_list_may_choose_its_link_and_a_line_of_a_dump_may_not() -> None:
    rows = [{"url": "http://x.example/", "webtext_chosen": True}, record("http://x.example/", 1)]
    table, _ = lines_of(*rows, lists=True)
    links, outcomes = decided(table)
    assert links["karma"].to_pylist() == [1] and outcomes["outcome"].to_pylist() == ["duplicate-url"]
    assert decided(table, LinksSettings(karma_policy="first"))[0]["karma"].to_pylist() == [1]
    alone, _ = lines_of(rows[0], lists=True)
    assert decided(alone)[0]["karma"].to_pylist() == [0]
    assert decided(lines_of(rows[0])[0])[0].num_rows == 0


def test_rows_are_sorted_by_all_they_hold() -> None:
    rows = [record("http://x.example/", score, name) for score in (3, 1, 2) for name in "ba"]
    rows += [record(f"http://y{number}.example/") for number in range(20)]
    one, _ = lines_of(*rows)
    other, _ = lines_of(*reversed(rows))
    ordered = sorted_by_key(one)
    assert ordered == sorted_by_key(other)
    assert ordered["key"].to_pylist() == sorted(ordered["key"].to_pylist())
    assert [row["id"] for row in ordered.to_pylist() if row["url"] == "http://x.example/"] == list("aaabbb")


def test_a_block_of_nothing_is_an_empty_table() -> None:
    table, counts = lines_of()
    assert (table.num_rows, table.schema, counts.numbers["lines"]) == (0, SCHEMA, 0)
    links, outcomes = decided(table)
    assert (links.num_rows, outcomes.num_rows) == (0, 0)
    assert (links.schema, outcomes.schema) == (LINKS, OUTCOMES)


def test_a_link_carries_its_submissions_and_its_other_lines_are_duplicates() -> None:
    table, _ = lines_of(
        record("http://www.x.example/a/", 2, "b", 20),
        record("http://x.example/a?utm_source=y", 9, "c", 30, subreddit=None),
        record("https://x.example/a", 1, "a", 10),
    )
    links, outcomes = decided(table)
    (link,) = links.to_pylist()
    assert (link["url"], link["domain"], link["karma"]) == ("https://x.example/a", "x.example", 9)
    assert link["first_posted"].timestamp() == 10
    posts = link["submissions"]
    assert [(post["id"], post["subreddit"], post["score"]) for post in posts] == [
        ("a", "news", 1), ("b", "news", 2), ("c", None, 9),
    ]  # fmt: skip
    assert [post["created"].timestamp() for post in posts] == [10, 20, 30]
    assert [(row["outcome"], row["url"], row["detail"]) for row in outcomes.to_pylist()] == [
        ("duplicate-url", "http://www.x.example/a/", "submission b, score 2"),
        ("duplicate-url", "https://x.example/a", "submission a, score 1"),
    ]
    assert {row["key"] for row in outcomes.to_pylist()} == {link["key"]}


def test_too_little_karma_is_one_outcome_and_the_other_lines_are_duplicates() -> None:
    table, _ = lines_of(record("http://x.example/", 1, "a"), record("http://x.example/", 2, "b"))
    links, outcomes = decided(table)
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
    links, outcomes = decided(table)
    assert links.num_rows == 0
    assert Counter(outcomes["outcome"].to_pylist()) == {"karma": 1, "nsfw": 1, "removed": 1}


def test_a_score_no_one_recorded_is_no_karma() -> None:
    links, _ = decided(lines_of({**record("http://x.example/"), "score": None})[0], LinksSettings(min_karma=0))
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
            webtext_chosen=st.booleans(),
        ),
        st.sampled_from([b"", b" ", b"{", b"[]"]),
    ),
    max_size=12,
)


@given(_RECORDS, st.sampled_from(["max", "sum", "first"]), st.booleans())
def test_every_line_ends_once(records: list[dict[str, Any] | bytes], policy: str, lists: bool) -> None:
    table, counts = lines_of(*records, lists=lists)
    links, outcomes = decided(sorted_by_key(table), LinksSettings(karma_policy=policy))
    counted = counts.numbers["self-post"] + counts.numbers["media"]
    assert counts.numbers["lines"] - counts.numbers["blank_lines"] == links.num_rows + outcomes.num_rows + counted
    assert len(set(links["key"].to_pylist())) == links.num_rows


@given(_RECORDS, st.sampled_from(["max", "sum", "first"]), st.randoms())
def test_however_lines_are_split_over_sources_the_links_are_the_same(
    records: list[dict[str, Any] | bytes], policy: str, chance: random.Random
) -> None:
    settings = LinksSettings(karma_policy=policy)
    sources: list[list[dict[str, Any] | bytes]] = [[], [], []]
    for line in records:
        chance.choice(sources).append(line)
    parts = [sorted_by_key(lines_of(*source)[0]) for source in sources]
    chance.shuffle(parts)
    whole = decide_lines(sorted_by_key(lines_of(*records)[0]), settings)
    split = decide_lines(pa.concat_tables(parts), settings)
    assert (split.links, split.counts) == (whole.links, whole.counts)
    readable = [
        found.outcomes.filter(pc.not_equal(found.outcomes["outcome"], "unreadable")) for found in (whole, split)
    ]
    assert readable[0] == readable[1]  # an unreadable line is called by its place
