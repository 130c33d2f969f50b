"""The rows of Parquet and Arrow files, in batches of some megabytes, whatever their row groups and batches hold."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.files import os_errors
from webtext.corpus.settings import ImportSettings
from webtext.pipelines.import_columns import Columns, Row, typed
from webtext.pipelines.import_files import ARROW_FILE, PARQUET, ImportFile, Tell, Unit, damaged

BATCH_ROWS = 1_024
BATCH_BYTES = 4 << 20
_BUFFER = 1 << 20
"""Bytes of a column that are read at once: by itself pyarrow reads what a row group holds of it, which may be all."""


def check_table(file: ImportFile, settings: ImportSettings) -> None:
    """See that a table has its columns, with the right types. Raises as `typed`; `DamagedFile`."""
    try:
        with os_errors(file.path):
            if file.kind == PARQUET:
                schema = pq.read_schema(file.path)
            else:
                with pa.memory_map(str(file.path)) as source:
                    opened = pa.ipc.open_file(source) if file.kind == ARROW_FILE else pa.ipc.open_stream(source)
                    schema = opened.schema
    except pa.ArrowException as error:
        raise damaged(file.path, error) from error
    typed(schema, settings, file)


def parquet_rows(unit: Unit, settings: ImportSettings, tell: Tell) -> Iterator[list[Row]]:
    """The rows of some row groups. Raises as `rows_of`."""
    path, number = unit.file.path, unit.first
    try:
        with os_errors(path), pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            columns = typed(file.schema_arrow, settings, unit.file)
            groups = list(range(unit.start, unit.stop))
            rows = sum(int(file.metadata.row_group(group).num_rows) for group in groups)
            for batch in file.iter_batches(_rows_at_once(file, groups), groups, use_threads=False):
                tell((number - unit.first) / rows)
                yield _table_rows(batch, columns, number)
                number += batch.num_rows
    except pa.ArrowException as error:
        raise damaged(path, error) from error


def _rows_at_once(file: pq.ParquetFile, groups: Sequence[int]) -> int:
    """Fewer rows where they are long."""
    found = [file.metadata.row_group(number) for number in groups]
    return _rows(sum(int(group.num_rows) for group in found), sum(int(group.total_byte_size) for group in found))


def _rows(rows: int, size: int) -> int:
    return max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))


def arrow_rows(unit: Unit, settings: ImportSettings, tell: Tell) -> Iterator[list[Row]]:
    """The rows of an Arrow file or stream. Raises as `rows_of`.

    The file is mapped, and what was read of it is given back: one batch may be larger than the memory. A compressed
    batch is decompressed as a whole.
    """
    path, number = unit.file.path, 0
    try:
        with os_errors(path), _mapped(unit.file) as (mapped, source):
            if unit.file.kind == ARROW_FILE:
                reader = pa.ipc.open_file(source)
                schema, batches = reader.schema, (reader.get_batch(n) for n in range(reader.num_record_batches))
                shares = [n / max(reader.num_record_batches, 1) for n in range(reader.num_record_batches + 1)]
            else:
                stream = pa.ipc.open_stream(source)
                schema, batches, shares = stream.schema, iter(stream), []
            columns = typed(schema, settings, unit.file)
            before = 0.0
            for count, batch in enumerate(batches):
                after = shares[count + 1] if shares else source.tell() / len(mapped)
                step = _rows(batch.num_rows, batch.nbytes)
                for start in range(0, batch.num_rows, step):
                    tell(before + (after - before) * start / batch.num_rows)
                    part = batch.slice(start, step)
                    yield _table_rows(part, columns, number)
                    number += part.num_rows
                    mapped.madvise(mmap.MADV_DONTNEED)
                before = after
    except (pa.ArrowException, StopIteration) as error:
        raise damaged(path, error) from error


@contextmanager
def _mapped(file: ImportFile) -> Iterator[tuple[mmap.mmap, pa.BufferReader]]:
    with file.path.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        with closing(pa.BufferReader(pa.py_buffer(mapped))) as source:
            yield mapped, source  # unmapped with the last array that lies in it


def _table_rows(batch: pa.RecordBatch, columns: Columns, first: int) -> list[Row]:
    own = [name for name in (columns.text, columns.id, columns.url) if name]
    values = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    others = [name for name in values if name not in own]
    nothing = [None] * batch.num_rows
    texts, ids, urls = (values[name] if name else nothing for name in (columns.text, columns.id, columns.url))
    return [
        Row(first + row + 1, texts[row], ids[row], urls[row], {name: values[name][row] for name in others})
        for row in range(batch.num_rows)
    ]
