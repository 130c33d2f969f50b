"""Documents that hold text of test sets: found by n-grams of words, and taken out or cut.

GPT-3's rule (Brown et al. 2020, appendix C): an n-gram of 13 words that a test set has, too, goes with 200 characters
on both sides; what is left is pieces, of which those under 200 characters go; a document in more than ten pieces goes
as a whole. Ours differs in two points: a cut goes on to the next white space, so that no half word stays; and n-grams
of many documents count like all others, so that nothing that was planted is missed.

Not for measuring without removing: that is `overlap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.dedup.alphanumeric import grams
from webtext.dedup.gram_table import GramTable, SetGrams
from webtext.dedup.parts import lists, lists_of, read_part, write_part
from webtext.dedup.utf8 import Texts

Ints = NDArray[np.int64]

MOST_PIECES = 10
LEAST_PIECE = 200
"""Pieces a document may fall into, and the characters of the smallest that stays (GPT-3)."""

LONGEST_WORD = 50
"""Characters that a cut goes on to find white space."""

JOINT = "\n\n"
"""Between the pieces of a document: they are no running text any more."""


@dataclass(frozen=True)
class Match:
    """Text of one example in a document; `grams`: how many n-grams (different ones) of it."""

    set: str
    example: str
    grams: int


@dataclass(frozen=True)
class Finding:
    """A document that holds text of test sets. `spans` (int64, shape (n, 2)): the first byte of each n-gram found, and
    the one after its last, ascending."""

    row: int
    matches: tuple[Match, ...]
    spans: Ints


@dataclass(frozen=True)
class TestText:
    """The n-grams of test sets, and whose they are: those of n-gram g are the `owners` `offsets[g]` to
    `offsets[g + 1]`, numbers of examples; `names` gives set and id of each example.
    """

    __test__ = False

    table: GramTable
    offsets: Ints
    owners: NDArray[np.int64]
    names: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, table: GramTable, sets: Sequence[SetGrams]) -> TestText:
        """From what `gram_table.read_grams` gives."""
        starts = np.cumsum([0, *(len(one.ids) for one in sets)])
        names = [(one.label, name) for one in sets for name in one.ids]
        gram = np.concatenate([np.empty(0, np.int64), *(one.gram.astype(np.int64) for one in sets)])
        owner = np.concatenate(
            [np.empty(0, np.int64), *(one.example + start for one, start in zip(sets, starts[:-1], strict=True))]
        )
        order = np.lexsort((owner, gram))
        gram, owner = gram[order], owner[order]
        new = np.ones(len(gram), bool)
        new[1:] = (gram[1:] != gram[:-1]) | (owner[1:] != owner[:-1])
        gram, owner = gram[new], owner[new]
        return cls(table, np.searchsorted(gram, np.arange(len(table) + 1)).astype(np.int64), owner, names)

    def write(self, folder: Path) -> None:
        """Write it as parts, which workers map; `table.arrow` is the last."""
        write_part(
            folder / "names.arrow", pa.table({"set": [a for a, _ in self.names], "id": [b for _, b in self.names]})
        )
        write_part(folder / "owners.arrow", pa.table({"owner": lists(self.offsets, self.owners)}))
        self.table.write(folder / "table.arrow")

    @classmethod
    def read(cls, folder: Path, size: int) -> TestText:
        """Map what `write` wrote; names are read where they are needed."""
        offsets, owners = lists_of(read_part(folder / "owners.arrow"), "owner")
        return cls(GramTable.read(folder / "table.arrow", size), offsets, owners, _Names(folder / "names.arrow"))

    def find(self, texts: Texts) -> list[Finding]:
        """The texts that hold an n-gram of the sets, in their order."""
        found: list[Finding] = []
        for part in texts.blocks():
            hashed = grams(texts[part], self.table.size)
            at, number = self.table.find(hashed.found.hashes)
            if not len(at):
                continue
            text = hashed.text_of(at)
            begins, ends = hashed.span(at)
            spans = np.stack((begins, ends), axis=1)
            cuts = [0, *(np.flatnonzero(text[1:] != text[:-1]) + 1).tolist(), len(text)]
            for low, high in pairwise(cuts):
                row = int(text[low]) + part.start
                found.append(Finding(row, self._matches(np.unique(number[low:high])), spans[low:high]))
        return found

    def _matches(self, numbers: Ints) -> tuple[Match, ...]:
        """The examples that have these n-grams; the one with most of them first."""
        owners = np.concatenate([self.owners[self.offsets[n] : self.offsets[n + 1]] for n in numbers.tolist()])
        owner, count = np.unique(owners, return_counts=True)
        order = np.lexsort((owner, -count))
        found = []
        for one, many in zip(owner[order].tolist(), count[order].tolist(), strict=True):
            label, name = self.names[one]
            found.append(Match(label, name, many))
        return tuple(found)


class _Names(Sequence[tuple[str, str]]):
    """Set and id of each example, out of a mapped part."""

    def __init__(self, path: Path) -> None:
        self._table = read_part(path)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, number: int) -> tuple[str, str]:  # type: ignore[override]
        return str(self._table["set"][number]), str(self._table["id"][number])


def excised(text: str, spans: Ints, window: int) -> str | None:
    """The text without these spans of bytes and `window` characters around; None where too little is left.

    Args:
        spans: int64 of shape (n, 2), by their first byte.
    """
    data = np.frombuffer(text.encode(), np.uint8)
    before = np.concatenate(([0], np.cumsum((data & 0xC0) != 0x80)))  # characters before each byte
    cuts: list[list[int]] = []
    for begin, end in before[spans].tolist():
        start = _at_space(text, max(0, begin - window), -1)
        stop = _at_space(text, min(len(text), end + window), 1)
        if cuts and start <= cuts[-1][1]:
            cuts[-1][1] = max(cuts[-1][1], stop)
        else:
            cuts.append([start, stop])
    edges = [0, *(edge for cut in cuts for edge in cut), len(text)]
    pieces = [text[start:stop].strip() for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    if sum(map(bool, pieces)) > MOST_PIECES:
        return None
    kept = [piece for piece in pieces if len(piece) >= LEAST_PIECE]
    return JOINT.join(kept) or None


def _at_space(text: str, place: int, step: int) -> int:
    """The next place from here on between a word and white space; `place` itself in a script that has none."""
    for away in range(LONGEST_WORD):
        found = place + step * away
        if not 0 < found < len(text) or text[found - 1].isspace() or text[found].isspace():
            return min(max(found, 0), len(text))
    return place


def detail(matches: Sequence[Match]) -> str:
    """What outcomes/ says of a document that is taken out."""
    first = matches[0]
    grams = f"{first.grams:,} n-gram{'s' if first.grams != 1 else ''}"
    count = len(matches) - 1
    more = f", and {count:,} more example{'s' if count > 1 else ''}" if count else ""
    return f"holds {grams} of {first.set}, example {first.example}{more}"
