"""Files of judged lines sorted by key, of which a range of keys is read without the rest.

Runs (what a scan writes) are Arrow IPC files: they are read once and deleted, and cost a fifth of Parquet's time. Line
files, which stay, are Parquet.
"""

from __future__ import annotations

import bisect
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import open_parquet, os_errors, write_stream
from webtext.crawler.reddit.lines import SCHEMA

BATCH_ROWS = 8_192
_FIRST_KEYS = b"first_keys"


def write_run(path: Path, table: pa.Table) -> None:
    """Write a table sorted by key as a run, atomically."""
    firsts = table["key"].to_numpy()[::BATCH_ROWS].tolist()
    schema = SCHEMA.with_metadata({_FIRST_KEYS: json.dumps(firsts)})
    options = pa.ipc.IpcWriteOptions(compression="lz4")

    def write(file: object) -> None:
        with pa.ipc.new_file(file, schema, options=options) as writer:
            writer.write_table(table.combine_chunks().replace_schema_metadata(schema.metadata), BATCH_ROWS)

    write_stream(path, write)


def read_run(path: Path, low: int, high: int) -> pa.Table:
    """The rows of a run with low <= key <= high."""
    try:
        with os_errors(path), pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            firsts = json.loads(file.schema.metadata[_FIRST_KEYS])
            # A batch may begin within a key: the one before the first that begins at `low` may hold it, too.
            start = max(bisect.bisect_left(firsts, low) - 1, 0)
            stop = bisect.bisect_right(firsts, high)
            batches = [file.get_batch(number) for number in range(start, stop)]
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        raise DamagedFile(f"is no readable run of lines ({error})", where=path) from error
    return _between(pa.Table.from_batches(batches, file.schema).replace_schema_metadata(None), low, high)


def read_lines(path: Path, low: int, high: int) -> pa.Table:
    """The rows of a line file with low <= key <= high."""
    with open_parquet(path, SCHEMA) as file:
        groups = [number for number in range(file.num_row_groups) if _overlaps(file, number, low, high)]
        return _between(file.read_row_groups(groups) if groups else SCHEMA.empty_table(), low, high)


def rows_of(path: Path) -> int:
    """The rows of a line file."""
    with open_parquet(path, SCHEMA) as file:
        return int(file.metadata.num_rows)


def _between(table: pa.Table, low: int, high: int) -> pa.Table:
    keys = table["key"].to_numpy()
    start = int(np.searchsorted(keys, np.uint64(low), "left"))
    return table.slice(start, int(np.searchsorted(keys, np.uint64(high), "right")) - start)


def _overlaps(file: pq.ParquetFile, group: int, low: int, high: int) -> bool:
    statistics = file.metadata.row_group(group).column(0).statistics
    if statistics is None or not statistics.has_min_max:  # a group without rows
        return True
    return bool(int(statistics.max) >= low and int(statistics.min) <= high)
