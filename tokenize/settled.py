"""Characters on whose class all splits agree, and the finding of those on which they may not.

GPT-2's split asks whether a character is a letter, a number or a space. Unicode gives new characters a class each year,
and libraries follow at different speeds: gigatoken 0.10 and tiktoken 0.14 class 4,657 code points differently (measured
with a vocabulary that shows it), all of them assigned after Unicode 14. So texts that hold such a character are left to
the one engine that decides (`encoding`), and in training such a character counts as U+FFFD.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_FIRST_LEAD = 0xCD
"""The first byte of U+0378, the first code point that no version of Unicode has assigned."""


@cache
def unsettled() -> npt.NDArray[np.bool_]:
    """By code point: whether this Python's Unicode (3.11: version 14) has not assigned it."""
    codes = (unicodedata.category(chr(code)) == "Cn" for code in range(sys.maxunicode + 1))
    return np.fromiter(codes, np.bool_, sys.maxunicode + 1)


def text_of(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The UTF-8 of all texts together, and int64 [n + 1] where each begins and ends in it: views.

    Args:
        texts: large_string [n] without nulls.
    """
    _, offsets, data = texts.buffers()
    edges = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), edges


def unsettled_rows(texts: pa.Array) -> npt.NDArray[np.intp]:
    """The numbers of the texts that hold an unsettled character, ascending.

    Args:
        texts: large_string [n], valid UTF-8.
    """
    data, edges = text_of(texts)
    first, last = (int(edges[0]), int(edges[-1])) if len(texts) else (0, 0)
    leads = np.flatnonzero(data[first:last] >= _FIRST_LEAD) + first
    if not len(leads):
        return np.zeros(0, np.intp)
    found = leads[unsettled()[_code_points(data, leads)]]
    return np.unique(np.searchsorted(edges, found, side="right") - 1)


def settle(text: str) -> str:
    """`text` with U+FFFD in the place of each unsettled character."""
    marks = unsettled()
    return "".join("\ufffd" if marks[ord(character)] else character for character in text)


def _code_points(data: npt.NDArray[np.uint8], leads: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """The characters whose UTF-8 begins at `leads`, each of two to four bytes (RFC 3629, section 3)."""
    lead = data[leads].astype(np.int32)
    size = 2 + (lead >= 0xE0).astype(np.int32) + (lead >= 0xF0)
    code = lead & (0xFF >> (size + 1))
    for place in (1, 2, 3):
        more = size > place
        code[more] = code[more] << 6 | data[leads[more] + place] & 0x3F
    return code
