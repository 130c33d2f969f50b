"""The n-grams of test sets as one table of hashes, past which a corpus streams.

A Bloom filter of a corpus' n-grams takes gigabytes (of WebText's 43 GB, for one false positive in 10^8) and is wrong
now and then. Hashing the test sets instead takes megabytes. With 64 bits, 10^7 n-grams of tests and 10^10 of a corpus,
one false match is expected in 200 such runs; so in practice what is found is exact.

Not for reading test sets (`webtext.corpus.testsets`) nor for what is done about a match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.testsets.example import TestSet
from webtext.dedup.alphanumeric import grams
from webtext.dedup.parts import column, read_part, write_part
from webtext.dedup.utf8 import Texts

Ints = NDArray[np.int64]

FILTER_BITS = 32
"""Bits of the filter an n-gram: 3 % of all others pass it. At 10^6 n-grams it is 4 MB, which stay in a cache; with 8,
16 and 32 bits, filter and search take 35, 28 and 24 us a document of 4 kB; hashing it takes 25."""

BATCH_BYTES = 4 << 20  # of test text hashed at once


@dataclass(frozen=True)
class SetGrams:
    """Where the n-grams of one test set lie.

    `ids` names its examples, `totals` (int64, one an example) is how many n-grams each has. N-gram occurrence i is
    `gram[i]` (a number in the table) of example `example[i]`; both int32, in the order of the text.
    """

    name: str
    split: str
    kind: str
    sha256: str
    ids: tuple[str, ...]
    totals: Ints
    gram: NDArray[np.int32]
    example: NDArray[np.int32]

    @property
    def label(self) -> str:
        """How the set is named beside others."""
        return f"{self.name} {self.split}".strip()


@dataclass(frozen=True)
class GramTable:
    """N-grams of `size` words: `hashes` is uint64, ascending, each once; `bits` (uint8) the filter before it."""

    size: int
    hashes: NDArray[np.uint64]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, size: int, hashes: NDArray[np.uint64]) -> GramTable:
        """A table of these hashes, in any order, each any number of times."""
        unique = np.unique(hashes)
        width = max(6, int(max(len(unique), 1) * FILTER_BITS - 1).bit_length())
        bits = np.zeros((1 << width) // 8, np.uint8)
        slots = unique >> np.uint64(64 - width)
        np.bitwise_or.at(bits, slots >> np.uint64(3), np.uint8(1) << (slots & np.uint64(7)).astype(np.uint8))
        return cls(size, unique, bits)

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, hashes: NDArray[np.uint64]) -> tuple[Ints, Ints]:
        """Which of `hashes` are in the table (their places), and their numbers in it."""
        slots = hashes >> np.uint64(65 - len(self.bits).bit_length() - 3)
        bit = np.uint8(1) << (slots.astype(np.uint8) & np.uint8(7))
        at = np.flatnonzero(self.bits[slots >> np.uint64(3)] & bit)
        if not len(at) or not len(self):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        few = hashes[at]
        number = np.minimum(np.searchsorted(self.hashes, few), len(self) - 1)
        same = self.hashes[number] == few
        return at[same], number[same]

    def write(self, path: Path) -> None:
        """Write the table as a part, which workers map."""
        write_part(path, pa.table({"hash": self.hashes}))
        write_part(path.with_suffix(".bits.arrow"), pa.table({"bits": self.bits}))

    @classmethod
    def read(cls, path: Path, size: int) -> GramTable:
        """Map what `write` wrote."""
        return cls(size, column(read_part(path), "hash"), column(read_part(path.with_suffix(".bits.arrow")), "bits"))


def read_grams(sets: Sequence[TestSet], size: int) -> tuple[GramTable, list[SetGrams]]:
    """The n-grams of all sets, as one table.

    Raises:
        DamagedFile: a set is not in its layout.
    """
    read = [_hashed(found, size) for found in sets]
    table = GramTable.of(size, np.concatenate([np.empty(0, np.uint64), *(hashes for _, hashes, _ in read)]))
    found = []
    for one, (ids, hashes, example) in zip(sets, read, strict=True):
        number = np.searchsorted(table.hashes, hashes).astype(np.int32)
        totals = np.bincount(example, minlength=len(ids)).astype(np.int64)
        found.append(SetGrams(one.name, one.split, one.kind, one.sha256, ids, totals, number, example))
    return table, found


def _hashed(found: TestSet, size: int) -> tuple[tuple[str, ...], NDArray[np.uint64], NDArray[np.int32]]:
    """The ids of a set's examples, the hash of each n-gram, and its example."""
    ids: list[str] = []
    hashes, example = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    for texts, owners in _stretches(found, ids):
        hashed = grams(Texts.of(texts), size)
        numbers = np.arange(len(hashed.found.hashes))
        hashes.append(hashed.found.hashes)
        if found.running:  # one text: the example in which an n-gram begins
            begins, _ = hashed.span(numbers)
            ends = np.cumsum([len(part.encode()) + 1 for part in texts[0].split("\0")])
            example.append(owners[np.searchsorted(ends, begins, "right")])
        else:
            example.append(owners[hashed.text_of(numbers)])
    return tuple(ids), np.concatenate(hashes), np.concatenate(example)


def _stretches(found: TestSet, ids: list[str]) -> Iterator[tuple[list[str], NDArray[np.int32]]]:
    """Texts with the number of the example of each; of a running set one text, examples between NUL characters."""
    texts: list[str] = []
    owners: list[int] = []
    held = 0
    for number, example in enumerate(found.examples()):
        ids.append(example.id)
        for text in example.texts:
            texts.append(text.replace("\0", " "))
            owners.append(number)
            held += len(text)
        if held >= BATCH_BYTES and not found.running:
            yield texts, np.asarray(owners, np.int32)
            texts, owners, held = [], [], 0
    if texts:
        yield ["\0".join(texts)] if found.running else texts, np.asarray(owners, np.int32)
