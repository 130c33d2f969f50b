"""Which n-grams of test sets a corpus holds: counted over its documents, told by set and by example.

The GPT-2 paper's Table 6: the share of a test set's 8-grams that are in the corpus. Repeats count, as the paper's
question (how much of this set may have been seen?) is about the set's text; the share of different ones is told beside
it. Not for reading the corpus (`webtext.pipelines.overlap`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webtext.corpus.schemas import key_text
from webtext.dedup.gram_table import SetGrams

Ints = NDArray[np.int64]

PAPER: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "PTB": (2.67, 0.88),
        "WikiText-2": (0.66, 1.63),
        "enwik8": (7.50, 6.31),
        "text8": (2.34, 3.94),
        "WikiText-103": (9.09, 2.42),
        "1BW": (13.19, 3.75),
    }
)
"""Table 6 of the GPT-2 paper: % of the test set's 8-grams in its own training set, and in WebText."""

MOST_DOCUMENTS = 5  # named of those that an example's n-grams come from
MOST_FREQUENT = 20  # frequent n-grams told


@dataclass(frozen=True)
class Hits:
    """The n-grams that some documents hold.

    `gram` (int64, ascending, each once) are numbers in the table, `documents` (int64) in how many each is. The keys
    (uint64, ascending) of those documents for gram[i] are `keys[offsets[i] : offsets[i + 1]]`, or the lowest of them.
    """

    gram: Ints
    documents: Ints
    offsets: Ints
    keys: NDArray[np.uint64]

    @classmethod
    def of(cls, gram: Ints, key: NDArray[np.uint64], most: int) -> Hits:
        """From (n-gram, document) pairs in any order, each any number of times; `most` keys are kept of each n-gram."""
        order = np.lexsort((key, gram))
        gram, key = gram[order], key[order]
        new = np.ones(len(gram), bool)
        new[1:] = (gram[1:] != gram[:-1]) | (key[1:] != key[:-1])
        gram, key = gram[new], key[new]
        unique, first, documents = np.unique(gram, return_index=True, return_counts=True)
        kept = np.arange(len(gram)) - np.repeat(first, documents) < most
        offsets = np.concatenate(([0], np.cumsum(np.minimum(documents, most))))
        return cls(unique, documents.astype(np.int64), offsets.astype(np.int64), key[kept])


class Tally:
    """What was found so far. Memory goes with the test sets' n-grams, not with the corpus.

    Args:
        grams: how many n-grams the table has.
        frequent: an n-gram in more documents than this is frequent: their keys are not kept.
    """

    def __init__(self, grams: int, frequent: int) -> None:
        self.frequent = frequent
        self.documents = np.zeros(grams, np.int64)
        self._gram: list[Ints] = []
        self._key: list[NDArray[np.uint64]] = []
        self._held = 0

    def add(self, hits: Hits) -> None:
        """Count the n-grams of further documents."""
        self.documents[hits.gram] += hits.documents
        self._gram.append(np.repeat(hits.gram, np.diff(hits.offsets)))
        self._key.append(hits.keys)
        self._held += len(hits.keys)
        if self._held > 4 * len(self.documents) + 1_000_000:
            self._shrink()

    def pairs(self) -> tuple[Ints, NDArray[np.uint64]]:
        """The (n-gram, document key) pairs of all n-grams that are not frequent, by both."""
        self._shrink()
        gram, key = self._gram[0], self._key[0]
        order = np.lexsort((key, gram))
        return gram[order], key[order]

    def _shrink(self) -> None:
        gram = np.concatenate([np.empty(0, np.int64), *self._gram])
        key = np.concatenate([np.empty(0, np.uint64), *self._key])
        rare = self.documents[gram] <= self.frequent
        self._gram, self._key = [gram[rare]], [key[rare]]
        self._held = 0


@dataclass(frozen=True)
class Source:
    """A document that n-grams come from; `grams`: how many of those told of."""

    key: str
    url: str
    grams: int


@dataclass(frozen=True)
class ExampleOverlap:
    """One example of which something was found. `grams`, `found` and `frequent` (a part of found) count n-grams."""

    id: str
    grams: int
    found: int
    frequent: int
    documents: tuple[Source, ...]


@dataclass(frozen=True)
class FrequentGram:
    """An n-gram that many documents hold, and in how many."""

    text: str
    documents: int


