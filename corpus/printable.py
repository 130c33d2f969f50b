"""Text from elsewhere (host names, titles, reasons) made harmless for a terminal. Not for what is stored."""

from __future__ import annotations

import re

# C0 and C1 controls but for tab and line feed (ESC begins what moves cursors, sets titles and answers as if typed),
# DEL, marks that turn the direction of writing, line separators, and halves of surrogate pairs.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    """`text` with every control character as its escape (`\\x1b`); lines and tabs stay."""
    return _HARMFUL.sub(lambda match: _escape(ord(match[0])), text)


def printable_line(text: str) -> str:
    """The same for text that must stay on one line."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
