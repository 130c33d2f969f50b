"""Bands: documents that agree in a whole band share a bucket, and no others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.bands import Buckets, band_count, band_hashes, buckets, candidates_reference

# Two values only, so that whole bands agree often.
SIGNATURES = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 1), min_size=width, max_size=width), max_size=12)
)


def pairs_of(found: Buckets) -> set[tuple[int, int]]:
    parts = np.split(found.members, found.offsets[1:-1])
    return {pair for part in parts for pair in combinations(part.tolist(), 2)}


@pytest.mark.parametrize(("permutations", "rows", "bands"), [(128, 6, 21), (128, 1, 128), (5, 5, 1), (5, 6, 0)])
def test_permutations_left_over_make_no_band(permutations: int, rows: int, bands: int) -> None:
    assert band_count(permutations, rows) == bands


@settings(deadline=None)  # a loaded machine is no failure
@given(SIGNATURES, st.integers(1, 4))
def test_buckets_give_the_candidates_of_the_reference(signatures: list[list[int]], rows: int) -> None:
    width = len(signatures[0]) if signatures else 4
    array = np.array(signatures, np.uint32).reshape(-1, width)
    found = Buckets.joined(buckets(row) for row in band_hashes(array, rows))
    assert pairs_of(found) == candidates_reference(signatures, rows)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.integers(0, 4), max_size=20))
def test_a_bucket_has_two_or_more_members_in_ascending_order(hashes: list[int]) -> None:
    found = buckets(np.array(hashes, np.uint64))
    for part in np.split(found.members, found.offsets[1:-1]) if len(found.offsets) > 1 else []:
        assert len(part) >= 2
        assert part.tolist() == [number for number, value in enumerate(hashes) if value == hashes[part[0]]]
    assert len(found.members) == sum(hashes.count(value) > 1 for value in hashes)


def test_the_same_rows_in_another_order_are_another_band() -> None:
    found = band_hashes(np.array([[1, 2, 3], [3, 2, 1]], np.uint32), 3)
    assert found[0, 0] != found[0, 1]


def test_a_documents_band_hash_does_not_depend_on_its_neighbours() -> None:
    array = np.arange(60, dtype=np.uint32).reshape(5, 12)
    assert band_hashes(array, 4)[:, 2:3].tolist() == band_hashes(array[2:3], 4).tolist()
