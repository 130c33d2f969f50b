"""Sorted runs, and how they become one: merged as streams, in the memory of a piece of each, however long they are.

A run is a chain of Parquet files, each sorted, that are in order themselves. What is done with the rows is not known
here (`webtext.pipelines.import_merge`).
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.files import open_parquet
from webtext.corpus.lookup import key_bounds

HEAD_BYTES = 1 << 20
"""What is held of each run, about; or one row."""
HEAD_ROWS = 8_192
MOST_BYTES = 64 << 20
"""What is held of all runs that are merged at once."""
MOST_RUNS = 32
_BUFFER = 32 << 10  # of each column of each run


@dataclass(frozen=True)
class SortedRun:
    """Files that are sorted and in order; `bytes` of all rows and of the `largest`, as Arrow counts them, about."""

    files: tuple[Path, ...]
    bytes: int
    largest: int = 0


def groups_of(runs: Sequence[SortedRun]) -> list[list[SortedRun]]:
    """The runs in groups, of two at least, that can be merged at once within `MOST_BYTES`."""
    found: list[list[SortedRun]] = []
    held = 0
    for run in runs:
        size = max(run.largest, HEAD_BYTES)
        if not found or (len(found[-1]) >= 2 and (held + size > MOST_BYTES or len(found[-1]) >= MOST_RUNS)):
            found.append([])
            held = 0
        found[-1].append(run)
        held += size
    return found


def merged(
    runs: Sequence[Sequence[Path]], schema: pa.Schema, order: Sequence[str], low: int, high: int
) -> Iterator[pa.Table]:
    """The rows of all runs with low <= key <= high, in `order`, some at a time.

    Args:
        runs: each the files of one, sorted by `order`.
        order: the columns by which rows are sorted, "key" first; none of them null.
    """
    heads = [head for files in runs if (head := _Head(files, schema, order, low, high)).more()]
    while heads:
        # Whatever comes of a run later is not before the last row that is held of it.
        edge = min(head.last() for head in heads)
        taken = pa.concat_tables([head.take(edge) for head in heads])
        heads = [head for head in heads if head.more()]
        if len(taken):
            yield taken.combine_chunks().sort_by([(name, "ascending") for name in order])


class _Head:
    """The rows of a run that are next."""

    def __init__(self, files: Sequence[Path], schema: pa.Schema, order: Sequence[str], low: int, high: int) -> None:
        self._order = order
        self._tables = _tables(files, schema, low, high)
        self._rows = schema.empty_table()
        self._keys: Any = None

    def more(self) -> bool:
        """Whether a row is held; reads on where none is."""
        while not len(self._rows):
            following = next(self._tables, None)
            if following is None:
                return False
            self._rows = following
            self._keys = np.asarray(following["key"].to_numpy(), np.uint64)
        return True

    def last(self) -> tuple[Any, ...]:
        return self._values(len(self._rows) - 1)

    def take(self, edge: tuple[Any, ...]) -> pa.Table:
        """The rows up to `edge`, which are held no longer."""
        low = int(np.searchsorted(self._keys, np.uint64(edge[0]), "left"))
        high = int(np.searchsorted(self._keys, np.uint64(edge[0]), "right"))
        count = bisect.bisect_right(range(high), edge, lo=low, key=self._values)
        taken, self._rows, self._keys = self._rows.slice(0, count), self._rows.slice(count), self._keys[count:]
        return taken

    def _values(self, row: int) -> tuple[Any, ...]:
        return tuple(self._rows[name][row].as_py() for name in self._order)


def _tables(files: Sequence[Path], schema: pa.Schema, low: int, high: int) -> Iterator[pa.Table]:
    for path in files:
        with open_parquet(path, schema, buffer_size=_BUFFER) as file:
            for group in range(file.num_row_groups):
                least, most = key_bounds(file, group)
                if file.metadata.row_group(group).num_rows and most >= low and least <= high:
                    yield from _parts(file, group, low, high)


def _parts(file: pq.ParquetFile, group: int, low: int, high: int) -> Iterator[pa.Table]:
    found = file.metadata.row_group(group)
    rows = max(1, min(HEAD_ROWS, HEAD_BYTES * found.num_rows // max(found.total_byte_size, 1)))
    for batch in file.iter_batches(rows, [group], use_threads=False):
        keys = np.asarray(batch.column("key").to_numpy(), np.uint64)
        start = int(np.searchsorted(keys, np.uint64(low), "left"))
        stop = int(np.searchsorted(keys, np.uint64(high), "right"))
        if start < stop:
            yield pa.Table.from_batches([batch.slice(start, stop - start)])
