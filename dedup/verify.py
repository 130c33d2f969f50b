"""Is a candidate a near copy? The exact Jaccard similarity of the two shingle sets decides, the sketch only rules out.

A sketch is the lowest byte of each signature value (b-bit minwise hashing, Li and König 2010): a quarter of the memory,
and still a cheap upper estimate of the similarity. Pairs it calls hopeless are not looked at any closer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webtext.dedup.parts import ListFiles

SAFE_DEVIATIONS = 3.0
"""How far, in standard deviations, a sketch may fall below the threshold and still be verified.

Only this can decide wrongly without a look at the texts, and only by keeping a copy: nothing is removed by it. How
many of 128 values agree is binomial with the chance J + (1 - J) / 256. At the threshold .7 (75 must agree) a pair at
J = .70 is ruled out once in 480, at .72 in 2,800, at .75 in 72,000, at .8 in 10^8; of pairs evenly spread from .7 to
.98 once in 12,000, where the bands lose one in 120. Of unlike pairs it spares the look at their texts to 97 % at
J = .5, 75 % at .55, 32 % at .6. (At 5 deviations: once in 10^7 at .70, but 31 %, 5 % and none spared.)
"""

PAIRS_AT_ONCE = 1 << 14  # 2 MB of sketches a side
SETS_AT_ONCE = 1 << 8  # 1.4 MB of shingles of 4 kB documents


class ShingleSets(Protocol):
    """The shingle set of a document by its number: a sorted uint64 array without repeats."""

    def __getitem__(self, document: int, /) -> NDArray[np.uint64]: ...


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """Shared shingles over all shingles of two shingle sets (sorted, without repeats); 0 where both are empty."""
    if not len(one) or not len(other):
        return 0.0
    both = np.concatenate((one, other))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)


def jaccard_reference(one: Iterable[int], other: Iterable[int]) -> float:
    """The same of any two collections of hashes: slow and obvious."""
    first, second = set(one), set(other)
    return len(first & second) / len(first | second) if first and second else 0.0


def sketches(signatures: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The lowest byte of each signature value; shape (documents, permutations)."""
    return signatures.astype(np.uint8)


def least_matches(threshold: float, permutations: int) -> int:
    """How many of a sketch's bytes must agree for the pair to be verified.

    The number of agreeing values is binomial with the Jaccard similarity as its chance; bytes that agree by accident
    (1 in 256) only add to it.
    """
    deviation = math.sqrt(threshold * (1 - threshold) / permutations)
    return max(0, math.ceil((threshold - SAFE_DEVIATIONS * deviation) * permutations - 1e-9))


@dataclass(frozen=True)
class Verifier:
    """Compares documents by number: `sketches` uint8 of shape (documents, permutations), and their shingle sets."""

    sketches: NDArray[np.uint8]
    sets: ShingleSets
    threshold: float

    def likely(self, earlier: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the pairs are worth a look; shape (pairs,)."""
        least = least_matches(self.threshold, self.sketches.shape[1])
        result = np.empty(len(earlier), bool)
        for start in range(0, len(earlier), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            same = self.sketches[earlier[part]] == self.sketches[later[part]]
            # Counting bits is several times as fast as adding up bytes along rows.
            bits = np.packbits(same, axis=1)
            result[part] = np.bitwise_count(bits).sum(axis=1, dtype=np.uint16) >= least
        return result

    def jaccard(self, earlier: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.float64]:
        """The exact similarity of each pair; shape (pairs,). Pairs that cannot reach the threshold get 0.

        Pairs of one later document should stand together: they are compared at once.
        """
        result = np.zeros(len(earlier))
        bounds = np.flatnonzero(np.diff(later)) + 1
        for start, stop in zip([0, *bounds.tolist()], [*bounds.tolist(), len(later)], strict=True):
            for low in range(start, stop, SETS_AT_ONCE):
                part = slice(low, min(low + SETS_AT_ONCE, stop))
                result[part] = self._against(int(later[low]), earlier[part].tolist())
        return result

    def _against(self, document: int, others: Sequence[int]) -> NDArray[np.float64]:
        own, sets = self.sets[document], [self.sets[other] for other in others]
        result = np.zeros(len(sets))
        most = most_similar(own, sets)
        for number in np.flatnonzero(most >= self.threshold).tolist():
            result[number] = jaccard(own, sets[number])
        return result


def most_similar(own: NDArray[np.uint64], sets: Sequence[NDArray[np.uint64]]) -> NDArray[np.float64]:
    """An upper bound of the similarity of `own` with each of `sets`, much faster than the similarity itself.

    A shingle counts as shared if `own` has one with the same low 16 bits: pages of one template are ruled out so.
    """
    sizes = np.fromiter(map(len, sets), np.int64, len(sets))
    filled = np.flatnonzero(sizes)
    bound = np.zeros(len(sets))
    if not len(own) or not len(filled):
        return bound
    present = np.zeros(1 << 16, bool)
    present[own.astype(np.uint16)] = True
    hits = present[np.concatenate(sets).astype(np.uint16)]
    starts = np.cumsum(sizes) - sizes
    shared = np.minimum(np.add.reduceat(hits, starts[filled], dtype=np.int64), np.minimum(sizes[filled], len(own)))
    bound[filled] = shared / (sizes[filled] + len(own) - shared)
    return bound


@dataclass(frozen=True)
class StoredSets:
    """Shingle sets that lie in files: document d's is number `place[d]` in file `file[d]`."""

    files: ListFiles
    file: NDArray[np.int32]
    place: NDArray[np.int64]

    def __getitem__(self, document: int, /) -> NDArray[np.uint64]:
        return self.files.read(int(self.file[document]), int(self.place[document]))
