"""N-grams of lower-cased alphanumeric words, as the GPT-2 paper (section 4) compares test sets with WebText.

A word is a run of letters and digits, in lower case; whatever stands between two words counts as one space. So unlike
`shingles`, the underscore ends a word. The hashes are made as those of shingles are: 64 bits of the words in a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from webtext.dedup.shingles import Shingles, Words, word_grams, words_of
from webtext.dedup.utf8 import Texts, fold, fold_character

_UNDERSCORE = 95


@dataclass(frozen=True)
class Grams:
    """The n-grams of several texts with the words they are made of; `starts` is where each text begins in the bytes
    that word positions count.
    """

    size: int
    found: Shingles
    words: Words
    starts: NDArray[np.int64]

    def text_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The text in which each n-gram lies."""
        return np.searchsorted(self.found.offsets, numbers, "right") - 1

    def span(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first byte of each n-gram, and the one after its last, both counted in its text."""
        text = self.text_of(numbers)
        first = self.words.offsets[text] + numbers - self.found.offsets[text]
        return self.words.starts[first] - self.starts[text], self.words.ends[first + self.size - 1] - self.starts[text]


def grams(texts: Texts, size: int) -> Grams:
    """The n-grams of `texts`. Takes about 10 bytes a byte of text: give it blocks (`Texts.blocks`)."""
    folded = fold(texts)
    # The lead and continuation bytes of other letters are all above 127.
    folded = replace(folded, is_word=folded.is_word & (folded.data != _UNDERSCORE))
    words = words_of(folded)
    return Grams(size, word_grams(words, size), words, folded.starts)


def words_reference(text: str) -> list[str]:
    """The words of a text: slow and obvious."""
    return ["".join(map(fold_character, word)) for word in re.findall(r"[^\W_]+", text)]


def grams_reference(text: str, size: int) -> list[str]:
    """The n-grams of a text as people read them, joined by one space."""
    words = words_reference(text)
    return [" ".join(words[start : start + size]) for start in range(len(words) - size + 1)]
