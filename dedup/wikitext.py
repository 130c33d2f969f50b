"""Wikitext to the text that a reader of the page sees, well enough to compare n-grams with it.

What templates and tables would show is not known from the page alone: they go, and with them the few n-grams around
them. Not a parser: no page is refused, and what is left of odd markup is odd text. On real pages it takes a tenth of
the time of mwparserfromhell (benchmarks).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html import unescape

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HIDDEN = re.compile(
    r"<(ref|gallery|timeline|math|chem|ce|score|imagemap|hiero|graph|mapframe|templatestyles|indicator)\b"
    r"(?:[^<>]*/>|[^<>]*>.*?</\1\s*>)",
    re.DOTALL | re.IGNORECASE,
)
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}|\{\{\{[^{}]*\}\}\}")
_TABLE = re.compile(r"^[ \t:]*\{\|", re.MULTILINE)
_LINK = re.compile(r"\[\[([^\[\]]*)\]\]")
_EXTERNAL = re.compile(r"\[(?:https?:|ftp:|mailto:)?//?[^\s\[\]]*[ \t]*([^\[\]]*)\]")
_BREAK = re.compile(r"<br\s*/?>|</?(?:p|div|li|tr|td|th|blockquote|poem)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HEADING = re.compile(r"^(={1,6})\s*(.+?)\s*\1[ \t]*$", re.MULTILINE)
_MARKER = re.compile(r"^[*#:;]+[ \t]*", re.MULTILINE)
_QUOTES = re.compile(r"''+")
_SWITCH = re.compile(r"__[A-Z]{3,}__")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*|simple")

DEEPEST = 30  # levels of templates or links in one another

HIDDEN_SPACES = frozenset({"file", "image", "media", "category"})
"""Namespaces whose links show no text of their own; in every language these English names hold, too."""


def plain_text(wikitext: str, hidden: Collection[str] = HIDDEN_SPACES) -> str:
    """The text of a page.

    Args:
        hidden: names (lower case) of the namespaces of files and categories in the wiki's language.
    """
    text = _HIDDEN.sub(" ", _COMMENT.sub("", wikitext))
    text = _without_tables(_innermost(_TEMPLATE, "", text))

    def label(found: re.Match[str]) -> str:
        target, bar, shown = found[1].partition("|")
        space, colon, _ = target.strip().partition(":")
        if colon and (space.strip().lower() in hidden or (not bar and _LANGUAGE.fullmatch(space))):
            return ""
        return shown if bar else target.lstrip(":")

    text = _innermost(_LINK, label, text)
    text = _EXTERNAL.sub(r"\1", text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _QUOTES.sub("", _HEADING.sub(r"\2", text))
    return unescape(_SWITCH.sub("", _MARKER.sub("", text))).strip()


def _innermost(pattern: re.Pattern[str], by: object, text: str) -> str:
    """Replace the innermost first, then what has become innermost."""
    for _ in range(DEEPEST):
        text, count = pattern.subn(by, text)  # type: ignore[call-overload]
        if not count:
            break
    return text


def _without_tables(text: str) -> str:
    if _TABLE.search(text) is None:
        return text
    kept: list[str] = []
    depth = 0
    for line in text.splitlines():
        bare = line.lstrip(" \t:")
        depth += bare.startswith("{|")
        if not depth:
            kept.append(line)
        depth -= depth > 0 and bare.startswith("|}")
    return "\n".join(kept)
