"""Pieces of documents/ or clean/: a worker's unit of work, and how their rows are read.

Not for what is made of a piece: where its parts lie is each pipeline's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from webtext.corpus.files import open_parquet
from webtext.corpus.schemas import DOCUMENTS
from webtext.pipelines.engine import Engine

T = TypeVar("T")

PIECE_ROWS = 8_192
"""Row groups are joined up to this many documents: some 32 MB of text."""

BATCH_ROWS = 1_024


@dataclass(frozen=True)
class Rows:
    """Row groups of one file of documents. `start`: the first row among all documents."""

    path: Path
    groups: tuple[int, ...]
    start: int
    rows: int

    def read(self, columns: Sequence[str]) -> pa.Table:
        """These columns of these rows."""
        with open_parquet(self.path, DOCUMENTS) as file:
            return file.read_row_groups(list(self.groups), columns=list(columns))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same, `BATCH_ROWS` at a time: 4 MB of text, which stay in the processor's cache while they are read."""
        with open_parquet(self.path, DOCUMENTS) as file:
            batches = file.iter_batches(BATCH_ROWS, list(self.groups), columns=list(columns), use_threads=False)
            for batch in batches:
                yield pa.Table.from_batches([batch])


def cut(paths: Sequence[Path]) -> list[Rows]:
    """The pieces of all files: consecutive row groups of one file, joined up to `PIECE_ROWS`.

    Raises:
        DamagedFile: a file is no Parquet file of documents.
    """
    found: list[Rows] = []
    start = 0
    for path in paths:
        with open_parquet(path, DOCUMENTS) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        for groups, rows in _joined(sizes):
            found.append(Rows(path, groups, start, rows))
            start += rows
    return found


def _joined(sizes: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
    joined: list[tuple[tuple[int, ...], int]] = []
    for group, rows in enumerate(sizes):
        if joined and joined[-1][1] + rows <= PIECE_ROWS:
            joined[-1] = ((*joined[-1][0], group), joined[-1][1] + rows)
        else:
            joined.append(((group,), rows))
    return joined


def each(
    engine: Engine, label: str, function: Callable[[T], None], elements: Sequence[T], results: Sequence[Path]
) -> None:
    """Run `function` on the elements whose result is not there yet, with no more workers than elements."""
    missing = [(element, path) for element, path in zip(elements, results, strict=True) if not path.exists()]
    replace(engine, workers=max(1, min(engine.workers, len(missing)))).each(
        label,
        function,
        [element for element, _ in missing],
        made=lambda: sum(path.exists() for _, path in missing),
    )
