"""What dedup leaves: the files of clean/, its index, outcomes/ and duplicates.parquet, each written once.

One element an output file. It is written row group by row group, so that a worker holds the text of a few thousand
documents, not of a file's fifty thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.faults import fault_point
from webtext.corpus.files import (
    ROW_GROUP_ROWS,
    file_sha256,
    read_json,
    write_json,
    write_parquet_groups,
)
from webtext.corpus.schemas import DOCUMENTS, DUPLICATES, OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.dedup.index import Documents, empty_index, index_table
from webtext.dedup.parts import column, matrix_of, read_part, write_part
from webtext.dedup.removals import duplicate_rows, outcome_rows
from webtext.pipelines.engine import Engine
from webtext.pipelines.pieces import Rows
from webtext.pipelines.sorted_output import ROWS_PER_FILE, digest_file

DUPLICATES_NAME = "clean/duplicates.parquet"
INDEX_FOLDER = "clean/index/"
INDEX_ROWS = 250_000  # rows an index file: 45 MB


@dataclass(frozen=True)
class Piece(Rows):
    """A piece of documents/, and where its parts lie."""

    signatures: Path
    sets: Path


@dataclass(frozen=True)
class Decided:
    """The parts that say what was decided.

    `places` and `wanted` by row; `sketches` by place; `by_key`: all rows in the order of their keys; `kept`: those of
    them that stay; `removed`: `removals.removed_table`, written last.
    """

    places: Path
    wanted: Path
    sketches: Path
    by_key: Path
    kept: Path
    removed: Path

    @classmethod
    def kinds(cls) -> list[str]:
        """The names of the parts."""
        return [field.name for field in fields(cls)]

    def all_there(self) -> bool:
        """Whether all is decided."""
        return all(path.exists() for path in astuple(self))


@dataclass(frozen=True)
class Output:
    """Files below work/ by their final names, their sha256, and how many documents stay."""

    files: dict[str, Path]
    hashes: dict[str, str]
    kept: int


@dataclass(frozen=True)
class _File:
    """One output file: rows `start` to `stop` of what is written under this kind of name."""

    kind: str
    path: Path
    start: int
    stop: int


def write_outputs(
    run: StageRun, engine: Engine, pieces: Sequence[Piece], decided: Decided, *, permutations: int
) -> Output:
    """Write every output file below work/; those that are there are not made again."""
    counts = {name: len(read_part(getattr(decided, name))) for name in ("kept", "removed", "by_key")}
    files: dict[str, _File] = {}
    for kind, pattern, rows, rows_per_file in (
        ("clean", "clean/part-{:05d}.parquet", counts["kept"], ROWS_PER_FILE["documents"]),
        ("index", INDEX_FOLDER + "part-{:05d}.arrow", counts["by_key"], INDEX_ROWS),
        ("outcomes", "outcomes/clean-{:05d}.parquet", counts["removed"], ROWS_PER_FILE["outcomes"]),
        ("duplicates", DUPLICATES_NAME, counts["removed"], max(1, counts["removed"])),
    ):
        for number, start in enumerate(range(0, max(rows, 1), rows_per_file)):
            path = run.part("out", kind, decided.removed.name, rows_per_file, number, suffix=Path(pattern).suffix)
            files[pattern.format(number)] = _File(kind, path, start, min(rows, start + rows_per_file))
    missing = [file for file in files.values() if not digest_file(file.path).exists()]
    engine.each(
        "dedup: rewrite",
        _Write(tuple(pieces), decided, permutations),
        missing,
        unit="files",
        made=lambda: sum(digest_file(file.path).exists() for file in missing),
    )
    return Output(
        {name: file.path for name, file in files.items()},
        {name: read_json(digest_file(file.path)) for name, file in files.items()},
        counts["kept"],
    )


@dataclass(frozen=True)
class _Write:
    """Step 5: one output file, and beside it its sha256."""

    pieces: tuple[Piece, ...]
    decided: Decided
    permutations: int

    def __call__(self, file: _File) -> None:
        kinds: dict[str, Callable[[_File], None]] = {
            "clean": self._clean,
            "index": self._index,
            "outcomes": self._outcomes,
            "duplicates": self._duplicates,
        }
        kinds[file.kind](file)
        write_json(digest_file(file.path), file_sha256(file.path))
        fault_point("dedup.written")

    def _clean(self, file: _File) -> None:
        rows = _rows(self.decided.kept, file)
        in_order = bool(np.all(rows[1:] > rows[:-1]))
        groups = _in_order(self.pieces, rows) if in_order else _in_any_order(self.pieces, rows)
        write_parquet_groups(file.path, groups, DOCUMENTS)

    def _outcomes(self, file: _File) -> None:
        removed = read_part(self.decided.removed).slice(file.start, file.stop - file.start)
        write_parquet_groups(file.path, (outcome_rows(removed[part]) for part in _groups(len(removed))), OUTCOMES)

    def _duplicates(self, file: _File) -> None:
        removed = read_part(self.decided.removed)
        write_parquet_groups(file.path, (duplicate_rows(removed[part]) for part in _groups(len(removed))), DUPLICATES)

    def _index(self, file: _File) -> None:
        rows = _rows(self.decided.by_key, file)
        names = ("key", "exact", "karma", "length", "posted", "shingles", "sketch")
        found: dict[str, NDArray[Any]] = {}
        for piece, here, inside in _by_piece(self.pieces, rows):
            table = read_part(piece.signatures)
            for name in names:
                values = matrix_of(table, name) if name in ("exact", "sketch") else column(table, name)
                if name not in found:
                    found[name] = np.empty((len(rows), *values.shape[1:]), values.dtype)
                found[name][here] = values[inside]
        if not found:
            write_part(file.path, empty_index(self.permutations))
            return
        is_compared = column(read_part(self.decided.places), "place")[rows] >= 0
        documents = Documents(
            found["key"], found["exact"], found["karma"], found["length"], found["posted"], is_compared
        )
        write_part(file.path, index_table(documents, found["shingles"], found["sketch"]))


def _in_order(pieces: Sequence[Piece], rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """Row groups of these rows of all documents, ascending: each document is read once, few are held."""
    held: list[pa.Table] = []
    count = 0
    for piece, _, inside in _by_piece(pieces, rows):
        start = 0
        for batch in piece.batches(DOCUMENTS.names):
            mine = inside[np.searchsorted(inside, start) : np.searchsorted(inside, start + len(batch))] - start
            start += len(batch)
            table = batch if len(mine) == len(batch) else batch.take(pa.array(mine))
            held.append(table)
            count += len(table)
            if count >= ROW_GROUP_ROWS:
                whole = pa.concat_tables(held)
                held, count = [whole.slice(ROW_GROUP_ROWS)], count - ROW_GROUP_ROWS
                yield whole.slice(0, ROW_GROUP_ROWS)
                pa.default_memory_pool().release_unused()
    if count:
        yield pa.concat_tables(held)


def _in_any_order(pieces: Sequence[Piece], rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """The same where documents/ is not sorted by key as a whole: for each row group all that holds its rows is read."""
    for part in _groups(len(rows)):
        mine = rows[part]
        places = np.empty(len(mine), np.int64)
        tables: list[pa.Table] = []
        count = 0
        for piece, here, inside in _by_piece(pieces, mine):
            tables.append(piece.read(DOCUMENTS.names).take(pa.array(inside)))
            places[here] = np.arange(count, count + len(here))
            count += len(here)
        yield pa.concat_tables(tables).take(pa.array(places))


def _by_piece(
    pieces: Sequence[Piece], rows: NDArray[np.int64]
) -> Iterator[tuple[Piece, NDArray[np.int64], NDArray[np.int64]]]:
    """The pieces that hold `rows`: each with the positions in `rows` it fills, and its own rows for them."""
    number = np.searchsorted([piece.start for piece in pieces], rows, "right") - 1
    for each in np.unique(number).tolist():
        here = np.flatnonzero(number == each)
        yield pieces[each], here, rows[here] - pieces[each].start


def _rows(part: Path, file: _File) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = column(read_part(part), "row")[file.start : file.stop]
    return rows


def _groups(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROW_GROUP_ROWS):
        yield slice(start, min(rows, start + ROW_GROUP_ROWS))
