"""The columns of a table of own text: which of them holds text, id and address, and whether their types fit."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from webtext.corpus.errors import WebtextError
from webtext.corpus.settings import ImportSettings
from webtext.pipelines.import_files import ImportFile

NO_COLUMN = "none"
_TEXTS = ("text", "content", "raw_content", "body")
_IDS = ("id", "_id", "doc_id")
_URLS = ("url", "uri", "source_url")


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
                near = difflib.get_close_matches(wanted, list(map(str, names)), n=1) if wanted else []
                hint = f"did you mean {flag} {near[0]}?" if near else f"name one with {flag}"
                raise WebtextError(f"{what}: its columns are {listed}", where=where, hint=hint)
        return cls(*(str(name) for name in found))

    @classmethod
    def named(cls, settings: ImportSettings) -> Columns:
        """Those that the settings name, whether they are there or not."""
        text = settings.text_column or _TEXTS[0]
        return cls(text, *("" if name == NO_COLUMN else name for name in (settings.id_column, settings.url_column)))


def typed(schema: pa.Schema, settings: ImportSettings, file: ImportFile) -> Columns:
    """The columns of a table, seen to be of types that hold texts, ids and addresses.

    Raises:
        WebtextError: it has no such column, or one of another type.
    """
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


def _column(names: Sequence[str], wanted: str, usual: Sequence[str]) -> str | None:
    if wanted == NO_COLUMN:
        return ""
    if wanted:
        return wanted if wanted in names else None
    lower = {str(name).lower(): str(name) for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), "")