@dataclass(frozen=True)
class SetOverlap:
    """One test set. `grams`, `found` and `frequent` (a part of found) count n-grams with their repeats.

    `examples` are those of which something was found, by share (highest first); `documents` those that most of the
    found n-grams come from, frequent ones left out.
    """

    name: str
    split: str
    kind: str
    sha256: str
    examples_total: int
    grams: int
    found: int
    frequent: int
    distinct: int
    distinct_found: int
    examples: tuple[ExampleOverlap, ...]
    documents: tuple[Source, ...]
    frequent_grams: tuple[FrequentGram, ...]

    @property
    def share(self) -> float:
        """The paper's measure, in per cent."""
        return 100 * self.found / self.grams if self.grams else 0.0

    @property
    def rare_share(self) -> float:
        """The same without frequent n-grams."""
        return 100 * (self.found - self.frequent) / self.grams if self.grams else 0.0

    @property
    def paper(self) -> tuple[float, float] | None:
        """Table 6: the share in its own training set, and in WebText; None where the paper has no row."""
        return PAPER.get(self.name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        own, webtext = self.paper or (None, None)
        return {
            **asdict(self),
            "share": round(self.share, 4),
            "share_without_frequent": round(self.rare_share, 4),
            "paper": {"own_training_set": own, "webtext": webtext},
        }


def frequent_grams(found: SetGrams, tally: Tally) -> Ints:
    """The set's n-grams that most documents hold, of those that are frequent."""
    mine = np.unique(found.gram).astype(np.int64)
    mine = mine[tally.documents[mine] > tally.frequent]
    return mine[np.lexsort((mine, -tally.documents[mine]))][:MOST_FREQUENT]


def set_overlap(
    found: SetGrams,
    tally: Tally,
    pairs: tuple[Ints, NDArray[np.uint64]],
    urls: Mapping[int, str],
    texts: Mapping[int, str],
) -> SetOverlap:
    """What a tally says of one set.

    Args:
        pairs: the tally's.
        urls: the address of each document in `pairs`, by key.
        texts: the words of each of `frequent_grams`, by number.
    """
    documents = tally.documents[found.gram]
    hit, frequent = documents > 0, documents > tally.frequent
    counts = [np.bincount(found.example[rows], minlength=len(found.ids)) for rows in (hit, frequent)]
    sources = _sources_by_example(found, hit & ~frequent, pairs, urls)
    order = np.flatnonzero(counts[0])
    order = order[np.lexsort((order, -counts[0][order], -counts[0][order] / found.totals[order]))]
    examples = [
        ExampleOverlap(
            found.ids[number],
            int(found.totals[number]),
            int(counts[0][number]),
            int(counts[1][number]),
            sources.get(number, ()),
        )
        for number in order.tolist()
    ]
    distinct = np.unique(found.gram)
    return SetOverlap(
        found.name,
        found.split,
        found.kind,
        found.sha256,
        examples_total=len(found.ids),
        grams=len(found.gram),
        found=int(np.count_nonzero(hit)),
        frequent=int(np.count_nonzero(frequent)),
        distinct=len(distinct),
        distinct_found=int(np.count_nonzero(tally.documents[distinct])),
        examples=tuple(examples),
        documents=_sources(distinct.astype(np.int64), pairs, urls),
        frequent_grams=tuple(
            FrequentGram(texts[number], int(tally.documents[number]))
            for number in frequent_grams(found, tally).tolist()
        ),
    )


def _sources_by_example(
    found: SetGrams, rows: NDArray[np.bool_], pairs: tuple[Ints, NDArray[np.uint64]], urls: Mapping[int, str]
) -> dict[int, tuple[Source, ...]]:
    gram, example = found.gram[rows].astype(np.int64), found.example[rows]
    cuts = np.flatnonzero(example[1:] != example[:-1]) + 1 if len(example) else np.empty(0, np.int64)
    numbers = example[np.concatenate(([0], cuts))].tolist() if len(example) else []
    parts = np.split(gram, cuts) if len(example) else []
    return {number: _sources(np.unique(part), pairs, urls) for number, part in zip(numbers, parts, strict=True)}


def _sources(grams: Ints, pairs: tuple[Ints, NDArray[np.uint64]], urls: Mapping[int, str]) -> tuple[Source, ...]:
    """The documents that most of `grams` (ascending, each once) come from."""
    start, stop = np.searchsorted(pairs[0], grams, "left"), np.searchsorted(pairs[0], grams, "right")
    many = stop - start
    inside = np.repeat(start, many) + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    key, count = np.unique(pairs[1][inside], return_counts=True)
    most = np.lexsort((key, -count))[:MOST_DOCUMENTS]
    chosen: Sequence[tuple[int, int]] = list(zip(key[most].tolist(), count[most].tolist(), strict=True))
    return tuple(Source(key_text(number), urls[number], grams) for number, grams in chosen)
