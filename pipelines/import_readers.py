"""The rows of one unit of an import, in batches: from each kind of file to plain Python values, row by row.

Columns are found by name here; what becomes of a row is decided in `webtext.pipelines.import_rows`. A batch holds some
megabytes, whatever the file has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from webtext.corpus.settings import ImportSettings
from webtext.pipelines.import_columns import Row
from webtext.pipelines.import_files import (
    ARROW_FILE,
    ARROW_STREAM,
    JSONL,
    MARKDOWN,
    PARQUET,
    TEXT,
    ImportFile,
    Tell,
    Unit,
)
from webtext.pipelines.import_lines import json_rows
from webtext.pipelines.import_tables import arrow_rows, check_table, parquet_rows
from webtext.pipelines.import_texts import check_text, text_rows


def rows_of(unit: Unit, settings: ImportSettings, tell: Tell = lambda _: None) -> Iterator[list[Row]]:
    """All rows of a unit, in batches: the same ones each time. WARC files are read elsewhere.

    Args:
        tell: is told, before each batch, which share of the unit was read.

    Raises:
        WebtextError: the file has no such column, or one of another type.
        DamagedFile: it is cut off or corrupt.
    """
    readers: dict[str, Callable[[Unit, ImportSettings, Tell], Iterator[list[Row]]]] = {
        PARQUET: parquet_rows,
        ARROW_FILE: arrow_rows,
        ARROW_STREAM: arrow_rows,
        JSONL: json_rows,
        TEXT: text_rows,
        MARKDOWN: text_rows,
    }
    return readers[unit.file.kind](unit, settings, tell)


def check_file(file: ImportFile, settings: ImportSettings) -> None:
    """Find before anything is read what would stop the whole: columns that are missing or of another type, a text that
    is too large. Raises as `rows_of`."""
    if file.kind in (PARQUET, ARROW_FILE, ARROW_STREAM):
        check_table(file, settings)
    elif file.kind in (TEXT, MARKDOWN):
        check_text(file)
