"""An index of articles by hashed n-grams, in files: which article holds how much of a document's text?

Two tiers. Of each article an eighth of its n-grams (by hash, so the same ones of a document) stand in tables sorted by
hash: a document's own eighth, looked up there, names the articles it may come from. All n-grams of an article, as
32-bit hashes, then tell exactly which share of the document's is in it. Whatever the number of articles, a lookup holds
one table (some 30 MB) and the documents' n-grams for it.

7 million articles of 700 words: 600 million table entries (7 GB) and 20 GB of sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import identity_of, os_errors, read_json
from webtext.dedup.gram_table import distinct
from webtext.dedup.parts import ListFiles, column, lists, read_part
from webtext.dedup.shingles import Shingles

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

RULES = 1
"""Rises with what an index holds for the same articles: words, hashes, wikitext."""

INDEX_NAME = "index.json"

SAMPLED = np.uint64(7)
"""An n-gram stands in the tables if these bits of its hash are 0: one in eight. Of 36 n-grams (a document of 40 words)
all of one article, none is then found with a chance of 0.8 %; of 100, of one in a million."""

TABLE_ENTRIES = 1 << 21  # a table holds so many on average: 25 MB
MOST_TABLES = 1 << 12

FREQUENT = np.uint32(0xFFFFFFFF)
MOST_ARTICLES = 8
"""An n-gram of more articles than this names none: it stands in a table once, as `FREQUENT`."""

CANDIDATES = 4  # articles that a document is compared with


@dataclass(frozen=True)
class Sample:
    """The n-grams of several texts that tables know of, ascending: `hashes` (uint64) and the text each is in
    (`owners`, int64)."""

    hashes: Hashes
    owners: Ints

    @classmethod
    def of(cls, sets: Shingles) -> Sample:
        """Of the n-grams of texts, as sets (`shingles.shingle_sets`)."""
        chosen = np.flatnonzero((sets.hashes & SAMPLED) == 0)
        owners = np.searchsorted(sets.offsets, chosen, "right") - 1
        hashes = sets.hashes[chosen]
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], owners[order])


def table_count(entries: int) -> int:
    """How many tables (a power of two) so many entries are dealt out to."""
    return min(MOST_TABLES, 1 << max(0, entries // TABLE_ENTRIES).bit_length())


def table_slice(hashes: Hashes, table: int, tables: int) -> slice:
    """The part of ascending hashes that belongs to a table: their upper bits are its number."""
    width = tables.bit_length() - 1
    if not width:
        return slice(0, len(hashes))
    low = np.uint64(table << (64 - width))
    start = int(np.searchsorted(hashes, low))
    if table == tables - 1:
        return slice(start, len(hashes))
    return slice(start, int(np.searchsorted(hashes, np.uint64((table + 1) << (64 - width)))))


def make_table(hashes: Hashes, articles: NDArray[np.uint32]) -> pa.Table:
    """A table of (n-gram, article) pairs in any order: by n-gram, then article; frequent ones once."""
    order = np.lexsort((articles, hashes))
    hashes, articles = hashes[order], articles[order]
    _, first, count = np.unique(hashes, return_index=True, return_counts=True)
    frequent = count > MOST_ARTICLES
    articles = articles.copy()
    articles[first[frequent]] = FREQUENT
    kept = ~np.repeat(frequent, count)
    kept[first[frequent]] = True
    return pa.table({"hash": hashes[kept], "article": articles[kept]})


def look_up(table: pa.Table, hashes: Hashes) -> tuple[Ints, NDArray[np.uint32]]:
    """The places in `hashes` that the table knows, once for each article that has the n-gram, and these articles."""
    known, articles = column(table, "hash"), column(table, "article")
    start = np.searchsorted(known, hashes, "left")
    there = (
        np.flatnonzero((start < len(known)) & (known[np.minimum(start, max(len(known) - 1, 0))] == hashes))
        if len(known)
        else np.empty(0, np.int64)
    )
    start = start[there]
    many = np.searchsorted(known, hashes[there], "right") - start
    inside = np.repeat(start, many) + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return np.repeat(there, many), articles[inside]


def candidates(
    sampled: Ints, rows: Ints, articles: NDArray[np.uint32], threshold: float
) -> tuple[Ints, NDArray[np.uint32]]:
    """Pairs of (row, article) that may be at or above `threshold`, by row.

    Args:
        sampled: how many n-grams of each row were looked up.
        rows: the row of each n-gram found, and `articles` the article it was found in.
    """
    frequent = articles == FREQUENT
    left = sampled - np.bincount(rows[frequent], minlength=len(sampled))
    pair = rows[~frequent].astype(np.uint64) << np.uint64(32) | articles[~frequent]
    pair, hits = np.unique(pair, return_counts=True)
    row, article = (pair >> np.uint64(32)).astype(np.int64), pair.astype(np.uint32)
    expected = threshold * left[row]
    # An eighth of the n-grams is a sample: three standard deviations below what the threshold lets expect.
    may = hits >= np.maximum(1, expected - 3 * np.sqrt(expected * (1 - threshold)))
    row, article, hits = row[may], article[may], hits[may]
    order = np.lexsort((article, -hits, row))
    row, article = row[order], article[order]
    first = np.searchsorted(row, row)
    few = np.arange(len(row)) - first < CANDIDATES
    return row[few], article[few]


def containment(document: NDArray[np.uint32], article: NDArray[np.uint32]) -> float:
    """The share of a document's n-grams (ascending, each once) that is in an article's."""
    if not len(document) or not len(article):
        return 0.0
    at = np.minimum(np.searchsorted(article, document), len(article) - 1)
    return float(np.count_nonzero(article[at] == document)) / len(document)


def short_sets(sets: Shingles) -> list[NDArray[np.uint32]]:
    """Sets of n-grams by the upper halves of their hashes, ascending, each once."""
    upper = (sets.hashes >> np.uint64(32)).astype(np.uint32)
    return [distinct(part) for part in np.split(upper, sets.offsets[1:-1])] if len(sets.offsets) > 1 else []


def packed(sets: Sequence[NDArray[np.uint32]]) -> pa.LargeListArray:
    """Sets as a column of lists of uint64, two 32-bit hashes each (an odd one is filled with its last hash), so that
    `parts.ListFiles` reads them."""
    even = [np.append(one, one[-1]) if len(one) % 2 else one for one in sets]
    offsets = np.cumsum([0, *(len(one) // 2 for one in even)]).astype(np.int64)
    return lists(offsets, np.concatenate([np.empty(0, np.uint32), *even]).view(np.uint64))


@dataclass(frozen=True)
class ArticleIndex:
    """An index folder that is whole. `starts`: the number of the first article of each file of sets."""

    folder: Path
    identity: str
    words: int
    articles: int
    tables: tuple[str, ...]
    sets: tuple[str, ...]
    starts: tuple[int, ...]

    @classmethod
    def open(cls, folder: Path) -> ArticleIndex:
        """Read the index in `folder`; its files are there in full length.

        Raises:
            WebtextError: there is none, or another version's.
            DamagedFile: a file is missing or was cut.
        """
        path = folder / INDEX_NAME
        if not path.is_file():
            hint = f"make it: webtext wikipedia index {folder} enwiki-latest-pages-articles-multistream.xml.bz2"
            raise WebtextError("holds no index of articles", where=folder, hint=hint)
        found = read_json(path)
        hint = "make it again with webtext wikipedia index --redo"
        if not isinstance(found, dict) or found.get("rules") != RULES:
            raise WebtextError("is an index of another version of webtext", where=path, hint=hint)
        try:
            content = {name: found[name] for name in CONTENT}
            index = cls(
                folder,
                found["identity"],
                found["words"],
                found["articles"],
                tuple(found["tables"]),
                tuple(found["sets"]),
                tuple(found["starts"]),
            )
            sizes: Mapping[str, int] = found["sizes"]
        except KeyError as error:
            raise DamagedFile(f"is no index of articles (no {error})", where=path, hint=hint) from error
        if identity_of(content) != index.identity:
            raise DamagedFile("was changed after it was written", where=path, hint=hint)
        for name in (*index.tables, *index.sets):
            file = folder / name
            with os_errors(file):
                if file.stat().st_size != sizes.get(name):
                    raise DamagedFile("has another length than when it was written", where=file, hint=hint)
        return index

    def table(self, number: int) -> pa.Table:
        """A table, mapped."""
        return read_part(self.folder / self.tables[number])

    def reader(self) -> ArticleSets:
        """The articles' own n-grams."""
        return ArticleSets(self)


CONTENT = ("rules", "words", "sources", "articles", "entries")
"""What an index's identity is made of."""


class ArticleSets:
    """Names and n-grams of articles, read one by one."""

    def __init__(self, index: ArticleIndex) -> None:
        self._index = index
        self._starts = np.asarray(index.starts, np.int64)
        self._files: dict[int, ListFiles] = {}

    def grams(self, article: int) -> NDArray[np.uint32]:
        """The n-grams of an article, ascending, each once (the last perhaps twice)."""
        file = self._file(article)
        if file not in self._files:
            self._close_some()
            self._files[file] = ListFiles([self._index.folder / self._index.sets[file]], "set")
        return self._files[file].read(0, article - int(self._starts[file])).view(np.uint32)

    def title(self, article: int) -> str:
        """Its name."""
        file = self._file(article)
        names: Any = read_part(self._index.folder / self._index.sets[file])["title"]
        return str(names[article - int(self._starts[file])])

    def close(self) -> None:
        """Close the files."""
        for files in self._files.values():
            files.close()
        self._files.clear()

    def _file(self, article: int) -> int:
        return int(np.searchsorted(self._starts, article, "right")) - 1

    def _close_some(self) -> None:
        if len(self._files) >= 64:
            self.close()
