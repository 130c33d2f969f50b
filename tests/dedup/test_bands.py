"""Bands: documents that agree in a whole band share a bucket, and no others."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.bands import Buckets, band_count, band_hashes, buckets, buckets_reference

# Two values only, so that whole bands agree often.
SKETCHES = st.integers(1, 20).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 1), min_size=width, max_size=width), max_size=12)
)


def as_lists(found: Buckets) -> list[list[int]]:
    cuts = found.offsets.tolist()
    return [found.members[start:stop].tolist() for start, stop in pairwise(cuts)]


@pytest.mark.parametrize(("permutations", "rows", "bands"), [(128, 6, 21), (128, 1, 128), (5, 5, 1), (5, 6, 0)])
def test_permutations_left_over_make_no_band(permutations: int, rows: int, bands: int) -> None:
    assert band_count(permutations, rows) == bands


@settings(deadline=None)  # a loaded machine is no failure
@given(SKETCHES, st.integers(1, 10))
def test_buckets_are_those_of_the_reference(sketches: list[list[int]], rows: int) -> None:
    width = len(sketches[0]) if sketches else 4
    array = np.array(sketches, np.uint8).reshape(-1, width)
    found = Buckets.joined(buckets(band_hashes(array, rows, band)) for band in range(band_count(width, rows)))
    assert sorted(as_lists(found)) == sorted(buckets_reference(sketches, rows))


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.integers(0, 4), max_size=20))
def test_a_bucket_has_two_or_more_members_in_ascending_order(values: list[int]) -> None:
    found = as_lists(buckets(np.array(values, np.uint64) << np.uint64(50)))
    wanted = [[number for number, other in enumerate(values) if other == value] for value in range(5)]
    assert sorted(found) == sorted(members for members in wanted if len(members) > 1)


def test_the_same_rows_in_another_order_are_another_band() -> None:
    found = band_hashes(np.array([[1, 2, 3], [3, 2, 1]], np.uint8), 3, 0)
    assert found[0] != found[1]


def test_bands_of_up_to_eight_rows_never_collide() -> None:
    random = np.random.default_rng(1).integers(0, 256, (100_000, 8)).astype(np.uint8)
    assert len(np.unique(band_hashes(random, 8, 0))) == len(np.unique(random, axis=0))


def test_a_documents_band_hash_does_not_depend_on_its_neighbours() -> None:
    array = np.arange(60, dtype=np.uint8).reshape(5, 12)
    assert band_hashes(array, 4, 1)[2:3].tolist() == band_hashes(array[2:3], 4, 1).tolist()
