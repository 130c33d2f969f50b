"""Signatures: bit-identical to datasketch 2.0's default family, and to the obvious reference."""

from __future__ import annotations

import numpy as np
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup.minhash import EMPTY, Permutations, signature_reference, signatures

HASHES = st.lists(st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 9)), max_size=30)


def signed(documents: list[list[int]], permutations: Permutations) -> list[list[int]]:
    hashes = np.array([value for document in documents for value in document], np.uint32)
    offsets = np.cumsum([0, *map(len, documents)])
    found: list[list[int]] = signatures(hashes, offsets, permutations).tolist()
    return found


def datasketch_signature(document: list[int], count: int, seed: int) -> list[int]:
    sketch = MinHash(num_perm=count, seed=seed, hashfunc=lambda value: value)
    sketch.update_batch(document)
    assert sketch.scheme == "affine32"  # its default
    found: list[int] = sketch.hashvalues.tolist()
    return found


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(HASHES, max_size=6), st.sampled_from([16, 128]), st.integers(0, 3))
def test_signatures_are_those_of_datasketch(documents: list[list[int]], count: int, seed: int) -> None:
    found = signed(documents, Permutations.of(count, seed))
    assert found == [datasketch_signature(document, count, seed) for document in documents]


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(HASHES, max_size=6))
def test_signatures_are_those_of_the_reference(documents: list[list[int]]) -> None:
    permutations = Permutations.of(16, 1)
    assert signed(documents, permutations) == [signature_reference(document, permutations) for document in documents]


def test_a_document_without_shingles_has_the_empty_signature() -> None:
    found = signed([[], [5, 6], []], Permutations.of(16, 1))
    assert found[0] == found[2] == [EMPTY] * 16
    assert EMPTY not in found[1]


def test_hashes_are_left_as_they_were() -> None:
    hashes = np.arange(10, dtype=np.uint32)
    signatures(hashes, np.array([0, 10]), Permutations.of(16, 1))
    assert hashes.tolist() == list(range(10))


def test_the_share_of_equal_values_estimates_the_jaccard_similarity() -> None:
    documents = [list(range(0, 1500)), list(range(500, 2000))]  # 1,000 of 2,000 shared
    one, other = signed(documents, Permutations.of(1024, 1))
    share = sum(a == b for a, b in zip(one, other, strict=True)) / 1024
    assert abs(share - 0.5) < 0.08  # five standard deviations
