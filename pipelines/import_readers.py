"""The rows of one unit of an import, in batches: from each kind of file to plain Python values, row by row.

Columns are found by name here; what becomes of a row is decided in `webtext.pipelines.import_rows`. A batch holds some
megabytes, whatever the file has.
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.config import ImportSettings
from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import Source
from webtext.crawler.text.encoding import decode_page
from webtext.pipelines.import_files import (
    ARROW_FILE,
    ARROW_STREAM,
    JSONL,
    MARKDOWN,
    PARQUET,
    TEXT,
    ImportFile,
    Unit,
    damaged,
)

NO_COLUMN = "none"
_TEXTS = ("text", "content", "raw_content", "body")
_IDS = ("id", "_id", "doc_id")
_URLS = ("url", "uri", "source_url")

BATCH_ROWS = 1_024
_BLOCK_BYTES = 4 << 20
TEXT_FILE_BYTES = 256 << 20
"""A text or Markdown file is one document: a larger one is meant to be something else."""


@dataclass(frozen=True)
class Row:
    """A row as a file has it; `problem` says in words why it is none. `number` counts from 1."""

    number: int
    text: object = None
    id: object = None
    url: object = None
    more: Mapping[str, Any] | None = None
    """All other columns, by name; title, language, karma among them."""
    problem: str = ""


@dataclass(frozen=True)
class Columns:
    """The names of the columns that hold text, id and address; "" for none."""

    text: str
    id: str
    url: str

    @classmethod
    def among(cls, names: Sequence[str], settings: ImportSettings, where: object) -> Columns:
        """Those that the settings name, or the first of the usual names that is there.

        Raises:
            WebtextError: a column that is named is not there, or there is none of texts.
        """
        found = [
            _column(names, settings.text_column, _TEXTS),
            _column(names, settings.id_column, _IDS),
            _column(names, settings.url_column, _URLS),
        ]
        flags = ("--text-column", "--id-column", "--url-column")
        listed = ", ".join(map(str, names))[:300]
        for flag, name, wanted in zip(
            flags, found, (settings.text_column, settings.id_column, settings.url_column), strict=True
        ):
            if name is None or (flag == "--text-column" and not name):
                what = f"has no column {wanted!r}" if wanted else "has no column of texts"
                raise WebtextError(f"{what}: its columns are {listed}", where=where, hint=f"name one with {flag}")
        return cls(*(str(name) for name in found))


def rows_of(unit: Unit, settings: ImportSettings) -> Iterator[list[Row]]:
    """All rows of a unit, in batches. WARC files are read elsewhere.

    Raises:
        WebtextError: the file has no such column, or one of another type.
        DamagedFile: it is cut off or corrupt.
    """
    readers: dict[str, Callable[[Unit, ImportSettings], Iterator[list[Row]]]] = {
        PARQUET: _parquet,
        ARROW_FILE: _arrow,
        ARROW_STREAM: _arrow,
        JSONL: _jsonl,
        TEXT: _text,
        MARKDOWN: _text,
    }
    return readers[unit.file.kind](unit, settings)


def check_columns(file: ImportFile, settings: ImportSettings) -> None:
    """See that a table has its columns, with the right types, before anything is read. Raises as `rows_of`."""
    if file.kind not in (PARQUET, ARROW_FILE, ARROW_STREAM):
        return
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
    _typed(schema, settings, file)


def _column(names: Sequence[str], wanted: str, usual: Sequence[str]) -> str | None:
    if wanted == NO_COLUMN:
        return ""
    if wanted:
        return wanted if wanted in names else None
    lower = {str(name).lower(): str(name) for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), "")


def _typed(schema: pa.Schema, settings: ImportSettings, file: ImportFile) -> Columns:
    columns = Columns.among(schema.names, settings, file.path)
    for flag, name in (("--text-column", columns.text), ("--id-column", columns.id), ("--url-column", columns.url)):
        if not name:
            continue
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        numbers = pa.types.is_integer(kind) and flag == "--id-column"
        if not texts and not numbers and not pa.types.is_null(kind):
            raise WebtextError(
                f"its column {name} is {kind}, not text", where=file.path, hint=f"name another column with {flag}"
            )
    return columns


def _parquet(unit: Unit, settings: ImportSettings) -> Iterator[list[Row]]:
    path, number = unit.file.path, unit.first
    try:
        with os_errors(path), pq.ParquetFile(path) as file:
            columns = _typed(file.schema_arrow, settings, unit.file)
            groups = list(range(unit.start, unit.stop))
            for batch in file.iter_batches(_rows_at_once(file, groups), groups, use_threads=False):
                yield _table_rows(batch, columns, number)
                number += batch.num_rows
    except pa.ArrowException as error:
        raise damaged(path, error) from error


def _rows_at_once(file: pq.ParquetFile, groups: Sequence[int]) -> int:
    """Fewer rows where they are long: some 16 MB at once."""
    found = [file.metadata.row_group(number) for number in groups]
    rows = sum(int(group.num_rows) for group in found)
    size = sum(int(group.total_byte_size) for group in found)
    return max(1, min(BATCH_ROWS, (16 << 20) * rows // max(size, 1)))


def _arrow(unit: Unit, settings: ImportSettings) -> Iterator[list[Row]]:
    path, number = unit.file.path, 0
    try:
        with os_errors(path), pa.memory_map(str(path)) as source:
            if unit.file.kind == ARROW_FILE:
                reader = pa.ipc.open_file(source)
                schema, batches = reader.schema, (reader.get_batch(n) for n in range(reader.num_record_batches))
            else:
                stream = pa.ipc.open_stream(source)
                schema, batches = stream.schema, iter(stream)
            columns = _typed(schema, settings, unit.file)
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(start, BATCH_ROWS)
                    yield _table_rows(part, columns, number)
                    number += part.num_rows
    except (pa.ArrowException, StopIteration) as error:
        raise damaged(path, error) from error


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


def _jsonl(unit: Unit, settings: ImportSettings) -> Iterator[list[Row]]:
    path = unit.file.path
    with os_errors(path):
        status = path.stat()
        problem = dumps.damage_of(path)
    if problem:
        raise DamagedFile(problem, where=path, hint="fetch or copy the file again")
    source = Source(path, unit.file.sha256, status.st_size, status.st_mtime_ns)
    columns: Columns | None = None
    for block in dumps.blocks(source, None, _BLOCK_BYTES):
        rows: list[Row] = []
        for number, line in enumerate(block.data.split(b"\n"), start=block.first_line + 1):
            if not line.strip():
                continue
            value = _object(line)
            if isinstance(value, str):
                rows.append(Row(number, problem=value))
                continue
            if columns is None or (columns.text not in value and not settings.text_column):
                columns = _columns_of(value, settings, path, first=columns is None) or columns
            rows.append(_object_row(number, value, columns))
        yield rows


def _columns_of(value: Mapping[str, Any], settings: ImportSettings, path: object, *, first: bool) -> Columns | None:
    """The columns of a first object; those of a later one where it has other names."""
    try:
        return Columns.among([*value], settings, path)
    except WebtextError:
        if first and not (settings.text_column or settings.id_column or settings.url_column):
            raise
        if first:  # an object may lack a column that others have
            text = settings.text_column or "text"
            return Columns(text, _named(settings.id_column), _named(settings.url_column))
        return None


def _named(column: str) -> str:
    return "" if column == NO_COLUMN else column


def _object_row(number: int, value: dict[str, Any], columns: Columns | None) -> Row:
    names = columns or Columns("text", "", "")
    if names.text not in value:
        return Row(number, problem=f"has no {names.text}; its fields are {', '.join(value)[:120]}")
    text, own, url = (value.pop(name, None) if name else None for name in (names.text, names.id, names.url))
    return Row(number, text, own, url, value)


def _object(line: bytes) -> dict[str, Any] | str:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            found = json.loads(line)  # which takes lone surrogates
        except (ValueError, RecursionError) as error:
            return f"is no JSON ({str(error)[:80]})"
    return found if isinstance(found, dict) else f"is no JSON object but {_KINDS.get(type(found), 'another value')}"


_KINDS: Mapping[type, str] = {
    list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null",
}  # fmt: skip

_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_LINE = re.compile(r"^([A-Za-z_][\w-]*):[ \t]*(.*)$")


def _text(unit: Unit, settings: ImportSettings) -> Iterator[list[Row]]:
    """A file is one document."""
    path = unit.file.path
    with os_errors(path):
        size = path.stat().st_size
        if size > TEXT_FILE_BYTES:
            raise WebtextError(
                f"has {size:,} bytes, and a text file is one document",
                where=path,
                hint='make JSON lines of its documents, one object a line: {"text": "…"}',
            )
        data = path.read_bytes()
    decoded = decode_page(data, "text/plain")
    if decoded.binary:
        yield [Row(1, problem="is binary data, no text")]
        return
    text, more = decoded.text.removeprefix("\ufeff"), {"title": path.stem}
    if unit.file.kind == MARKDOWN:
        text, front = _front_matter(text)
        heading = _HEADING.search(text)
        more = {"title": heading.group(1) if heading else path.stem} | front
    url = more.pop("url", None)
    yield [Row(1, text, None, url, more)]


def _front_matter(text: str) -> tuple[str, dict[str, str]]:
    """Markdown without the lines between --- at its head, and those of them that are `name: value`."""
    found = _FRONT.match(text)
    if found is None:
        return text, {}
    lines = [match for line in found.group(1).splitlines() if (match := _LINE.match(line))]
    return text[found.end() :].lstrip("\n"), {m.group(1): m.group(2).strip().strip("\"'") for m in lines if m.group(2)}


def plain(value: Any) -> Any:
    """A value of a column as JSON has it: times in ISO 8601, bytes in hex, NaN as null."""
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Iterable):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, decimal.Decimal | datetime.timedelta) else repr(value)
