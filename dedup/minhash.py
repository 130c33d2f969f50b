"""MinHash signatures of many documents at once, bit-identical to datasketch 2.0's default family (`affine32`).

datasketch gives the permutations and is the oracle of the tests (with an identity hash function: what it permutes is
the 32-bit hash itself). Sources: Broder 1997; datasketch 2.0, `MinHash` with scheme "affine32".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EMPTY = 0xFFFFFFFF
"""Every value of the signature of a document without shingles."""

FMIX_1, FMIX_2 = 0x85EBCA6B, 0xC2B2AE35  # MurmurHash3's 32-bit finaliser, as in datasketch


@dataclass(frozen=True)
class Permutations:
    """h -> a * h + b modulo 2^32, with odd a; uint32 arrays of shape (permutations,)."""

    a: NDArray[np.uint32]
    b: NDArray[np.uint32]

    @classmethod
    def of(cls, count: int, seed: int) -> Permutations:
        """datasketch's permutations for `num_perm=count` and `seed`."""
        from datasketch import MinHash

        a, b = MinHash(num_perm=count, seed=seed, scheme="affine32").permutations
        return cls(np.asarray(a, np.uint32), np.asarray(b, np.uint32))


def signatures(
    hashes: NDArray[np.uint32], offsets: NDArray[np.int64], permutations: Permutations
) -> NDArray[np.uint32]:
    """The signatures of documents.

    Args:
        hashes: 32-bit shingle hashes of all documents, shape (shingles,). Some 30,000 at a time are fastest: they
            stay in the processor's cache while every permutation passes over them.
        offsets: shape (documents + 1,); document d has `hashes[offsets[d] : offsets[d + 1]]`.

    Returns:
        uint32 of shape (documents, permutations); a document without hashes has `EMPTY` everywhere.
    """
    filled = np.flatnonzero(np.diff(offsets))
    result = np.full((len(permutations.a), len(offsets) - 1), EMPTY, np.uint32)
    if len(filled):
        starts = offsets[filled]
        mixed = _fmix(hashes[: offsets[-1]].astype(np.uint32, copy=True))
        moved = np.empty_like(mixed)
        for row, (a, b) in enumerate(zip(permutations.a, permutations.b, strict=True)):
            np.multiply(mixed, a, out=moved)
            np.add(moved, b, out=moved)
            result[row, filled] = np.minimum.reduceat(moved, starts)
    return np.ascontiguousarray(result.T)


def signature_reference(hashes: Iterable[int], permutations: Permutations) -> list[int]:
    """The signature of one document: slow and obvious."""
    mixed = [_fmix_int(value) for value in hashes]
    pairs = zip(permutations.a.tolist(), permutations.b.tolist(), strict=True)
    return [min(((a * value + b) & 0xFFFFFFFF for value in mixed), default=EMPTY) for a, b in pairs]


def _fmix(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """MurmurHash3's finaliser, in place."""
    values ^= values >> np.uint32(16)
    values *= np.uint32(FMIX_1)
    values ^= values >> np.uint32(13)
    values *= np.uint32(FMIX_2)
    values ^= values >> np.uint32(16)
    return values


def _fmix_int(value: int) -> int:
    value = (value ^ (value >> 16)) * FMIX_1 & 0xFFFFFFFF
    value = (value ^ (value >> 13)) * FMIX_2 & 0xFFFFFFFF
    return value ^ (value >> 16)
