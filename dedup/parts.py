"""The files between the steps of dedup, and its index: Arrow IPC, uncompressed, memory-mapped, one record batch each.

Hashes do not compress, and a step often needs one column of many files: mapped, it reads no other. What a corpus keeps
for others to read is Parquet and has its schemas in `webtext.corpus.schemas`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors, write_stream

OPEN_FILES = 256


def write_part(path: Path, table: pa.Table) -> None:
    """Write `table` as the whole of `path`, atomically."""
    batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]

    def write(file: Any) -> None:
        with pa.ipc.new_file(file, table.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)

    write_stream(path, write)


def read_part(path: Path) -> pa.Table:
    """Map `path`; columns are views of the file until they are copied, and keep it open.

    Raises:
        DamagedFile: it is no such file.
    """
    try:
        with os_errors(path):
            return pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
    except pa.ArrowInvalid as error:
        raise DamagedFile(
            f"is no part of webtext dedup ({error})",
            where=path,
            hint="remove the corpus's folder work/clean, run again",
        ) from error


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers without nulls as an array of shape (rows,)."""
    return np.asarray(table[name].to_numpy())


def columns(paths: Sequence[Path], name: str, dtype: Any) -> NDArray[Any]:
    """A column of numbers of several parts, one after the other, copied: no file stays open."""
    return np.concatenate([np.empty(0, dtype), *(column(read_part(path), name) for path in paths)])


def matrix(rows: NDArray[Any]) -> pa.FixedSizeListArray:
    """A two-dimensional array as a column: one list of fixed size a row."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), rows.shape[1])


def matrix_of(table: pa.Table, name: str) -> NDArray[Any]:
    """The inverse of `matrix`: an array of shape (rows, size)."""
    chunked = table[name]
    size = chunked.type.list_size
    values = chunked.combine_chunks().flatten() if len(chunked) else pa.array([], chunked.type.value_type)
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(-1, size)


def lists_of(table: pa.Table, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """A large_list column as offsets of shape (rows + 1,) and all its values."""
    chunked = table[name]
    if not chunked.num_chunks:
        return np.zeros(1, np.int64), np.asarray(pa.array([], chunked.type.value_type))
    lists = chunked.chunk(0)
    return np.asarray(lists.offsets), np.asarray(lists.values)


def lists(offsets: NDArray[np.int64], values: NDArray[Any]) -> pa.LargeListArray:
    """The inverse of `lists_of`."""
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values))


class ListFiles:
    """One large_list<uint64> column of several parts, read list by list.

    Read, not mapped: gigabytes of lists pass through, and a mapped page counts as this process's memory for as long as
    the system lets it. At most `OPEN_FILES` are open at once.
    """

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        self._paths = paths
        self._offsets: list[NDArray[np.int64]] = []
        self._positions: list[int] = []
        self._open: dict[int, int] = {}
        for path in paths:
            whole = pa.memory_map(str(path)).read_buffer()
            offsets, values = lists_of(read_part_of(whole), name)
            self._offsets.append(offsets.copy())
            self._positions.append(values.ctypes.data - whole.address if len(values) else 0)

    def read(self, file: int, place: int) -> NDArray[np.uint64]:
        """List number `place` of part number `file`."""
        offsets = self._offsets[file]
        start, stop = int(offsets[place]), int(offsets[place + 1])
        return np.frombuffer(os.pread(self._handle(file), (stop - start) * 8, self._positions[file] + start * 8), "<u8")

    def close(self) -> None:
        """Close the files; reading opens them again."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _handle(self, file: int) -> int:
        handle = self._open.get(file)
        if handle is None:
            if len(self._open) >= OPEN_FILES:
                os.close(self._open.pop(next(iter(self._open))))
            with os_errors(self._paths[file]):
                handle = self._open[file] = os.open(self._paths[file], os.O_RDONLY)
        return handle


def read_part_of(buffer: pa.Buffer) -> pa.Table:
    """The table of a part whose bytes are `buffer`."""
    return pa.ipc.open_file(buffer).read_all().combine_chunks()
