"""Words and word n-gram shingles of texts, as 64-bit hashes; a vectorised kernel and the obvious reference beside it.

A word is a maximal run of `\\w` (Unicode letters, digits and the underscore, as Python's `re` has it), folded
(`utf8.fold_character`). Its hash is made of its UTF-8 bytes, eight at a time. A shingle is `size` words in a row; a
text with fewer words has none. Not for deciding what is similar: that is `verify`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from webtext.dedup.utf8 import Folded, Texts, fold, fold_character

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the increment of splitmix64 (Steele et al. 2014)
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # the finaliser of splitmix64 ("variant 13", Stafford)
WORD_BASE = 0xD6E8FEB86659FD93  # odd, so that no bit is lost

# The first n bytes of a little-endian 64-bit load.
_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


@dataclass(frozen=True)
class Shingles:
    """The shingles of several documents, in the order of the text, repeats included.

    `hashes` is uint64 of shape (shingles,); those of document d are `hashes[offsets[d] : offsets[d + 1]]`, with
    `offsets` int64 of shape (documents + 1,).
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """The words of several documents, in the order of the text.

    `hashes` is uint64, `starts` and `ends` int64 positions in `Folded.data`, all of shape (words,); those of document d
    are numbers `offsets[d]` to `offsets[d + 1]`, with `offsets` int64 of shape (documents + 1,).
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def shingles(texts: Texts, size: int) -> Shingles:
    """The shingle hashes of `texts`, bit for bit those of `shingles_reference`.

    Takes about 10 bytes a byte of text while it runs: give it blocks (`Texts.blocks`), not a whole file.
    """
    return word_grams(words_of(fold(texts)), size)


def word_grams(words: Words, size: int) -> Shingles:
    """The hashes of `size` words in a row; number i of a document begins with its word number i."""
    counts = np.maximum(np.diff(words.offsets) - (size - 1), 0)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    total = len(words.hashes) - size + 1
    if offsets[-1] == 0:
        return Shingles(np.empty(0, np.uint64), offsets)
    rolling = words.hashes[size - 1 :].copy()
    base = np.uint64(WORD_BASE)
    for back in range(size - 2, -1, -1):
        rolling *= base
        rolling += words.hashes[back : back + total]
    # A shingle that begins in a document's last size - 1 words would reach into the next document.
    inside = np.ones(len(words.hashes), bool)
    for back in range(1, size):
        late = words.offsets[1:] - back
        inside[late[late >= words.offsets[:-1]]] = False
    return Shingles(_mix(rolling[inside[:total]]), offsets)


def shingle_sets(texts: Texts, size: int) -> Shingles:
    """The shingles of `texts` as sets: those of a document sorted, each once. Takes any number of texts."""
    sets, sizes = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    for part in texts.blocks():
        found = shingles(texts[part], size)
        hashes = found.hashes
        for start, stop in pairwise(found.offsets.tolist()):
            hashes[start:stop].sort()
        first = np.ones(len(hashes) + 1, bool)
        first[1:-1] = hashes[1:] != hashes[:-1]
        first[found.offsets] = True  # what a document begins with, another may have ended with
        before = np.cumsum(first) - first  # sets' members before each shingle
        sets.append(hashes[first[:-1]])
        sizes.append(np.diff(before[found.offsets]))
    return Shingles(np.concatenate(sets), np.cumsum(np.concatenate(sizes)))


def words_reference(text: str) -> list[str]:
    """The words of a text, folded."""
    return ["".join(map(fold_character, word)) for word in re.findall(r"\w+", text)]


def shingles_reference(text: str, size: int) -> list[int]:
    """The shingle hashes of one text: slow and obvious."""
    words = [_word_hash(word.encode()) for word in words_reference(text)]
    starts = range(len(words) - size + 1)
    return [_mix_int(sum(words[i + j] * WORD_BASE**j for j in range(size))) for i in starts]


def _word_hash(word: bytes) -> int:
    first, *further = (int.from_bytes(word[at : at + 8], "little") for at in range(0, len(word), 8))
    value = first + GOLDEN & MASK
    for piece in further:
        value = ((value ^ value >> 32) * WORD_BASE & MASK) ^ piece
    return _mix_int(value)


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


def words_of(folded: Folded) -> Words:
    """The words of folded texts."""
    edges = np.flatnonzero(folded.is_word[1:] != folded.is_word[:-1]) + 1  # a text stands between NUL bytes
    starts, lengths = edges[0::2], edges[1::2] - edges[0::2]
    # Eight bytes from every position on: overlapping views of the same memory, of which the words' are picked.
    loads = np.ndarray((max(len(folded.data) - 7, 0),), "<u8", folded.data.data, 0, (1,))
    hashes = loads[starts]
    hashes &= _BYTES[np.minimum(lengths, 8)]
    hashes += np.uint64(GOLDEN)
    long = np.flatnonzero(lengths > 8)
    at, left = starts[long], lengths[long]
    while len(long):
        at, left = at + 8, left - 8
        value = hashes[long]
        value ^= value >> np.uint64(32)
        value *= np.uint64(WORD_BASE)
        value ^= loads[at] & _BYTES[np.minimum(left, 8)]
        hashes[long] = value
        more = left > 8
        long, at, left = long[more], at[more], left[more]
    offsets = np.concatenate((np.searchsorted(starts, folded.starts), [len(starts)]))
    return Words(_mix(hashes), offsets.astype(np.int64), starts, edges[1::2])
