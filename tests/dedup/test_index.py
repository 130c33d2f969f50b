"""The index: what it knows holds, and whatever a new document may have changed is decided again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from webtext.dedup.bands import Buckets
from webtext.dedup.index import (
    Documents,
    empty_index,
    index_table,
    known_signatures,
    reached,
    read_documents,
    unchanged,
)
from webtext.dedup.parts import write_part


def documents(*rows: tuple[int, int, int, int, int, bool]) -> Documents:
    """Documents given as (key, exact, karma, length, posted, whether they are compared)."""
    key, exact, karma, length, posted, compared = (list(column) for column in zip(*rows, strict=True))
    numbers = (np.array(values, np.int64) for values in (karma, length, posted))
    pairs = np.array([(0, value) for value in exact], np.uint64)
    return Documents(np.array(key, np.uint64), pairs, *numbers, np.array(compared, bool))


BEFORE = documents((2, 20, 3, 9, 0, True), (5, 50, 4, 9, 0, True), (7, 50, 3, 9, 0, False))
NONE_MARKED = np.zeros(4, bool)


def stored(folder: Path) -> list[Path]:
    paths = [folder / "0.arrow", folder / "1.arrow", folder / "2.arrow"]
    sketches = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write_part(paths[0], index_table(BEFORE, np.array([1, 2, 3], np.int32), sketches))
    write_part(paths[1], index_table(documents((9, 90, 1, 1, 1, True)), np.array([4], np.int32), sketches[:1] + 50))
    write_part(paths[2], empty_index(4))
    return paths


def test_signatures_are_known_by_key_and_text_in_any_order(tmp_path: Path) -> None:
    key = np.array([9, 1, 5, 7, 2], np.uint64)
    exact = np.array([(0, 90), (0, 20), (0, 51), (0, 50), (0, 20)], np.uint64)
    known, shingles, sketches = known_signatures(stored(tmp_path), key, exact, 4)
    assert known.tolist() == [True, False, False, True, True]
    assert shingles[known].tolist() == [4, 3, 1]
    assert sketches[known].tolist() == [[50, 51, 52, 53], [8, 9, 10, 11], [0, 1, 2, 3]]


def test_what_an_index_says_of_documents_comes_back(tmp_path: Path) -> None:
    found = read_documents(stored(tmp_path))
    assert found.key.tolist() == [2, 5, 7, 9]
    assert found.exact[:, 1].tolist() == [20, 50, 50, 90]
    assert found.karma.tolist() == [3, 4, 3, 1]
    assert found.is_compared.tolist() == [True, True, False, True]


def test_documents_that_are_what_they_were_are_unchanged_and_new_ones_are_not() -> None:
    now = documents((7, 50, 3, 9, 0, False), (5, 50, 4, 9, 0, True), (1, 10, 9, 9, 0, True), (2, 20, 3, 9, 0, True))
    found = unchanged(BEFORE, now, NONE_MARKED)
    assert found is not None
    assert found.tolist() == [False, True, False, True]


@pytest.mark.parametrize("changed", [(2, 20, 4, 9, 0, True), (2, 20, 3, 8, 0, True), (2, 20, 3, 9, 1, True)])
def test_another_place_in_the_order_is_a_change(changed: tuple[int, int, int, int, int, bool]) -> None:
    now = documents(changed, (5, 50, 4, 9, 0, True), (7, 50, 3, 9, 0, False), (8, 80, 1, 1, 1, True))
    found = unchanged(BEFORE, now, NONE_MARKED)
    assert found is not None
    assert found.tolist() == [False, True, False, False]


def test_a_better_copy_of_the_same_text_takes_the_place_of_the_one_compared() -> None:
    now = documents((2, 20, 3, 9, 0, True), (5, 50, 4, 9, 0, False), (7, 50, 9, 9, 0, True), (8, 80, 1, 1, 1, False))
    found = unchanged(BEFORE, now, NONE_MARKED)
    assert found is not None
    assert found.tolist() == [True, False, False, False]


def test_without_a_document_that_was_compared_no_verdict_holds() -> None:
    gone = documents((2, 20, 3, 9, 0, True), (7, 50, 3, 9, 0, True))
    assert unchanged(BEFORE, gone, np.zeros(2, bool)) is None
    other_text = documents((2, 21, 3, 9, 0, True), (5, 50, 4, 9, 0, True))
    assert unchanged(BEFORE, other_text, np.zeros(2, bool)) is None
    marked = documents((2, 20, 3, 9, 0, True), (5, 50, 4, 9, 0, False))
    assert unchanged(BEFORE, marked, np.array([False, True])) is None
    assert unchanged(documents((1, 1, 1, 1, 1, False)), gone, np.zeros(2, bool)) is not None  # it was not compared


def reached_reference(groups: list[set[int]], start: set[int]) -> set[int]:
    found = set(start)
    for _ in groups:
        for group in groups:
            found |= group if found & group else set()
    return found


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.sets(st.integers(0, 9), min_size=2), max_size=6), st.sets(st.integers(0, 9), max_size=3))
def test_all_that_buckets_connect_is_reached(groups: list[set[int]], start: set[int]) -> None:
    members: NDArray[Any] = np.array([member for group in groups for member in sorted(group)], np.int32)
    shared = Buckets(members, np.cumsum([0, *map(len, groups)]))
    begun = np.isin(np.arange(10), list(start))
    assert set(np.flatnonzero(reached(shared, begun)).tolist()) == reached_reference(groups, start)
    assert np.flatnonzero(begun).tolist() == sorted(start)
