"""Which documents stay: the best of every cluster of near copies, without chains.

The rule. Documents are taken in the order of `priority`. One is removed if and only if it matches (Jaccard at or above
the threshold) an earlier document that *stays* and that shares a bucket with it; its keeper is the most similar such,
the earliest among equals. So each removed document is that similar to one that stays; and since the order is that of
the documents themselves, neither arrival nor workers matter.

Large buckets. A bucket of n documents has n (n - 1) / 2 pairs, but a removed document is never compared again: buckets
are walked in order, and each document meets only those of its bucket that stayed. A cluster of n copies costs n
comparisons. Quadratic would remain buckets of many documents that all stay: pages of one template that agree in a band
because the template fills it. There `FULL` bounds the work: once so many documents of a bucket stay, it takes in no
more, and later ones are compared with those. Such a bucket says little: two pages that are copies of one another agree
in other bands, which their own words fill. What it costs in recall is measured (docs/dedup.md). Whom a document is
compared with follows from the order of the documents alone, not from blocks or workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webtext.dedup.bands import Buckets
from webtext.dedup.verify import jaccard_reference

PAIRS_AT_ONCE = 1 << 20  # about 60 MB while they are compared
BLOCK_DOCUMENTS = 1 << 12

FULL = 64
"""Documents that stay after which a bucket is full: of each bucket a document meets at most so many."""

Ints = NDArray[np.int64]


class Comparison(Protocol):
    """How documents are compared (`verify.Verifier`); arrays of document numbers of shape (pairs,)."""

    def likely(self, earlier: Ints, later: Ints, /) -> NDArray[np.bool_]: ...

    def jaccard(self, earlier: Ints, later: Ints, /) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Survivors:
    """For each document its `keeper` (int64, -1: it stays) and their `jaccard` (float64, 0 where it stays)."""

    keeper: Ints
    jaccard: NDArray[np.float64]


def priority(karma: Ints, length: Ints, posted: Ints, key: NDArray[np.uint64]) -> Ints:
    """The documents' numbers in the order in which they are preferred.

    Higher karma first, then the longer text, then the earlier post (who never was posted has the largest number), then
    the smaller key.
    """
    return np.lexsort((key, posted, ~length, ~karma))  # ~x falls as x rises, and unlike -x never overflows


def decide(
    count: int,
    buckets: Buckets,
    comparison: Comparison,
    threshold: float,
    *,
    full: int = FULL,
    pairs_at_once: int = PAIRS_AT_ONCE,
) -> Survivors:
    """Apply the rule to documents 0..count-1, numbered in the order of `priority`.

    Args:
        buckets: which documents share a band; document numbers.
        full: how many documents that stay fill a bucket.
        pairs_at_once: bounds memory; the result does not depend on it.
    """
    walk = _Walk(count, buckets, comparison, threshold, full, pairs_at_once)
    start, width = 0, 64
    while start < count:
        stop = walk.block(start, min(count, start + width))
        # A giant cluster begins with a block full of pairs; once its first document stays, blocks may grow.
        width = min(BLOCK_DOCUMENTS, 2 * (stop - start))
        start = stop
    return Survivors(walk.keeper, walk.jaccard)


def decide_reference(
    shingles: Sequence[AbstractSet[int]], buckets: Iterable[Sequence[int]], threshold: float, full: int = FULL
) -> list[tuple[int, float] | None]:
    """The rule, slow and obvious: for each document (keeper, jaccard), or None where it stays."""
    groups = [set(group) for group in buckets]
    stays: list[list[int]] = [[] for _ in groups]  # of each bucket, at most `full`
    fates: list[tuple[int, float] | None] = []
    for document, own in enumerate(shingles):
        mine = [number for number, group in enumerate(groups) if document in group]
        best: tuple[int, float] | None = None
        for earlier in sorted({other for number in mine for other in stays[number]}):
            similarity = jaccard_reference(shingles[earlier], own)
            if similarity >= threshold and (best is None or similarity > best[1]):
                best = (earlier, similarity)
        fates.append(best)
        if best is None:
            for number in mine:
                if len(stays[number]) < full:
                    stays[number].append(document)
    return fates


class _Walk:
    """The state of `decide`: what stays so far, by document and by bucket."""

    def __init__(
        self,
        count: int,
        buckets: Buckets,
        comparison: Comparison,
        threshold: float,
        full: int,
        pairs_at_once: int,
    ) -> None:
        self.comparison = comparison
        self.threshold = threshold
        self.full = full
        self.pairs_at_once = pairs_at_once
        self.keeper = np.full(count, -1, np.int64)
        self.jaccard = np.zeros(count)
        # The entries (document, bucket) by document.
        order = np.argsort(buckets.members, kind="stable")
        sizes = np.diff(buckets.offsets)
        self.entry_bucket = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
        self.entry_document = buckets.members[order]
        self.first_entry = np.searchsorted(self.entry_document, np.arange(count + 1))
        # The documents of each bucket that stay, at the front of its range, at most `full`.
        self.offsets = np.concatenate(([0], np.cumsum(np.minimum(sizes, full))))
        self.slots = np.empty(self.offsets[-1], np.int32)
        self.filled = np.zeros(len(sizes), np.int64)

    def block(self, start: int, stop: int) -> int:
        """Decide the documents from `start` on, at most to `stop`; give how far it came."""
        documents, of_bucket = self._entries(start, stop)
        stop = _affordable(start, stop, documents, self.filled[of_bucket], self.pairs_at_once)

        documents, of_bucket = self._entries(start, stop)
        counts = self.filled[of_bucket]
        earlier = self.slots[_ranges(self.offsets[of_bucket], counts)]
        self._match(*_distinct(earlier, np.repeat(documents, counts)))

        # Within the block only those can be keepers that no document before the block removes.
        order = np.argsort(of_bucket, kind="stable")
        documents, of_bucket = documents[order], of_bucket[order]
        open_, before, counts = self._open(documents, of_bucket)
        cut = _affordable(start, stop, documents, counts, self.pairs_at_once)
        # Which of the open documents find a place is certain only as long as there is one for all of them.
        crowded = (counts > 0) & (self.filled[of_bucket] + counts > self.full)
        cut = min([cut, *documents[crowded].tolist()])
        if cut < stop:
            inside = documents < cut
            self.keeper[cut:stop], self.jaccard[cut:stop] = -1, 0.0  # the next block decides them again
            documents, of_bucket = documents[inside], of_bucket[inside]
            open_, before, counts = self._open(documents, of_bucket)
            stop = cut
        earlier = documents[open_][_ranges(before - counts, counts)]
        self._match_in_order(*_distinct(earlier, np.repeat(documents, counts)))

        stays = self.keeper[documents] < 0
        self._append(documents[stays], of_bucket[stays])
        return stop

    def _open(self, documents: NDArray[np.int32], of_bucket: NDArray[np.int32]) -> tuple[NDArray[np.bool_], Ints, Ints]:
        """Of entries by (bucket, document): which may still get a place in their bucket; how many such stand before
        each, in all and in its own bucket.
        """
        open_ = (self.keeper[documents] < 0) & (self.filled[of_bucket] < self.full)
        before: Ints = np.cumsum(open_) - open_
        return open_, before, before - before[np.searchsorted(of_bucket, of_bucket, "left")]

    def _entries(self, start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        part = slice(self.first_entry[start], self.first_entry[stop])
        return self.entry_document[part], self.entry_bucket[part]

    def _match(self, earlier: Ints, later: Ints) -> None:
        """Remove what matches documents that stay for certain; pairs by (later, earlier)."""
        likely = self.comparison.likely(earlier, later)
        self._record(earlier[likely], later[likely])

    def _match_in_order(self, earlier: Ints, later: Ints) -> None:
        """The same for pairs whose earlier document may itself be removed: one document after the other."""
        likely = self.comparison.likely(earlier, later)
        earlier, later = earlier[likely], later[likely]
        bounds = np.flatnonzero(np.diff(later, prepend=-1, append=-1)) if len(later) else np.zeros(1, np.int64)
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            stays = earlier[first:last]
            stays = stays[self.keeper[stays] < 0]
            self._record(stays, np.full(len(stays), later[first]))

    def _record(self, earlier: Ints, later: Ints) -> None:
        """Note the most similar keeper, the earliest among equals (those noted before are earlier)."""
        similarity = self.comparison.jaccard(earlier, later)
        matches = similarity >= self.threshold
        earlier, later, similarity = earlier[matches], later[matches], similarity[matches]
        order = np.lexsort((earlier, -similarity, later))
        best = order[np.diff(later[order], prepend=-1) != 0]
        best = best[similarity[best] > self.jaccard[later[best]]]
        self.keeper[later[best]] = earlier[best]
        self.jaccard[later[best]] = similarity[best]

    def _append(self, documents: NDArray[np.int32], of_bucket: NDArray[np.int32]) -> None:
        """Put documents that stay at the end of their buckets' lists; entries by (bucket, document)."""
        place = self.filled[of_bucket] + np.arange(len(of_bucket)) - np.searchsorted(of_bucket, of_bucket, "left")
        fits = place < self.full
        documents, of_bucket, place = documents[fits], of_bucket[fits], place[fits]
        self.slots[self.offsets[of_bucket] + place] = documents
        found, counts = np.unique(of_bucket, return_counts=True)
        self.filled[found] += counts


def _affordable(start: int, stop: int, documents: NDArray[np.int32], pairs: Ints, budget: int) -> int:
    """The last document (exclusive) up to which all pairs are within the budget, but at least one document."""
    load = np.cumsum(np.bincount(documents - start, pairs, minlength=stop - start))
    return start + max(1, int(np.searchsorted(load, budget, "right")))


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """The numbers starts[i], starts[i] + 1, ... (counts[i] of them), for every i in turn."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    numbers: Ints = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return numbers


def _distinct(earlier: NDArray[np.int32], later: NDArray[np.int32]) -> tuple[Ints, Ints]:
    """Each pair once, by (later, earlier)."""
    pairs = np.unique((later.astype(np.int64) << 32) | earlier)
    return pairs & 0xFFFFFFFF, pairs >> 32
