"""Characters that belong into training text: NFC, nothing invisible, no blanks at the ends of lines."""

from __future__ import annotations

import re
from unicodedata import normalize

_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")

# Control, format and zero-width characters, soft hyphens, bidirectional marks, private use (icon fonts), surrogates,
# non-characters and tag characters (Unicode 16.0, categories Cc, Cf, Co, Cs, Cn). The two joiners follow below.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ud800-\uf8ff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
# U+200C and U+200D are letters' business in Persian, the scripts of India, and emoji; beside anything else they are
# invisible noise. All those stand at U+0590 or above.
_STRAY_JOINER = re.compile(
    "(?<![\u0590-\u1fff\u2070-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0590-\u1fff\u2070-\U0010ffff])"
)

_LINE_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


def clean_text(text: str) -> str:
    """The text as it is kept.

    Line breaks are newlines, at most one line is blank between two others, no line ends in a blank, spaces of any width
    are spaces (tabs stay). Idempotent.
    """
    text = _SPACES.sub(" ", _BREAKS.sub("\n", text))
    if not text.isascii() or not text.isprintable():
        text = _STRAY_JOINER.sub("", _UNWANTED.sub("", text))
        text = normalize("NFC", text)
    return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", text)).strip("\n")


def one_line(text: str, limit: int) -> str:
    """The text cleaned, in one line, cut to `limit` characters."""
    return " ".join(clean_text(text).split())[:limit].rstrip()
