"""What trafilatura extracted (a tree of paragraphs, lists and tables) to plain text.

trafilatura's own text writer undoes entities a second time (a page that shows `&gt;` would lose it) and marks tables as
Markdown does (`|---|`, `\\|`). Here a paragraph is a line, a list item a line behind `- `, a table's row a line whose
cells stand apart as ` | `.
"""

from __future__ import annotations

import re

from lxml.etree import _Element
from trafilatura.xml import process_element

# Stands for a bar of the page's own while the writer's bars are taken away; no page may contain it (a noncharacter).
_BAR = "\ufdd0"
_HEAD_LINE = re.compile(r"\|(?:---\|)+")


def flatten(body: _Element) -> str:
    """The text of an extracted body, one block a line, no blank lines. The tree is changed."""
    tables = next(body.iter("cell"), None) is not None
    if tables:
        _hide_bars(body)
    pieces: list[str] = []
    process_element(body, pieces, False)
    lines = [line for line in "".join(pieces).splitlines() if line and not line.isspace()]
    if tables:
        lines = [_row(line) for line in lines if not _HEAD_LINE.fullmatch(line)]
    return "\n".join(line for line in lines if line)


def _hide_bars(body: _Element) -> None:
    for element in body.iter("*"):
        if element.text and "|" in element.text:
            element.text = element.text.replace("|", _BAR)
        if element.tail and "|" in element.tail:
            element.tail = element.tail.replace("|", _BAR)


def _row(line: str) -> str:
    """A table's row without the bars at its ends and without its empty cells; any other line as it is."""
    if line.startswith("| ") and line.rstrip().endswith("|"):
        line = " | ".join(cell for cell in map(str.strip, line.split("|")) if cell)
    return line.replace(_BAR, "|")
