"""The rows of JSON lines, plain or compressed: one object a line, none of which is held that is larger than a document
may be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.settings import ImportSettings
from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import Piece, Source
from webtext.crawler.reddit.readers import Reader, opened
from webtext.pipelines.import_columns import Columns, Row
from webtext.pipelines.import_files import DOCUMENT_BYTES, Tell, Unit

_BATCH_ROWS = 1_024
_BATCH_BYTES = 4 << 20
_READ = 1 << 20
_BOM = b"\xef\xbb\xbf"

LINE_BYTES = 2 * DOCUMENT_BYTES
"""JSON escapes take room, and other columns stand beside the text."""


def json_rows(unit: Unit, settings: ImportSettings, tell: Tell) -> Iterator[list[Row]]:
    """All rows of a file. Raises as `rows_of`."""
    path = unit.file.path
    with os_errors(path):
        status = path.stat()
        problem = dumps.damage_of(path)
    if problem:
        raise DamagedFile(problem, where=path, hint="fetch or copy the file again")
    source = Source(path, unit.file.sha256, status.st_size, status.st_mtime_ns)
    columns: Columns | None = None
    rows: list[Row] = []
    size = 0
    with opened(source, Piece(0, 0, source.size)) as reader:
        for number, line, length in _lines(reader):
            if not length:
                continue
            if line is None:
                told = f"has {length:,} bytes; a line of at most {LINE_BYTES:,} is read, and a document a line"
                rows.append(Row(number, problem=told))
            elif isinstance(value := _object(line), str):
                rows.append(Row(number, problem=value))
            else:
                if columns is None or (columns.text not in value and not settings.text_column):
                    columns = _columns_of(value, settings, path, first=columns is None) or columns
                rows.append(_object_row(number, value, columns))
            size += min(length, LINE_BYTES)
            if len(rows) >= _BATCH_ROWS or size >= _BATCH_BYTES:
                tell(reader.place / source.size)
                yield rows
                rows, size = [], 0
    yield rows


def _lines(reader: Reader) -> Iterator[tuple[int, bytes | None, int]]:
    """Each line with its number (from 1) and its length without blanks around; None for one that is too long."""
    number, length = 1, 0
    held: list[bytes] = []

    def line() -> tuple[int, bytes | None, int]:
        if length > LINE_BYTES:
            return number, None, length
        whole = b"".join(held)
        whole = (whole.removeprefix(_BOM) if number == 1 else whole).strip()
        return number, whole, len(whole)

    while data := reader.read(_READ):
        first, *more = data.split(b"\n")
        length += len(first)
        held = [] if length > LINE_BYTES else [*held, first]
        for part in more:
            yield line()
            number, length, held = number + 1, len(part), [part]
    yield line()


def _columns_of(value: Mapping[str, Any], settings: ImportSettings, path: object, *, first: bool) -> Columns | None:
    """The columns of a first object; those of a later one where it has other names."""
    try:
        return Columns.among([*value], settings, path)
    except WebtextError:
        if first and not (settings.text_column or settings.id_column or settings.url_column):
            raise
        # An object may lack a column that others have.
        return Columns.named(settings) if first else None


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
