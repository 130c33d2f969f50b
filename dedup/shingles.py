"""Words and word n-gram shingles of texts, as 64-bit hashes; a vectorised kernel and the obvious reference beside it.

A word is a maximal run of `\\w` (Unicode letters, digits and the underscore, as Python's `re` has it), each character
in lower case where that is one character. A shingle is `size` words in a row; a text with fewer words has none.
Not for deciding what is similar: that is `verify`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18
"""Characters handled at once: the arrays of a block (8 bytes a character) stay near the processor's cache."""

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the increment of splitmix64 (Steele et al. 2014)
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # the finaliser of splitmix64 ("variant 13", Stafford)
LETTER_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
WORD_BASE = 0xD6E8FEB86659FD93  # odd

_CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Shingles:
    """The shingles of several documents, in the order of the text, repeats included.

    `hashes` is uint64 of shape (shingles,); those of document d are `hashes[offsets[d] : offsets[d + 1]]`, with
    `offsets` int64 of shape (documents + 1,).
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]


def shingles(texts: Sequence[str], size: int) -> Shingles:
    """The shingle hashes of `texts`, bit for bit those of `shingles_reference`.

    Takes about 50 bytes a character while it runs: give it blocks of texts (`blocks`), not a whole file.
    """
    words, ends = _words(texts)
    word_offsets = np.concatenate(([0], ends))
    counts = np.maximum(np.diff(word_offsets) - (size - 1), 0)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    total = len(words) - size + 1
    if offsets[-1] == 0:
        return Shingles(np.empty(0, np.uint64), offsets)
    rolling = words[size - 1 :].copy()
    base = np.uint64(WORD_BASE)
    for back in range(size - 2, -1, -1):
        rolling *= base
        rolling += words[back : back + total]
    # A shingle that begins in a document's last size - 1 words would reach into the next document.
    inside = np.ones(len(words), bool)
    for back in range(1, size):
        late = word_offsets[1:] - back
        inside[late[late >= word_offsets[:-1]]] = False
    return Shingles(_mix(rolling[inside[:total]]), offsets)


def blocks(texts: Sequence[str], characters: int = BLOCK) -> Iterator[slice]:
    """Cut `texts` into ranges of at most `characters` in all, or of one longer text."""
    start = filled = 0
    for number, text in enumerate(texts):
        if filled and filled + len(text) > characters:
            yield slice(start, number)
            start, filled = number, 0
        filled += len(text) + 1
    if start < len(texts):
        yield slice(start, len(texts))


def shingle_sets(texts: Sequence[str], size: int) -> Shingles:
    """The shingles of `texts` as sets: those of a document sorted, each once. Takes any number of texts."""
    sets: list[NDArray[np.uint64]] = []
    for part in blocks(texts):
        found = shingles(texts[part], size)
        sets += [np.unique(own) for own in np.split(found.hashes, found.offsets[1:-1])]
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return Shingles(np.concatenate([np.empty(0, np.uint64), *sets]), offsets)


def words_reference(text: str) -> list[str]:
    """The words of a text, folded."""
    return ["".join(_fold(character) for character in word) for word in re.findall(r"\w+", text)]


def shingles_reference(text: str, size: int) -> list[int]:
    """The shingle hashes of one text: slow and obvious."""
    words = [_word_hash(word) for word in words_reference(text)]
    starts = range(len(words) - size + 1)
    return [_mix_int(sum(words[i + j] * WORD_BASE**j for j in range(size))) for i in starts]


def _fold(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character  # only U+0130 becomes two characters


def _word_hash(word: str) -> int:
    return _mix_int(sum(_mix_int(ord(letter) + GOLDEN) * LETTER_BASE**i for i, letter in enumerate(word)))


def _mix_int(value: int) -> int:
    value &= MASK
    value = (value ^ (value >> 30)) * MIX_1 & MASK
    value = (value ^ (value >> 27)) * MIX_2 & MASK
    return value ^ (value >> 31)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser, a bijection, in place."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(MIX_1)
    values ^= values >> np.uint64(27)
    values *= np.uint64(MIX_2)
    values ^= values >> np.uint64(31)
    return values


def _words(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of all words, and for each text the number of words up to its end."""
    joined = "\n" + "\n".join(texts) + "\n"  # so that every word has a character before it and one after it
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    letters = np.take(_letters(), codes, mode="clip")
    is_letter = letters != 0
    edges = np.flatnonzero(is_letter[1:] != is_letter[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    # A word's polynomial is a difference of prefix sums, divided by the power its first letter has. All modulo 2^64.
    powers, inverses = _powers(len(letters)) if len(letters) > BLOCK else _block_powers()
    letters *= powers[: len(letters)]
    sums = np.cumsum(letters)
    hashes = sums[ends - 1]
    hashes -= sums[starts - 1]
    hashes *= inverses[starts]
    text_ends = np.cumsum(np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts)))
    return _mix(hashes), np.searchsorted(starts, text_ends).astype(np.int64)


def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    return _power_row(LETTER_BASE, count), _power_row(pow(LETTER_BASE, -1, 1 << 64), count)


def _power_row(base: int, count: int) -> NDArray[np.uint64]:
    row = np.full(count, base, np.uint64)
    row[:1] = 1
    return np.cumprod(row)


# The two tables below are constants that take time to make (0.4 s and 2 ms), not state: made once a process, read-only.


@functools.cache
def _block_powers() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    powers, inverses = _powers(BLOCK + 64)
    powers.flags.writeable = inverses.flags.writeable = False
    return powers, inverses


@functools.cache
def _letters() -> NDArray[np.uint64]:
    """For each code point the hash of its folded form, 0 where it is no part of a word. Shape (0x110000,)."""
    folded = np.arange(_CODE_POINTS, dtype=np.uint64)
    is_word = np.zeros(_CODE_POINTS, bool)
    for code in range(_CODE_POINTS):
        character = chr(code)
        if character.isalnum() or character == "_":  # this is what \w means in `re`
            is_word[code] = True
            folded[code] = ord(_fold(character))
    folded += np.uint64(GOLDEN)
    table = np.where(is_word, _mix(folded), np.uint64(0))
    table.flags.writeable = False
    return table
