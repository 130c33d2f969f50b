"""From runs to documents/: ranges of keys merged, files cut from them. A worker holds one range, or one row group.

Of several rows with one key that of the smallest file (by sha256) and row stays, however they came: at once, or one
import after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, write_json, write_parquet_sized
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.crawler.forgotten import Forgotten
from webtext.pipelines.import_parts import GROUP_BYTES, extra_kinds
from webtext.pipelines.import_rows import told
from webtext.pipelines.sorted_output import read_key_range, total_order


@dataclass(frozen=True)
class MergeRange:
    """The keys from `low` to `high` (inclusive) of files sorted by key; what comes of them goes to `folder`."""

    low: int
    high: int
    sources: tuple[Path, ...]
    ends: tuple[Path, ...]
    folder: Path

    @property
    def documents(self) -> Path:
        return self.folder / "documents.parquet"

    @property
    def outcomes(self) -> Path:
        return self.folder / "outcomes.parquet"

    @property
    def record(self) -> Path:
        """Written last: counts of outcomes, and further columns."""
        return self.folder / "record.json"


@dataclass(frozen=True)
class Merge:
    """Step 2 of an import. What was imported before is rid of what is forgotten since."""

    corpus: Path

    def __call__(self, piece: MergeRange) -> None:
        if piece.record.exists():
            return
        forgotten = Forgotten.of(self.corpus)
        rows, gone = _without(_range(piece.sources, DOCUMENTS, piece), forgotten)
        known, also_gone = _without(_range(piece.ends, OUTCOMES, piece), forgotten)
        rows = rows.sort_by([("key", "ascending"), ("record_id", "ascending")])
        keys = np.asarray(rows["key"].to_numpy(), np.uint64)
        again = np.zeros(len(keys), np.bool_)
        again[1:] = keys[1:] == keys[:-1]
        stay, twice = rows.filter(pa.array(~again)), rows.select(["key", "url", "record_id"]).filter(pa.array(again))
        ends = total_order(pa.concat_tables([known, _doubled(twice)]))
        write_parquet_sized(piece.documents, [stay], DOCUMENTS, bytes_a_group=GROUP_BYTES, part=True)
        write_parquet_sized(piece.outcomes, [ends], OUTCOMES)
        counts = Counter(ends["outcome"].to_pylist())
        counts[Outcome.FORGOTTEN.value] += gone + also_gone
        write_json(piece.record, {"outcomes": dict(sorted(counts.items())), "extra": extra_kinds(stay)})
        fault_point("import.merged")


def _range(paths: tuple[Path, ...], schema: pa.Schema, piece: MergeRange) -> pa.Table:
    tables = [read_key_range(path, schema, piece.low, piece.high) for path in paths]
    return pa.concat_tables([schema.empty_table(), *tables])


def _without(rows: pa.Table, forgotten: Forgotten) -> tuple[pa.Table, int]:
    """The rows that are not forgotten, and how many are."""
    if not forgotten or not len(rows):
        return rows, 0
    gone = forgotten.rows(np.asarray(rows["key"].to_numpy(), np.uint64), rows["url"].to_pylist())
    return rows.filter(pa.array(~gone)), int(np.count_nonzero(gone))


def _doubled(rows: pa.Table) -> pa.Table:
    details = [f"another row has its key: {told(record)}" for record in rows["record_id"].to_pylist()]
    columns = [
        rows["key"], rows["url"],
        pa.array([str(Stage.DOCUMENTS)] * len(rows), pa.string()),
        pa.array([str(Outcome.DUPLICATE_ID)] * len(rows), pa.string()), pa.array(details, pa.string()),
    ]  # fmt: skip
    return pa.table(dict(zip(OUTCOMES.names, columns, strict=True))).cast(OUTCOMES)


@dataclass(frozen=True)
class Cut:
    """Files below work/ by their final names, their sha256, and the rows in all of them."""

    files: dict[str, Path]
    hashes: dict[str, str]
    rows: int


@dataclass(frozen=True)
class CutFile:
    """One output file: rows `first` to `last` (exclusive) of consecutive parts."""

    kind: str
    path: Path
    parts: tuple[tuple[Path, int, int], ...]

    @property
    def record(self) -> Path:
        return self.path.with_suffix(".json")


@dataclass(frozen=True)
class WriteCut:
    """Step 3 of an import."""

    def __call__(self, file: CutFile) -> None:
        if file.record.exists() and file.path.exists():
            return
        schema = DOCUMENTS if file.kind == "documents" else OUTCOMES
        write_parquet_sized(file.path, _pieces(file, schema), schema)
        write_json(file.record, file_sha256(file.path))


def _pieces(file: CutFile, schema: pa.Schema) -> Iterator[pa.Table]:
    for path, first, last in file.parts:
        with open_parquet(path, schema) as opened:
            yield from _between(opened, first, last)


def _between(opened: pq.ParquetFile, first: int, last: int) -> Iterator[pa.Table]:
    before = 0
    for group in range(opened.num_row_groups):
        size = opened.metadata.row_group(group).num_rows
        low, high = max(first - before, 0), min(last - before, size)
        if low < high:
            yield opened.read_row_group(group).slice(low, high - low)
        before += size
