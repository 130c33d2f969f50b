"""The rows of one key, out of files sorted by key, without reading the rest.

Which file and which row groups may hold a key stands in Parquet's footers: a handful of them are read, whatever the
size of the corpus. Not for reading ranges in bulk (`webtext.pipelines.sorted_output`), which
goes by the same `key_bounds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webtext.corpus.files import open_parquet


def rows_of_key(
    paths: Sequence[Path], schema: pa.Schema, key: int, columns: Sequence[str], *, by: str = "key"
) -> list[dict[str, Any]]:
    """The rows with this key, in order.

    Args:
        paths: files of one output in the order of their names, sorted by the column `by` within and across them.
        by: the uint64 column they are sorted by.

    Returns:
        One dictionary a row, with these columns.
    """
    found: list[dict[str, Any]] = []
    for path in paths[_first(paths, schema, key, by) :]:
        with open_parquet(path, schema) as file:
            if file.metadata.num_rows and key_bounds(file, 0, by)[0] > key:
                break
            found += _rows(file, key, columns, by)
    return found


def rows_in_file(path: Path, schema: pa.Schema, key: int, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows with this key of one file that is sorted by key by itself."""
    with open_parquet(path, schema) as file:
        return _rows(file, key, columns, "key")


def _first(paths: Sequence[Path], schema: pa.Schema, key: int, by: str) -> int:
    """The first file whose largest key is not below `key`: by halving, so of n files log2(n) footers are read."""
    low, high = 0, len(paths)
    while low < high:
        middle = (low + high) // 2
        with open_parquet(paths[middle], schema) as file:
            groups = file.num_row_groups
            below = groups > 0 and key_bounds(file, groups - 1, by)[1] < key
        if below:
            low = middle + 1
        else:
            high = middle
    return low


def _rows(file: pq.ParquetFile, key: int, columns: Sequence[str], by: str) -> list[dict[str, Any]]:
    wanted = pa.scalar(key, pa.uint64())
    found: list[dict[str, Any]] = []
    for group in range(file.num_row_groups):
        low, high = key_bounds(file, group, by)
        if low > key:
            break
        if high < key or not pc.any(pc.equal(file.read_row_group(group, columns=[by])[by], wanted)).as_py():
            continue
        # `by` may be among them, or not
        table = file.read_row_group(group, columns=[*dict.fromkeys([by, *columns])])
        found += table.filter(pc.equal(table[by], wanted)).select(list(columns)).to_pylist()
    return found


def key_bounds(file: pq.ParquetFile, group: int, by: str = "key") -> tuple[int, int]:
    """The smallest and the largest value of the uint64 column `by` in a row group; 0 and 2^64-1 if it is not said."""
    statistics = file.metadata.row_group(group).column(file.schema_arrow.get_field_index(by)).statistics
    if statistics is None or not statistics.has_min_max:
        return 0, (1 << 64) - 1
    return int(statistics.min), int(statistics.max)
