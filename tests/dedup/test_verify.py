"""Verification: the exact similarity decides; the sketch rules out only what is hopeless."""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.parts import ListFiles, lists, write_part
from webtext.dedup.verify import (
    StoredSets,
    Verifier,
    jaccard,
    jaccard_reference,
    least_matches,
    most_similar,
    sketches,
)

HASHES = st.lists(st.integers(0, 20), max_size=25)


def numbers(values: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def as_set(values: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    return np.unique(np.array(values, np.uint64))


@settings(deadline=None)  # a loaded machine is no failure
@given(HASHES, HASHES)
def test_jaccard_is_that_of_the_reference(one: list[int], other: list[int]) -> None:
    assert jaccard(as_set(one), as_set(other)) == jaccard_reference(one, other)


def test_jaccard_of_known_sets() -> None:
    assert jaccard(as_set([1, 2, 3, 3]), as_set([2, 3, 4])) == 0.5
    assert jaccard(as_set([7]), as_set([7])) == 1
    assert jaccard(as_set([]), as_set([])) == 0  # no shingles, no near copy


@pytest.mark.parametrize(("threshold", "least"), [(1.0, 128), (0.7, 75), (0.1, 3)])
def test_a_sketch_must_agree_in_so_many_values(threshold: float, least: int) -> None:
    assert least_matches(threshold, 128) == least


def ruled_out(similarity: float, permutations: int = 128) -> float:
    """The chance that so similar a pair is ruled out by its sketches: fewer values agree than the margin asks for."""
    chance = similarity + (1 - similarity) / 256  # the same minimum, or another one with the same lowest byte
    return sum(
        comb(permutations, count) * chance**count * (1 - chance) ** (permutations - count)
        for count in range(least_matches(0.7, permutations))
    )


def test_the_margin_loses_hardly_a_copy_and_spares_most_looks_at_unlike_pairs() -> None:
    """The chances that `SAFE_DEVIATIONS` states."""
    assert [round(1 / ruled_out(similarity), -2) for similarity in (0.70, 0.72, 0.75)] == [500, 2_800, 71_600]
    assert ruled_out(0.8) < 1e-8
    assert [round(ruled_out(similarity), 2) for similarity in (0.5, 0.55, 0.6)] == [0.97, 0.75, 0.32]
    spread = [ruled_out(0.7 + 0.28 * step / 1_000) for step in range(1_001)]
    assert sum(spread) / len(spread) < 1 / 11_000  # the bar is one in 33: recall .97 from .7 on


def test_a_sketch_rules_out_below_its_margin_and_not_at_it() -> None:
    base = np.zeros((3, 128), np.uint32)
    base[1, :75] = 256 * 3  # equal in the lowest byte, so it counts as agreeing
    base[1, 75:] = 1
    base[2, :74], base[2, 74:] = 0, 1
    verifier = Verifier(sketches(base), {}, 0.7)  # type: ignore[arg-type]
    assert verifier.likely(numbers([0, 0]), numbers([1, 2])).tolist() == [True, False]


def test_the_verifier_gives_exact_similarities_and_skips_pairs_of_unlike_size() -> None:
    sets = [as_set([1, 2, 3, 4]), as_set([1, 2, 3, 4, 5]), as_set([1, 2, 3, 4, 5, 6, 7, 8]), as_set([])]
    verifier = Verifier(np.zeros((4, 16), np.uint8), sets, 0.7)
    found = verifier.jaccard(numbers([0, 0, 1, 3]), numbers([1, 2, 0, 3]))
    assert found.tolist() == [0.8, 0.0, 0.8, 0.0]  # the second pair's 0.5 is below any match: 4 / 8 < 0.7


def test_stored_sets_are_found_by_file_and_place(tmp_path: Path) -> None:
    columns = [lists(numbers([0, 2, 2]), as_set([1, 2])), lists(numbers([0, 3]), as_set([7, 8, 9]))]
    paths = [tmp_path / "one.arrow", tmp_path / "two.arrow"]
    for path, values in zip(paths, columns, strict=True):
        write_part(path, pa.table({"set": values}))
    stored = StoredSets(ListFiles(paths, "set"), np.array([1, 0, 0], np.int32), numbers([0, 0, 1]))
    assert [stored[document].tolist() for document in range(3)] == [[7, 8, 9], [1, 2], []]


@settings(deadline=None)  # a loaded machine is no failure
@given(HASHES, st.lists(HASHES, max_size=5))
def test_the_bound_is_never_below_the_similarity(own: list[int], others: list[list[int]]) -> None:
    found = most_similar(as_set(own), [as_set(other) for other in others])
    assert all(bound >= jaccard_reference(own, other) for bound, other in zip(found.tolist(), others, strict=True))


def test_the_bound_is_the_similarity_where_no_low_bits_collide_and_above_it_where_they_do() -> None:
    own, disjoint, colliding = as_set([1, 2]), as_set([3, 4]), as_set([1 + 2**16, 2 + 2**40])
    assert most_similar(own, [own, disjoint, colliding]).tolist() == [1.0, 0.0, 1.0]
    assert jaccard(own, colliding) == 0


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12), st.lists(HASHES, min_size=6, max_size=6))
def test_the_verifier_gives_the_references_similarity_to_all_pairs_that_match(
    pairs: list[tuple[int, int]], documents: list[list[int]]
) -> None:
    verifier = Verifier(np.zeros((6, 16), np.uint8), [as_set(document) for document in documents], 0.3)
    found = verifier.jaccard(numbers([one for one, _ in pairs]), numbers([other for _, other in pairs])).tolist()
    wanted = [jaccard_reference(documents[one], documents[other]) for one, other in pairs]
    assert [value if value >= 0.3 else None for value in found] == [value if value >= 0.3 else None for value in wanted]
