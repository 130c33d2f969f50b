"""Text and Markdown files: each is one document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.settings import ImportSettings
from webtext.crawler.text.encoding import decode_page
from webtext.pipelines.import_columns import Row
from webtext.pipelines.import_files import DOCUMENT_BYTES, MARKDOWN, ImportFile, Tell, Unit

_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_LINE = re.compile(r"^([A-Za-z_][\w-]*):[ \t]*(.*)$")


def check_text(file: ImportFile) -> None:
    """Refuse a file that is too large to be one document."""
    with os_errors(file.path):
        size = file.path.stat().st_size
    if size > DOCUMENT_BYTES:
        raise WebtextError(
            f"has {size:,} bytes, and a text file is one document of at most {DOCUMENT_BYTES:,}",
            where=file.path,
            hint='make JSON lines of its documents, one object a line: {"text": "…"}',
        )


def text_rows(unit: Unit, settings: ImportSettings, tell: Tell) -> Iterator[list[Row]]:
    """The one row of a file. Raises as `rows_of`."""
    path = unit.file.path
    check_text(unit.file)
    with os_errors(path):
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
