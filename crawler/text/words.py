"""Words of a text, in any script."""

from __future__ import annotations

import re

# Scripts written without spaces count a word a character, as in the default rules of UAX #29 for ideographs:
# Thai, Lao, Burmese, Khmer, Hiragana, Katakana, Han.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]+")
_ANY_SPACELESS = re.compile(f"[{_SPACELESS}]")


def split_words(text: str) -> list[str]:
    """Words between blanks; a character is a word in scripts that are written without them."""
    return text.split() if text.isascii() or not _ANY_SPACELESS.search(text) else _WORD.findall(text)


def count_words(text: str) -> int:
    """How many words `split_words` gives."""
    return len(split_words(text))
