"""From runs to documents/: sorted runs merged by ranges of keys, files cut from them, a piece of each held at once.

Of several rows with one key that of the smallest file (by sha256) and row stays, however they came: at once, or one
import after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, write_json, write_parquet_sized
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.crawler.forgotten import Forgotten
from webtext.pipelines.import_parts import GROUP_BYTES, doubled, extra_kinds, first_of_each
from webtext.pipelines.import_runs import merged
from webtext.pipelines.sorted_output import total_order

DOCUMENT_ORDER = ("key", "record_id")
OUTCOME_ORDER = tuple(OUTCOMES.names)


@dataclass(frozen=True)
class MergeRange:
    """The keys from `low` to `high` (inclusive) of some runs; what comes of them goes to `folder`."""

    kind: str
    """documents or outcomes."""
    low: int
    high: int
    runs: tuple[tuple[Path, ...], ...]
    folder: Path

    @property
    def rows(self) -> Path:
        return self.folder / "rows.parquet"

    @property
    def doubled(self) -> Path:
        """Outcomes of the documents whose key another one has."""
        return self.folder / "doubled.parquet"

    @property
    def record(self) -> Path:
        """Written last: counts of outcomes, further columns, how many rows are forgotten."""
        return self.folder / "record.json"


@dataclass(frozen=True)
class Merge:
    """Step 2 of an import. What was imported before is rid of what is forgotten since."""

    corpus: Path

    def __call__(self, piece: MergeRange) -> None:
        if piece.record.exists():
            return
        found = _Merged(piece, Forgotten.of(self.corpus))
        schema = DOCUMENTS if piece.kind == "documents" else OUTCOMES
        write_parquet_sized(piece.rows, found.rows(schema), schema, bytes_a_group=GROUP_BYTES, part=True)
        if found.doubled:
            write_parquet_sized(piece.doubled, [total_order(pa.concat_tables(found.doubled))], OUTCOMES)
        write_json(piece.record, found.record())
        fault_point("import.merged")


class _Merged:
    """The rows of a range, and what is counted on the way."""

    def __init__(self, piece: MergeRange, forgotten: Forgotten) -> None:
        self._piece = piece
        self._forgotten = forgotten
        self._gone = self._count = self._bytes = 0
        self._outcomes: Counter[str] = Counter()
        self._extra: dict[str, set[str]] = {}
        self.doubled: list[pa.Table] = []

    def rows(self, schema: pa.Schema) -> Iterator[pa.Table]:
        piece, last = self._piece, None
        order = DOCUMENT_ORDER if piece.kind == "documents" else OUTCOME_ORDER
        for table in merged(piece.runs, schema, order, piece.low, piece.high):
            found = self._remembered(table)
            if piece.kind == "documents":
                found, again, last = first_of_each(found, last)
                if len(again):
                    self.doubled.append(doubled(again))
                for name, some in extra_kinds(found).items():
                    self._extra.setdefault(name, set()).update(some)
            else:
                self._outcomes.update(found["outcome"].to_pylist())
            self._count += len(found)
            self._bytes += found.nbytes
            yield found

    def _remembered(self, rows: pa.Table) -> pa.Table:
        """The rows that are not forgotten."""
        if not self._forgotten:
            return rows
        gone = self._forgotten.rows(np.asarray(rows["key"].to_numpy(), np.uint64), rows["url"].to_pylist())
        self._gone += int(np.count_nonzero(gone))
        return rows.filter(pa.array(~gone))

    def record(self) -> dict[str, Any]:
        return {
            "rows": self._count, "bytes": self._bytes, "forgotten": self._gone, "doubled": bool(self.doubled),
            "outcomes": dict(sorted(self._outcomes.items())),
            "extra": {name: sorted(some) for name, some in sorted(self._extra.items())},
        }  # fmt: skip


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
