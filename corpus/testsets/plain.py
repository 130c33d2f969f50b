"""Any other set: text, JSON, JSON lines, CSV, TSV, Parquet.

Text: paragraphs between blank lines are examples; where no line is blank, each line is one. Of the others a row is an
example. Its texts are its field `text` where it has one, otherwise all strings in it, each on its own.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors
from webtext.corpus.testsets.choices import json_object
from webtext.corpus.testsets.example import Example
from webtext.corpus.testsets.lines import lines, whole

IDS = ("id", "example_id", "ind", "idx", "key")
"""Fields that are taken as an example's id, the first that there is; otherwise the line's number."""


def paragraphs(path: Path) -> Iterator[Example]:
    """A text file. Fields: text. The id is the number of the example's first line."""
    apart = any(not line.strip() for _, line in _inner(path))
    held: list[str] = []
    first = 0
    for number, line in lines(path):
        if line.strip():
            first = first if held else number
            held.append(line)
        if held and (not apart or not line.strip()):
            yield _text(first, held)
            held = []
    if held:
        yield _text(first, held)


def json_lines(path: Path) -> Iterator[Example]:
    """JSON lines: objects, or strings."""
    for number, line in lines(path):
        if line.strip():
            bare = line.lstrip().startswith('"')
            found = {"text": _string(line, path, number)} if bare else json_object(line, path, number)
            yield row_example(number, found)


def json_file(path: Path) -> Iterator[Example]:
    """One JSON value: a list of objects or strings, or an object with such a list (`data`, `examples`, the first)."""
    text = whole(path)
    try:
        found = json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            yield from json_lines(path)  # JSON lines with the ending .json are common
            return
        raise DamagedFile(f"is no JSON ({error})", where=path) from error
    if isinstance(found, dict):
        lists = [found.get("data"), found.get("examples"), *found.values()]
        found = next((value for value in lists if isinstance(value, list)), [found])
    if not isinstance(found, list):
        raise DamagedFile("is no list of examples", where=path)
    for number, row in enumerate(found, start=1):
        yield row_example(number, row if isinstance(row, dict) else {"text": row})


def table_rows(path: Path, delimiter: str) -> Iterator[Example]:
    """CSV or TSV with a header."""
    try:
        rows = csv.DictReader((line for _, line in lines(path)), delimiter=delimiter, strict=True)
        for row in rows:
            yield row_example(rows.line_num, {str(name): value for name, value in row.items()})
    except csv.Error as error:
        raise DamagedFile(f"is no table ({error})", where=path) from error


def parquet_rows(path: Path) -> Iterator[Example]:
    """A Parquet file, batch by batch."""
    try:
        with os_errors(path), pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1_024):
                for row in batch.to_pylist():
                    number += 1
                    yield row_example(number, row)
    except pa.ArrowInvalid as error:
        raise DamagedFile(f"is no readable Parquet file ({error})", where=path) from error


def row_example(number: int, row: Mapping[str, Any]) -> Example:
    """A row's example, its texts by the rule above."""
    name = next((row[field] for field in IDS if isinstance(row.get(field), (str, int))), number)
    text = row.get("text")
    return Example(str(name), row, (text,) if isinstance(text, str) else tuple(strings(row.values())))


def strings(values: Iterable[Any]) -> Iterator[str]:
    """All strings in a JSON value, in their order."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from strings(value.values())
        elif isinstance(value, list):
            yield from strings(value)


def _text(first: int, held: list[str]) -> Example:
    text = "".join(held)
    return Example(str(first), {"text": text}, (text,))


def _inner(path: Path) -> Iterator[tuple[int, str]]:
    """The lines but for blank ones at the end."""
    blank: list[tuple[int, str]] = []
    for entry in lines(path):
        if entry[1].strip():
            yield from blank
            blank = []
            yield entry
        else:
            blank.append(entry)


def _string(line: str, path: Path, number: int) -> str:
    try:
        return str(json.loads(line))
    except ValueError as error:
        raise DamagedFile(f"is no JSON ({error})", where=f"{path}, line {number}") from error
