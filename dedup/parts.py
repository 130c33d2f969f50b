"""The files between the steps of dedup: Arrow IPC, uncompressed, memory-mapped, one record batch each.

Hashes do not compress, and a step often needs one column of many files: mapped, it reads no other. What a corpus keeps
is Parquet and has its schemas in `webtext.corpus.schemas`; these files go when the stage is published.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors, write_stream


def write_part(path: Path, table: pa.Table) -> None:
    """Write `table` as the whole of `path`, atomically."""
    batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]

    def write(file: Any) -> None:
        with pa.ipc.new_file(file, table.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)

    write_stream(path, write)


def read_part(path: Path) -> pa.Table:
    """Map `path`; columns are views of the file until they are copied.

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
