"""Texts as Arrow holds them, UTF-8 bytes one after the other, and the folding of many at once.

No Python string is made: a block of texts is a few arrays of bytes, on which numpy works at the speed of memory.
Not for what a word's hash is: that is `shingles`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BLOCK = 1 << 18
"""Bytes of text handled at once. The 32-bit hashes of their shingles (180 kB) stay in the processor's cache while 128
permutations pass over them; in smaller blocks the calls themselves cost more (microseconds a document of 4 kB, all of
the kernel, at 16, 64, 128 and 256 kB: 160, 58, 43, 40)."""

PAD = 8
"""Bytes after the last text, so that eight bytes can be loaded from anywhere."""

_CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Texts:
    """Text t is `data[offsets[t] : offsets[t + 1]]`: uint8, and int64 of shape (texts + 1,)."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, texts: pa.Array | pa.ChunkedArray | Iterable[str]) -> Texts:
        """Texts of an Arrow array (copied only where it has another type or several chunks) or of strings."""
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks() if texts.num_chunks != 1 else texts.chunk(0)
        array = texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.large_string())
        if array.type != pa.large_string():
            array = array.cast(pa.large_string())
        _, offsets, data = array.buffers()
        if not len(array):
            return cls(np.empty(0, np.uint8), np.zeros(1, np.int64))
        found = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
        return cls(np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8), found)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, part: slice) -> Texts:
        return Texts(self.data, self.offsets[part.start : part.stop + 1])

    def blocks(self, size: int = BLOCK) -> Iterator[slice]:
        """Ranges of texts of at most `size` bytes in all, or of one longer text."""
        start = 0
        while start < len(self):
            stop = int(np.searchsorted(self.offsets, self.offsets[start] + size, "right")) - 1
            stop = min(max(stop, start + 1), len(self))
            yield slice(start, stop)
            start = stop


@dataclass(frozen=True)
class Folded:
    """Texts in lower case, each after one NUL byte, and `PAD` more at the end.

    `data` is uint8 and `is_word` bool, both of shape (bytes,); text t begins at `starts[t]`.
    """

    data: NDArray[np.uint8]
    is_word: NDArray[np.bool_]
    starts: NDArray[np.int64]


def fold(texts: Texts) -> Folded:
    """Fold `texts`, and tell which bytes belong to a word (`fold_character`, `\\w`)."""
    view, cuts = texts.data.data, texts.offsets.tolist()
    pieces = [view[start:stop] for start, stop in pairwise(cuts)]
    joined = np.frombuffer(b"\0".join([b"", *pieces, bytes(PAD)]), np.uint8)
    starts = texts.offsets[:-1] - texts.offsets[0] + np.arange(1, len(texts) + 1)
    upper = (joined - np.uint8(65)) < 26
    data = joined | (upper.view(np.uint8) << np.uint8(5))
    is_word = (data - np.uint8(97)) < 26
    is_word |= (data - np.uint8(48)) < 10
    is_word |= data == 95
    if len(data) and data.max() >= 0x80:
        _fold_beyond_ascii(data, is_word)
    return Folded(data, is_word, starts)


def fold_character(character: str) -> str:
    """A character in lower case, where that is one character of as many UTF-8 bytes; else as it is (`İ`, `ẞ`)."""
    lower = character.lower()
    return lower if len(lower) == 1 and len(lower.encode()) == len(character.encode()) else character


def _fold_beyond_ascii(data: NDArray[np.uint8], is_word: NDArray[np.bool_]) -> None:
    """Do the same for characters of two to four bytes, in place; costs by their number."""
    folded = _folded_code_points()
    lead = np.flatnonzero(data >= 0xC0)
    for length, low, high in ((2, 0xC0, 0xE0), (3, 0xE0, 0xF0), (4, 0xF0, 0x100)):
        at = lead[(data[lead] >= low) & (data[lead] < high)]
        if not len(at):
            continue
        code = data[at].astype(np.uint32) & np.uint32(0x7F >> length)
        for further in range(1, length):
            code = (code << np.uint32(6)) | (data[at + further] & np.uint8(0x3F))
        found = folded[code]
        word = found != 0
        for further in range(length):
            is_word[at + further] = word
        moved = word & (found != code)
        at, found = at[moved], found[moved]
        for further in range(length - 1, 0, -1):
            data[at + further] = (found & np.uint32(0x3F)) | np.uint32(0x80)
            found = found >> np.uint32(6)
        data[at] = found | np.uint32(0xFF00 >> length & 0xFF)


@functools.cache
def _folded_code_points() -> NDArray[np.uint32]:
    """For each code point its folded form, 0 where it is no part of a word; shape (0x110000,).

    A constant that takes 50 ms to make, not state: made once a process, read-only.
    """
    codes = np.arange(_CODE_POINTS, dtype=np.uint32)
    is_word = np.strings.isalnum(codes.view("<U1"))  # \w in `re` is this and the underscore
    is_word[ord("_")] = True
    words = np.flatnonzero(is_word)
    table = np.where(is_word, codes, np.uint32(0))
    # A line each: the lower case of some letters depends on their neighbours within one.
    lower = "\n".join(map(chr, words.tolist())).lower().split("\n")
    for code, form in zip(words.tolist(), lower, strict=True):
        if len(form) != 1 or ord(form) != code:
            table[code] = ord(fold_character(chr(code)))
    table.flags.writeable = False
    return table
