"""Who stays: the rule of `survivors`, held against its slow reference; and the cases a reader would ask about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.bands import Buckets
from webtext.dedup.survivors import FULL, Ints, decide, decide_reference, priority
from webtext.dedup.verify import jaccard_reference


class Sets:
    """A comparison of plain sets. It refuses what the rule never asks for: a pair in the wrong order."""

    def __init__(self, shingles: Sequence[set[int]]) -> None:
        self.shingles = shingles
        self.compared = 0

    def likely(self, earlier: Ints, later: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        assert np.all(earlier < later)
        return np.ones(len(earlier), bool)

    def jaccard(self, earlier: Ints, later: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        self.compared += len(earlier)
        pairs = zip(earlier.tolist(), later.tolist(), strict=True)
        return np.array([jaccard_reference(self.shingles[one], self.shingles[other]) for one, other in pairs], float)


def buckets_of(groups: Sequence[Sequence[int]]) -> Buckets:
    kept = [sorted(set(group)) for group in groups if len(set(group)) > 1]
    members = np.array([member for group in kept for member in group], np.int32)
    return Buckets(members, np.cumsum([0, *map(len, kept)]))


def fates(
    shingles: Sequence[set[int]],
    groups: Sequence[Sequence[int]],
    threshold: float,
    budget: int = 1 << 20,
    full: int = 1 << 20,
) -> list[tuple[int, float] | None]:
    found = decide(len(shingles), buckets_of(groups), Sets(shingles), threshold, full=full, pairs_at_once=budget)
    pairs = zip(found.keeper.tolist(), found.jaccard.tolist(), strict=True)
    return [None if keeper < 0 else (keeper, similarity) for keeper, similarity in pairs]


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(st.sets(st.integers(0, 5), min_size=1), max_size=14).flatmap(
        lambda sets: st.tuples(
            st.just(sets), st.lists(st.lists(st.integers(0, max(len(sets) - 1, 0)), max_size=8), max_size=6)
        )
    ),
    st.sampled_from([0.3, 0.5, 0.7, 1.0]),
    st.sampled_from([1, 2, 5, 1000]),
    st.sampled_from([1, 2, 3, 1000]),
)
def test_the_walk_decides_as_the_reference_does_whatever_the_budget(
    case: tuple[list[set[int]], list[list[int]]], threshold: float, budget: int, full: int
) -> None:
    shingles, groups = case
    groups = groups if shingles else []
    assert fates(shingles, groups, threshold, budget, full) == decide_reference(shingles, groups, threshold, full)


@pytest.mark.parametrize("full", [1, 7, 20, 1_000])
@pytest.mark.parametrize("budget", [1, 3, 50, 10_000])
def test_hundreds_of_documents_in_overlapping_clusters_are_decided_as_in_the_reference(budget: int, full: int) -> None:
    random = np.random.RandomState(4)
    shingles = [set(random.randint(0, 12, 6).tolist()) | {int(random.randint(3)) + 20} for _ in range(300)]
    groups = [np.flatnonzero(random.randint(0, 4, 300) == 0).tolist() for _ in range(5)]
    found = fates(shingles, groups, 0.5, budget, full)
    assert found == decide_reference(shingles, groups, 0.5, full)
    assert 20 < sum(fate is not None for fate in found) < 290


def test_without_documents_or_buckets_all_stay() -> None:
    assert fates([], [], 0.7) == []
    assert fates([{1}, {1}], [], 0.7) == [None, None]


def test_there_are_no_chains() -> None:
    # b is like a, c is like b, but c is not like a: b goes, so c has no one to go for.
    a, b, c = {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}
    assert fates([a, b, c], [[0, 1, 2]], 0.6) == [None, (0, 0.6), None]


def test_the_keeper_is_the_most_similar_that_stays_and_the_earliest_among_equals() -> None:
    base = set(range(10))
    far, near, copy = base - {0, 1, 2} | {20}, base - {7, 8} | {30}, base
    assert fates([far, near, copy], [[0, 1, 2]], 0.6) == [None, None, (1, 8 / 11)]
    left, right, middle = {1, 2, 3}, {2, 3, 4}, {2, 3}
    assert fates([left, right, middle], [[0, 1, 2]], 0.6)[2] == (0, 2 / 3)


def test_documents_that_share_no_bucket_are_not_compared() -> None:
    assert fates([{1}, {1}, {1}], [[0, 2]], 0.7) == [None, None, (0, 1.0)]


def test_a_giant_cluster_costs_a_comparison_a_document_not_one_a_pair() -> None:
    count = 5_000
    comparison = Sets([{1, 2, 3}] * count)
    found = decide(count, buckets_of([range(count)] * 3), comparison, 0.7, pairs_at_once=1_000)
    assert found.keeper.tolist() == [-1, *[0] * (count - 1)]
    assert comparison.compared == count - 1


def test_a_bucket_of_documents_that_all_stay_leaves_out_no_pair_until_it_is_full() -> None:
    count = 300
    shingles = [{number, -1} for number in range(count)]
    shingles[-1] = set(shingles[170])
    for full, keeper, compared in ((300, 170, 300 * 299 / 2), (171, 170, 171 * 170 / 2 + 171 * 129), (170, -1, None)):
        comparison = Sets(shingles)
        found = decide(count, buckets_of([range(count)] * 2), comparison, 0.7, full=full, pairs_at_once=500)
        assert found.keeper.tolist() == [*[-1] * (count - 1), keeper]
        assert compared in (comparison.compared, None)


def test_a_full_bucket_costs_a_bounded_number_of_comparisons_a_document() -> None:
    count = 5_000
    comparison = Sets([{number, -1} for number in range(count)])
    decide(count, buckets_of([range(count)]), comparison, 0.7)
    assert comparison.compared <= FULL * count


def test_karma_then_length_then_date_then_key_decide_the_order() -> None:
    never = np.iinfo(np.int64).max
    lowest = np.iinfo(np.int64).min
    rows = [
        (5, 10, 100, 9),
        (7, 1, 100, 8),
        (5, 20, never, 7),
        (5, 20, 50, 6),
        (5, 20, 50, 2**64 - 1),
        (lowest, 99, 1, 1),
    ]
    karma, length, posted = (np.array([row[number] for row in rows], np.int64) for number in range(3))
    order = priority(karma, length, posted, np.array([row[3] for row in rows], np.uint64))
    assert order.tolist() == [1, 3, 4, 2, 0, 5]
