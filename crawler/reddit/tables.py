"""CSV and Parquet files of URLs as lines under Reddit's own field names. Which file is one is told by `lists`."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors
from webtext.crawler.reddit.blocks import Block

CSV, PARQUET = "csv", "parquet"
PARQUET_MAGIC = b"PAR1"
_BATCH = 65_536

Columns = Mapping[str, Sequence[str]]
"""Reddit's field, and the names that stand for it in tables, compared without case."""
RowLine = Callable[[Mapping[str, Any]], bytes]


def header(line: str, columns: Columns) -> tuple[str, dict[str, int]] | None:
    """The separator of a table and the place of each field that its first line names; None without a URL column."""
    for separator in ",\t;|":
        try:
            names = [name.strip().lower() for name in next(csv.reader([line], delimiter=separator))]
        except (csv.Error, StopIteration):
            continue
        places = {
            field: names.index(name) for field, known in columns.items() for name in reversed(known) if name in names
        }
        if "url" in places:
            return separator, places
    return None


def csv_blocks(found: Iterable[Block], columns: Columns, row_line: RowLine) -> Iterator[Block]:
    """The rows of a CSV below its header, one line each; a row that cannot be read is a line that is no object.

    Quoted fields may hold newlines, so a block ends where a row does.
    """
    lines = _Lines(found)
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    separator, places = header(first, columns) or (",", {"url": 0})
    rows = csv.reader(lines, delimiter=separator)
    written: list[bytes] = []
    number = done = 0
    ended = False
    while not ended:
        at = lines.block
        try:
            row = next(rows)
            if row:
                written.append(_csv_line(row, places, row_line))
        except csv.Error:
            written.append(_NO_ROW)
        except StopIteration:
            ended = True
        if written and (ended or lines.block is not at):
            yield Block(number, done, b"".join(written), lines.block.read)
            number, done, written = number + 1, done + len(written), []
        for lost in lines.lost:
            yield replace(lost, number=number, first_line=done)
            number, done = number + 1, done + 1
        lines.lost.clear()


class _Lines:
    """The lines of blocks as text, for a reader that asks for one after another; `block` is where it is."""

    def __init__(self, found: Iterable[Block]) -> None:
        self.block = Block(0, 0, b"", 0)
        self.lost: list[Block] = []
        self._lines = self._of(found)

    def _of(self, found: Iterable[Block]) -> Iterator[str]:
        for block in found:
            self.block = block
            if block.lost:
                self.lost.append(block)
            for line in io.BytesIO(block.data):  # splits at newlines alone
                yield line.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\0", "\ufffd")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._lines)


_NO_ROW = b'"a row that is no CSV"\n'


def _csv_line(row: Sequence[str], places: Mapping[str, int], row_line: RowLine) -> bytes:
    try:
        return row_line({field: row[place] for field, place in places.items() if place < len(row)}) + b"\n"
    except UnicodeEncodeError:
        return b"\xff\n"  # bytes that are no UTF-8, for the reader of lines to count


def check_parquet(path: Path, columns: Columns) -> None:
    """Refuse a Parquet file that is damaged, or has no column of URLs in text.

    Raises:
        DamagedFile, WebtextError: names the columns.
    """
    try:
        with os_errors(path), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"is no readable Parquet file ({str(error).splitlines()[0]})", where=path) from error
    names = _parquet_names(schema, columns)
    if "url" not in names:
        raise WebtextError(
            f"has no column of URLs: its columns are {', '.join(schema.names)[:200]}",
            where=path,
            hint=f"call the column one of {', '.join(columns['url'])}",
        )
    kind = schema.field(names["url"]).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise WebtextError(f"its column {names['url']} is {kind}, not text", where=path)


def parquet_blocks(path: Path, columns: Columns, row_line: RowLine) -> Iterator[Block]:
    """The rows of a Parquet file, one line each."""
    try:
        with os_errors(path), pq.ParquetFile(path) as file:
            names = _parquet_names(file.schema_arrow, columns)
            total, lines = max(1, file.metadata.num_rows), 0
            for number, batch in enumerate(file.iter_batches(_BATCH, columns=sorted(set(names.values())))):
                fields = [(field, batch.column(name).to_pylist()) for field, name in names.items()]
                data = b"".join(
                    row_line({field: _plain(values[place]) for field, values in fields}) + b"\n"
                    for place in range(batch.num_rows)
                )
                read = path.stat().st_size * (lines + batch.num_rows) // total
                yield Block(number, lines, data, read)
                lines += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"is no readable Parquet file ({str(error).splitlines()[0]})", where=path) from error


def _parquet_names(schema: pa.Schema, columns: Columns) -> dict[str, str]:
    """The file's name of each field that it has."""
    lower = {name.lower(): name for name in reversed(schema.names)}
    return {field: lower[name] for field, known in columns.items() for name in reversed(known) if name in lower}


def _plain(value: Any) -> Any:
    """A value as a dump would have it: times in seconds since 1970; one without a zone is UTC."""
    if isinstance(value, datetime.datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp())
    if isinstance(value, datetime.date):
        return int(datetime.datetime.combine(value, datetime.time(), datetime.UTC).timestamp())
    return value if isinstance(value, str | int | float | bool) else None
