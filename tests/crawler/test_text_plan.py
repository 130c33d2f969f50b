"""Which link owns a page, and how the pages are cut into parts."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.errors import WebtextError
from webtext.corpus.schemas import LINKS, key_text
from webtext.crawler.text.owners import NO_TIME, owners
from webtext.crawler.text.plan import (
    LINK_COLUMNS,
    PLAN,
    cut_parts,
    join_links,
    made_of,
    numbers,
    outcome_rows,
    pages_digest,
    rows_of,
    split_owned,
)

Row = tuple[int, int, int, int]  # key, final key, karma, first posted


def owners_of(rows: list[Row]) -> list[int]:
    """The key of each row's owner."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    keys, final_keys = (np.array(column, np.uint64) for column in columns[:2])
    karma, posted = (np.array(column, np.int64) for column in columns[2:])
    return [int(keys[row]) for row in owners(keys, final_keys, karma, posted)]


def slow_owners(rows: list[Row]) -> list[int]:
    """The rule in words: own key, most karma, earliest, smallest key."""
    owner = {}
    for final_key, group in groupby(sorted(rows, key=lambda row: row[1]), key=lambda row: row[1]):
        owner[final_key] = min(group, key=lambda row: (row[0] != final_key, -row[2], row[3], row[0]))[0]
    return [owner[row[1]] for row in rows]


def test_a_link_that_nobody_shares_owns_its_page() -> None:
    assert owners_of([]) == []
    assert owners_of([(5, 5, 3, 100), (6, 9, 3, 100)]) == [5, 6]


def test_the_link_of_the_final_address_owns_it_whatever_its_karma() -> None:
    assert owners_of([(1, 7, 9_000, 1), (7, 7, 3, NO_TIME), (9, 7, 50, 5)]) == [7, 7, 7]


def test_otherwise_karma_then_time_then_key() -> None:
    assert owners_of([(1, 7, 3, 1), (2, 7, 4, 9)]) == [2, 2]
    assert owners_of([(1, 7, 4, 9), (2, 7, 4, 8)]) == [2, 2]
    assert owners_of([(1, 7, 4, NO_TIME), (2, 7, 4, 8)]) == [2, 2]
    assert owners_of([(2, 7, 4, 8), (1, 7, 4, 8)]) == [1, 1]


def test_a_link_whose_own_address_led_elsewhere_does_not_own_what_lies_there() -> None:
    # 7 itself led to 8 when it was fetched: it competes for 8, and 1 keeps what lay at 7.
    assert owners_of([(1, 7, 3, 1), (7, 8, 3, 1), (8, 8, 3, 1)]) == [1, 8, 8]


def test_keys_in_the_upper_half_are_no_negative_numbers() -> None:
    high = 2**64 - 1
    assert owners_of([(high, 5, 3, 1), (1, 5, 3, 1)]) == [1, 1]
    assert owners_of([(high, high, 3, 1), (1, high, 9, 1)]) == [high, high]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*range(12), 2**63, 2**64 - 1]), st.integers(0, 5), st.integers(-2, 2), st.integers(0, 2)
        ),
        unique_by=lambda row: row[0],
    )
)
def test_owners_are_those_of_the_rule_in_words(rows: list[Row]) -> None:
    assert owners_of(rows) == slow_owners(rows)


def links_table(*rows: tuple[int, str, int]) -> pa.Table:
    values = [
        {"key": key, "url": url, "domain": "example.org", "karma": karma, "submissions": [], "first_posted": None}
        for key, url, karma in rows
    ]
    return pa.Table.from_pylist(values, LINKS).select(LINK_COLUMNS)


def pages_table(*rows: tuple[int, int], day: int = 1) -> pa.Table:
    values = [
        {
            "key": key,
            "url": "ignored",
            "final_url": f"https://example.org/{final_key}",
            "final_key": final_key,
            "segment": "segment-00000.warc.gz",
            "offset": 10 * key % 1_000,
            "length": 10,
            "record_id": f"urn:uuid:{key}",
            "fetched": datetime(2025, 1, day, tzinfo=UTC),
            "source": "crawl",
        }
        for key, final_key in rows
    ]
    schema = pa.schema([PLAN.field(name) for name in ("key", "url", *PLAN.names[5:])])
    return pa.Table.from_pylist(values, schema)


