"""Parts in any order to files sorted by key, cut by row counts only: the last step of every stage.

Text is read and written by the workers; the driver holds the keys alone (8 bytes a row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webtext.corpus.files import file_sha256, open_parquet, read_json, write_json, write_parquet
from webtext.corpus.lookup import key_bounds
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine

ROWS_PER_FILE = {
    "links": 1_000_000,
    "documents": 50_000,  # 4 kB a document: 200 MB of text a file
    "outcomes": 1_000_000,
}


@dataclass(frozen=True)
class SortedOutput:
    """Files below work/ by their final names, their sha256, and the rows in all of them."""

    files: dict[str, Path]
    hashes: dict[str, str]
    rows: int


@dataclass(frozen=True)
class _Slice:
    """One output file: the rows from `skip` on, `rows` of them, among those of `parts` with low <= key <= high."""

    path: Path
    low: int
    high: int
    skip: int
    rows: int
    parts: tuple[Path, ...]


@dataclass(frozen=True)
class _WriteSlice:
    schema: pa.Schema

    def __call__(self, piece: _Slice) -> None:
        record = digest_file(piece.path)
        if record.exists() and piece.path.exists():
            return
        tables = [read_key_range(part, self.schema, piece.low, piece.high) for part in piece.parts]
        table = total_order(pa.concat_tables([self.schema.empty_table(), *tables]))
        write_parquet(piece.path, table.slice(piece.skip, piece.rows), self.schema)
        write_json(record, file_sha256(piece.path))


def sorted_output(
    engine: Engine,
    run: StageRun,
    label: str,
    parts: Sequence[Path],
    schema: pa.Schema,
    *,
    pattern: str,
    rows_per_file: int,
) -> SortedOutput:
    """Rewrite `parts` (Parquet of `schema`, each sorted by key) below `run.work` as files named by `pattern`.

    Args:
        pattern: final path relative to the corpus, with a place for the number: "documents/part-{:05d}.parquet".

    Returns:
        Files in key order; rows of one key stand in the order of their other columns, so the bytes do not depend on
        how the rows lay in the parts. Without rows there is one empty file.
    """
    keys_of = [_keys(part, schema) for part in parts]
    ranges = [(part, int(own[0]), int(own[-1])) for part, own in zip(parts, keys_of, strict=True) if len(own)]
    keys = np.sort(np.concatenate([np.empty(0, np.uint64), *keys_of]))
    del keys_of
    # Named by what they are made of: parts have content-addressed names themselves.
    made_of = [pattern, rows_per_file, sorted(str(part.relative_to(run.corpus)) for part in parts), len(keys)]
    pieces = []
    for number, start in enumerate(range(0, max(len(keys), 1), rows_per_file)):
        rows = keys[start : start + rows_per_file]
        low, high = (int(rows[0]), int(rows[-1])) if len(rows) else (0, 0)
        skip = start - int(np.searchsorted(keys, np.uint64(low), "left")) if len(rows) else 0
        holding = tuple(part for part, first, last in ranges if first <= high and last >= low)
        pieces.append(_Slice(run.part("out", *made_of, number), low, high, skip, len(rows), holding))
    engine.each(
        label,
        _WriteSlice(schema),
        pieces,
        unit="files",
        made=lambda: sum(digest_file(piece.path).exists() for piece in pieces),
    )
    names = [pattern.format(number) for number in range(len(pieces))]
    return SortedOutput(
        files={name: piece.path for name, piece in zip(names, pieces, strict=True)},
        hashes={name: read_json(digest_file(piece.path)) for name, piece in zip(names, pieces, strict=True)},
        rows=len(keys),
    )


def read_key_range(path: Path, schema: pa.Schema, low: int, high: int) -> pa.Table:
    """The rows of a file sorted by key with low <= key <= high; reads only the row groups that may hold them."""
    with open_parquet(path, schema) as file:
        groups = [number for number in range(file.num_row_groups) if _overlaps(file, number, low, high)]
        if not groups:
            return schema.empty_table()
        table = file.read_row_groups(groups)
    keys = table["key"]
    inside = pc.and_(
        pc.greater_equal(keys, pa.scalar(low, pa.uint64())), pc.less_equal(keys, pa.scalar(high, pa.uint64()))
    )
    return table.filter(inside)


def total_order(table: pa.Table) -> pa.Table:
    """The rows by key, then by every other column that can be compared: an order that only the rows decide."""
    names = [field.name for field in table.schema if not pa.types.is_nested(field.type) and field.name != "key"]
    return table.sort_by([("key", "ascending"), *((name, "ascending") for name in names)])


def _overlaps(file: pq.ParquetFile, group: int, low: int, high: int) -> bool:
    least, most = key_bounds(file, group)
    return most >= low and least <= high


def _keys(path: Path, schema: pa.Schema) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    with open_parquet(path, schema) as file:
        return np.asarray(file.read(columns=["key"])["key"].to_numpy(), dtype=np.uint64)


def digest_file(path: Path) -> Path:
    """Where the sha256 of a finished output file stands: written last, it says that the file is whole."""
    return path.with_suffix(".json")
