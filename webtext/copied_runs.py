"""How much of written texts a corpus holds, and the longest run of words that one of its documents holds as well.

The texts are few and hashed, the corpus streams past them (`webtext.dedup.gram_table`). A run is a row of n-grams that
follow each other both in the text and in the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from webtext.dedup.alphanumeric import grams, words_reference
from webtext.dedup.gram_table import GramTable
from webtext.dedup.utf8 import Texts

WORDS = 8
"""The paper, section 4."""
_AT_ONCE = 256
"""Documents that are hashed together."""


@dataclass(frozen=True)
class Run:
    """Words of text `text` that stand so in the document of `url`, too."""

    text: int
    words: str
    length: int
    url: str

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "words": self.words, "length": self.length, "url": self.url}


@dataclass(frozen=True)
class Copied:
    """Of each text: its n-grams, and how many of them the corpus holds. The longest run of each text that has one."""

    grams: tuple[int, ...]
    found: tuple[int, ...]
    runs: tuple[Run, ...]


def copied(texts: Sequence[str], documents: Iterable[tuple[str, str]], *, words: int = WORDS) -> Copied:
    """Compare `texts` with the (url, text) of documents, exactly."""
    hashed = grams(Texts.of(texts), words)
    hashes = hashed.found.hashes
    table = GramTable.of(words, hashes)
    number = np.searchsorted(table.hashes, hashes)
    owner = hashed.text_of(np.arange(len(hashes)))
    totals = np.bincount(owner, minlength=len(texts))
    first = np.concatenate(([0], np.cumsum(totals)))
    places: dict[int, list[int]] = {}
    for place, gram in enumerate(number.tolist()):
        places.setdefault(gram, []).append(place)
    held = np.zeros(len(table), bool)
    best: dict[int, tuple[int, int, str]] = {}  # of each text: n-grams in a row, the last of them, url
    stream = iter(documents)
    while some := list(islice(stream, _AT_ONCE)):
        block = Texts.of([text for _, text in some])
        for part in block.blocks():
            found = grams(block[part], words)
            at, hit = table.find(found.found.hashes)
            held[hit] = True
            inside = found.text_of(at)
            for document in np.unique(inside).tolist():
                mine = inside == document
                _runs(at[mine].tolist(), hit[mine].tolist(), places, owner, best, some[part.start + document][0])
    counts = np.bincount(owner, weights=held[number], minlength=len(texts)) if len(hashes) else np.zeros(len(texts))
    runs = []
    for text, (length, last, url) in sorted(best.items()):
        told = words_reference(texts[text])
        begin = last - length + 1 - int(first[text])
        runs.append(Run(text, " ".join(told[begin : begin + length + words - 1]), length + words - 1, url))
    return Copied(tuple(map(int, totals)), tuple(map(int, counts)), tuple(runs))


def _runs(
    at: Sequence[int],
    hit: Sequence[int],
    places: dict[int, list[int]],
    owner: Any,
    best: dict[int, tuple[int, int, str]],
    url: str,
) -> None:
    """Find runs in one document: `at` are the places of its n-grams in a row, `hit` which ones they are."""
    before: dict[int, int] = {}
    expected = -1
    for place, gram in zip(at, hit, strict=True):
        now: dict[int, int] = {}
        for here in places[gram]:
            longer = place == expected and here > 0 and owner[here - 1] == owner[here]
            length = before.get(here - 1, 0) + 1 if longer else 1
            now[here] = length
            text = int(owner[here])
            if length > best.get(text, (0, 0, ""))[0]:
                best[text] = (length, here, url)
        before, expected = now, place + 1
