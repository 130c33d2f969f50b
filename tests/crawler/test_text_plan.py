"""Pages meet their links, and are cut into parts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_plans import links_table, pages_table

from webtext.corpus.errors import WebtextError
from webtext.crawler.text.plan import (
    PLAN,
    PagesDigest,
    PartSize,
    cut_parts,
    join_links,
    made_of,
    numbers,
    outcome_rows,
    rows_of,
)


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


def test_no_outcomes_are_an_empty_table() -> None:
    assert outcome_rows(join_links(pages_table(), links_table()), [], []).num_rows == 0


def cut(lengths: npt.NDArray[np.int64], workers: int) -> list[tuple[int, int]]:
    return list(cut_parts(lengths, PartSize.of(len(lengths), int(lengths.sum()), workers)))


@given(st.lists(st.integers(1, 50_000_000), max_size=300), st.integers(1, 4))
def test_parts_cover_every_row_once_and_keep_to_their_limits(lengths: list[int], workers: int) -> None:
    parts = cut(np.array(lengths, np.int64), workers)
    covered = [row for start, rows in parts for row in range(start, start + rows)]
    assert covered == list(range(len(lengths)))
    for start, rows in parts:
        assert 1 <= rows <= 200
        assert rows == 1 or sum(lengths[start : start + rows]) <= 16_000_000


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_there_are_sixteen_parts_a_worker_where_there_are_so_many_rows(workers: int) -> None:
    parts = cut(np.full(16 * workers * 3, 1_000, np.int64), workers)
    assert len(parts) >= 16 * workers
    assert len(cut(np.full(5, 1_000, np.int64), workers)) == 5


def test_many_pages_make_parts_of_two_hundred() -> None:
    assert cut(np.full(10_000, 10, np.int64), 1)[:2] == [(0, 200), (200, 200)]


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


def digest_of(*tables: pa.Table) -> str:
    digest = PagesDigest()
    for table in tables:
        digest.add(table)
    return digest.hexdigest()


def test_the_digest_of_pages_changes_with_any_of_them() -> None:
    links = links_table((1, "http://a/", 5), (2, "http://b/", 5))
    both = join_links(pages_table((1, 1), (2, 2)), links)
    assert digest_of(both) == digest_of(join_links(pages_table((2, 2), (1, 1)), links))
    assert digest_of(both) == digest_of(both.slice(0, 1), both.slice(1))
    assert digest_of(both) != digest_of(both.slice(1))
    assert digest_of(both) != digest_of(join_links(pages_table((1, 1), (2, 2), day=2), links))
    # karma is not a page's
    assert digest_of(both) == digest_of(join_links(pages_table((1, 1), (2, 2)), links_table((1, "x", 9), (2, "y", 9))))


def test_rows_are_found_by_key() -> None:
    table = pa.table({"key": pa.array([2, 5, 2**64 - 1], pa.uint64())})
    places, there = rows_of(table, np.array([5, 3, 2**64 - 1], np.uint64))
    assert there.tolist() == [True, False, True]
    assert places[there].tolist() == [1, 2]
    assert numbers(table["key"], np.uint64).dtype == np.uint64