def test_pages_meet_their_links() -> None:
    plan = join_links(
        pages_table((9, 9), (2, 2)), links_table((2, "http://a/", 5), (3, "http://b/", 6), (9, "http://c/", 7))
    )
    assert plan.schema.equals(PLAN)
    assert plan.select(["key", "url", "karma", "final_key"]).to_pylist() == [
        {"key": 2, "url": "http://a/", "karma": 5, "final_key": 2},
        {"key": 9, "url": "http://c/", "karma": 7, "final_key": 9},
    ]
    assert join_links(pages_table(), links_table()).num_rows == 0


def test_pages_of_unknown_links_are_refused() -> None:
    with pytest.raises(WebtextError, match="1 pages whose links links/ does not hold"):
        join_links(pages_table((1, 1), (5, 5)), links_table((1, "http://a/", 5)))


def test_links_that_do_not_own_their_page_name_the_owner() -> None:
    links = links_table((1, "http://a/", 5), (2**63 + 7, "http://b/", 9), (3, "http://c/", 3))
    owned, redirected = split_owned(join_links(pages_table((1, 8), (2**63 + 7, 8), (3, 3)), links))
    assert owned["key"].to_pylist() == [3, 2**63 + 7]
    assert redirected.to_pylist() == [
        {
            "key": 1,
            "url": "http://a/",
            "stage": "documents",
            "outcome": "duplicate-redirect",
            "detail": f"the page of {key_text(2**63 + 7)} http://b/",
        }
    ]


def test_no_outcomes_are_an_empty_table() -> None:
    plan = join_links(pages_table(), links_table())
    assert outcome_rows(plan, [], []).num_rows == 0
    assert [table.num_rows for table in split_owned(plan)] == [0, 0]


@given(st.lists(st.integers(1, 50_000_000), max_size=300), st.integers(1, 4))
def test_parts_cover_every_row_once_and_keep_to_their_limits(lengths: list[int], workers: int) -> None:
    parts = list(cut_parts(np.array(lengths, np.int64), workers))
    covered = [row for start, rows in parts for row in range(start, start + rows)]
    assert covered == list(range(len(lengths)))
    for start, rows in parts:
        assert 1 <= rows <= 200
        assert rows == 1 or sum(lengths[start : start + rows]) <= 16_000_000


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_there_are_sixteen_parts_a_worker_where_there_are_so_many_rows(workers: int) -> None:
    parts = list(cut_parts(np.full(16 * workers * 3, 1_000, np.int64), workers))
    assert len(parts) >= 16 * workers
    assert len(list(cut_parts(np.full(5, 1_000, np.int64), workers))) == 5


def test_many_pages_make_parts_of_two_hundred() -> None:
    assert list(cut_parts(np.full(10_000, 10, np.int64), 1))[:2] == [(0, 200), (200, 200)]


def test_a_parts_name_is_made_of_all_that_decides_its_rows() -> None:
    plan = join_links(pages_table((1, 1)), links_table((1, "http://a/", 5)))
    content = made_of(plan)
    assert content == made_of(join_links(pages_table((1, 1)), links_table((1, "http://a/", 5))))
    for other in (
        join_links(pages_table((1, 1)), links_table((1, "http://a/", 6))),
        join_links(pages_table((1, 1)), links_table((1, "http://A/", 5))),
        join_links(pages_table((1, 2)), links_table((1, "http://a/", 5))),
        join_links(pages_table((1, 1), day=2), links_table((1, "http://a/", 5))),
    ):
        assert made_of(other) != content
    # where the bytes lie decides nothing
    moved = plan.set_column(PLAN.names.index("offset"), PLAN.field("offset"), pa.array([77], pa.int64()))
    assert made_of(moved) == content


def test_the_digest_of_pages_changes_with_any_of_them() -> None:
    links = links_table((1, "http://a/", 5), (2, "http://b/", 5))
    both = join_links(pages_table((1, 1), (2, 2)), links)
    assert pages_digest(both) == pages_digest(join_links(pages_table((2, 2), (1, 1)), links))
    assert pages_digest(both) != pages_digest(both.slice(1))
    assert pages_digest(both) != pages_digest(join_links(pages_table((1, 1), (2, 2), day=2), links))
    # karma is not a page's
    assert pages_digest(both) == pages_digest(
        join_links(pages_table((1, 1), (2, 2)), links_table((1, "x", 9), (2, "y", 9)))
    )


def test_rows_are_found_by_key() -> None:
    table = pa.table({"key": pa.array([2, 5, 2**64 - 1], pa.uint64())})
    places, there = rows_of(table, np.array([5, 3, 2**64 - 1], np.uint64))
    assert there.tolist() == [True, False, True]
    assert places[there].tolist() == [1, 2]
    assert numbers(table["key"], np.uint64).dtype == np.uint64
