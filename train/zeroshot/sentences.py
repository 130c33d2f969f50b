"""Where a sentence ends: for the first sentences of what a model writes, and for Lede-3 and Random-3.

The paper does not say how it split sentences; this is version 1 of ours: a full stop, exclamation or question mark,
with closing quotes and brackets, before white space; not after a known abbreviation or an initial; and every line end.
"""

from __future__ import annotations

import re

VERSION = 1
_SHORT = (
    "adm capt col corp dr esq gen gov hon inc jr lt ltd maj messrs mr mrs ms mt no prof rep rev sen sens sgt sr st vs "
    "jan feb mar apr aug sept oct nov dec e.g i.e etc u.s u.k u.n a.m p.m m mme mlle"
)
_ABBREVIATIONS = frozenset(_SHORT.split())
_END = re.compile(r"""[.!?…]+["'”\u2019»)\]]*(?=\s|$)|\n""")


def sentences(text: str) -> list[str]:
    """The sentences, each without white space around it."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if end[0] == "." and _goes_on(text[start : end.start()]):
            continue
        found.append(text[start : end.end()])
        start = end.end()
    found.append(text[start:])
    return [" ".join(sentence.split()) for sentence in found if sentence.strip()]


def _goes_on(before: str) -> bool:
    """Whether a full stop after this belongs to an abbreviation or an initial."""
    words = before.split()
    word = words[-1].lstrip("\"'“\u2018(") if words else ""
    return (len(word) == 1 and word.isupper() and word != "I") or word.lower() in _ABBREVIATIONS
