"""Locality-sensitive hashing: documents that agree in a whole band of their sketches are candidates.

A sketch is the lowest byte of each signature value (`verify.sketches`), all that is kept of a signature: a band of six
bytes agrees by accident once in 2^48 pairs.

Measured with 128 permutations on 5,000 documents of 4 kB with 1,500 planted pairs at Jaccard .3 to .9: the share found
of pairs at or above .7 (706, of them 106 at .70 itself) and at or above .8 (374). 8 rows a band: .911 and .987; 6 rows
(the default): .990 and 1; 5 rows: .999 and 1; 4 rows: 1 and 1. Fewer rows cost candidates where pages share a template:
a pair at .5 becomes one with chance .28 at 6 rows, .55 at 5, .87 at 4.

Candidates only: each is verified (`verify`), so a band may be short and find too many. Buckets are found by sorting
(band hash, document) arrays; pairs are never written out here, since a bucket of n documents has n (n - 1) / 2 of them:
`survivors` walks the buckets and compares with those that stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUMBER_BITS = np.uint64(31)  # of a document's number: members are int32
MULTIPLIER = 0x9E3779B97F4A7C15  # odd
FINAL_1, FINAL_2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53  # MurmurHash3's 64-bit finaliser


@dataclass(frozen=True)
class Buckets:
    """Buckets of two or more documents: bucket i holds `members[offsets[i] : offsets[i + 1]]`, ascending.

    `members` is int32 of shape (entries,), `offsets` int64 of shape (buckets + 1,). A document may be in many.
    """

    members: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def joined(cls, several: Iterable[Buckets]) -> Buckets:
        """The buckets of several bands, one after the other."""
        parts = list(several)
        sizes = np.concatenate([np.empty(0, np.int64), *(np.diff(part.offsets) for part in parts)])
        members = np.concatenate([np.empty(0, np.int32), *(part.members for part in parts)])
        return cls(members, np.concatenate(([0], np.cumsum(sizes))).astype(np.int64))


def band_count(permutations: int, rows: int) -> int:
    """How many whole bands a signature has; the permutations left over serve the sketch alone."""
    return permutations // rows


def band_hashes(sketches: NDArray[np.uint8], rows: int, band: int) -> NDArray[np.uint64]:
    """The hash of one band of each document; up to eight rows a band, different bands have different hashes.

    Args:
        sketches: uint8 of shape (documents, permutations).
        rows: sketch values a band.

    Returns:
        uint64 of shape (documents,).
    """
    hashes = np.zeros(len(sketches), np.uint64)
    for row in range(rows):
        if row % 8 == 0 and row:
            _mix(hashes)
        hashes ^= sketches[:, band * rows + row].astype(np.uint64) << np.uint64(8 * (row % 8))
    return _mix(hashes)


def buckets(hashes: NDArray[np.uint64]) -> Buckets:
    """The buckets of one band; `hashes[d]` is the band hash of document d, shape (documents,).

    Hash and number are sorted as one 64-bit value, several times as fast as sorting numbers by hash. Of the hash 33
    bits remain, whatever the number of documents; two bands that differ in the others only cost a comparison.
    """
    packed = (hashes >> NUMBER_BITS << NUMBER_BITS) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    own = packed >> NUMBER_BITS
    joins = np.zeros(len(own) + 1, bool)  # joins[i]: entry i is in the bucket of entry i - 1
    joins[1:-1] = own[1:] == own[:-1]
    shared = joins[1:] | joins[:-1]
    members = (packed[shared] & np.uint64(2**31 - 1)).astype(np.int32)
    starts = np.flatnonzero(~joins[:-1][shared])
    return Buckets(members, np.concatenate((starts, [len(members)])).astype(np.int64))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection, in place."""
    values *= np.uint64(MULTIPLIER)
    values ^= values >> np.uint64(29)
    values *= np.uint64(FINAL_1)
    values ^= values >> np.uint64(33)
    values *= np.uint64(FINAL_2)
    values ^= values >> np.uint64(33)
    return values


def buckets_reference(sketches: Sequence[Sequence[int]], rows: int) -> list[list[int]]:
    """The buckets of all bands, each two or more documents: slow and obvious."""
    several: list[list[int]] = []
    for band in range(len(sketches[0]) // rows if sketches else 0):
        found: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for document, sketch in enumerate(sketches):
            found[tuple(sketch[band * rows : (band + 1) * rows])].append(document)
        several += [members for members in found.values() if len(members) > 1]
    return several
