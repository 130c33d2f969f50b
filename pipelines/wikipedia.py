"""The pass of dedup that finds copies of Wikipedia by their text: documents whose n-grams stand in one article.

1. sample: of each piece of documents/ the n-grams that the index's tables may know (`Sample`, with the signatures).
2. look up: each table of the index is asked about all of them (Beam, one element a table).
3. judge: the documents of a piece that have enough of an article are compared with all of its n-grams (Beam).

What is found depends on a document and the index alone. Memory: a table, and a piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.faults import fault_point
from webtext.corpus.stages import StageRun
from webtext.dedup.article_index import (
    ArticleIndex,
    ArticleSets,
    Sample,
    candidates,
    containment,
    look_up,
    short_sets,
    table_slice,
)
from webtext.dedup.parts import column, lists, lists_of, read_part, write_part
from webtext.dedup.shingles import shingle_sets
from webtext.dedup.utf8 import Texts
from webtext.dedup.verdicts import WIKIPEDIA, SetAside
from webtext.pipelines.dedup_pieces import Piece
from webtext.pipelines.engine import Engine
from webtext.pipelines.pieces import each

ALONE_ROWS = 200_000
"""Fewer documents are looked up and judged in this process: they take less than workers take to start."""

_PART = pa.schema([("row", pa.int64()), ("article", pa.string()), ("containment", pa.float64())])


@dataclass(frozen=True)
class SampleGrams:
    """Step 1: the n-grams of a piece."""

    words: int

    def __call__(self, piece: Piece) -> None:
        hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        start = 0
        for batch in piece.batches(["text"]):
            found = Sample.of(shingle_sets(Texts.of(batch["text"]), self.words))
            hashes.append(found.hashes)
            owners.append(found.owners + start)
            start += len(batch)
        hashed = np.concatenate(hashes)
        order = np.argsort(hashed, kind="stable")
        rows = np.concatenate(owners)[order].astype(np.int32)
        write_part(piece.sampled, pa.table({"hash": hashed[order], "row": rows}))
        fault_point("dedup.sampled")


def find_copies(
    run: StageRun,
    pieces: Sequence[Piece],
    everything: Sequence[str],
    index: ArticleIndex,
    threshold: float,
    engine: Engine,
) -> None:
    """Steps 2 and 3: write `Piece.wikipedia` of every piece, made of `Piece.sampled`."""
    missing = [piece for piece in pieces if not piece.wikipedia.exists()]
    if not missing:
        return
    crew = engine if sum(piece.rows for piece in pieces) >= ALONE_ROWS else replace(engine, workers=1)
    tables = list(range(len(index.tables)))
    found = [run.part("looked-up", list(everything), number, suffix=".arrow") for number in tables]
    asked = tuple(piece.sampled for piece in pieces)
    each(crew, "dedup: look up", _LookUp(index, asked, tuple(found)), tables, found)
    numbers = {piece.start: number for number, piece in enumerate(pieces)}
    judge = _Judge(index, tuple(found), threshold, numbers)
    each(crew, "dedup: judge", judge, missing, [piece.wikipedia for piece in missing])


@dataclass(frozen=True)
class _LookUp:
    """Step 2: what one table knows of the n-grams of all pieces; a list of rows and of articles a piece."""

    index: ArticleIndex
    sampled: tuple[Path, ...]
    found: tuple[Path, ...]

    def __call__(self, number: int) -> None:
        table = self.index.table(number)
        rows: list[NDArray[np.int32]] = []
        articles: list[NDArray[np.uint32]] = []
        for path in self.sampled:
            part = read_part(path)
            hashes = column(part, "hash")
            mine = table_slice(hashes, number, len(self.index.tables))
            at, named = look_up(table, hashes[mine])
            rows.append(column(part, "row")[mine][at])
            articles.append(named)
        offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        columns: dict[str, Any] = {
            "row": lists(offsets, np.concatenate([np.empty(0, np.int32), *rows])),
            "article": lists(offsets, np.concatenate([np.empty(0, np.uint32), *articles])),
        }
        write_part(self.found[number], pa.table(columns))
        fault_point("dedup.looked-up")


@dataclass(frozen=True)
class _Judge:
    """Step 3: the copies of articles in a piece; `numbers`: which list is a piece's, by its first row."""

    index: ArticleIndex
    found: tuple[Path, ...]
    threshold: float
    numbers: dict[int, int]

    def __call__(self, piece: Piece) -> None:
        number = self.numbers[piece.start]
        hits = [_list(path, number) for path in self.found]
        rows = np.concatenate([np.empty(0, np.int64), *(row for row, _ in hits)])
        articles = np.concatenate([np.empty(0, np.uint32), *(article for _, article in hits)])
        sampled = np.bincount(column(read_part(piece.sampled), "row"), minlength=piece.rows)
        row, article = candidates(sampled, rows, articles, self.threshold)
        sets = self.index.reader()
        copies = list(self._compared(piece, row, article, sets))
        sets.close()
        write_part(piece.wikipedia, pa.Table.from_pylist(copies, _PART))
        fault_point("dedup.judged")

    def _compared(
        self, piece: Piece, row: NDArray[np.int64], article: NDArray[np.uint32], sets: ArticleSets
    ) -> list[dict[str, Any]]:
        copies: list[dict[str, Any]] = []
        start = 0
        for batch in piece.batches(["text"]):
            low, high = np.searchsorted(row, [start, start + len(batch)])
            wanted = np.unique(row[low:high])
            texts = Texts.of(batch["text"].take(pa.array(wanted - start)))
            documents = short_sets(shingle_sets(texts, self.index.words))
            for place, document in zip(wanted.tolist(), documents, strict=True):
                mine = article[low:high][row[low:high] == place].tolist()
                shares = [(containment(document, sets.grams(number)), -number) for number in mine]
                share, number = max(shares)
                if share >= self.threshold:
                    copies.append({"row": place, "article": sets.title(-number), "containment": share})
            start += len(batch)
        return copies


def copies_of(pieces: Sequence[Piece], words: int) -> SetAside:
    """All copies, by row among all documents."""
    rows, details = [np.empty(0, np.int64)], []
    for piece in pieces:
        table = read_part(piece.wikipedia)
        rows.append(column(table, "row") + piece.start)
        details += [
            f"{share:.0%} of its {words}-grams stand in the article {title!r}"
            for title, share in zip(table["article"].to_pylist(), table["containment"].to_pylist(), strict=True)
        ]
    return SetAside.of(WIKIPEDIA, np.concatenate(rows), details)


def _list(path: Path, number: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    part = read_part(path)
    offsets, rows = lists_of(part, "row")
    _, articles = lists_of(part, "article")
    mine = slice(int(offsets[number]), int(offsets[number + 1]))
    return rows[mine].astype(np.int64), articles[mine]
