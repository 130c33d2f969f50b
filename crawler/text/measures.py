"""What can be said of a text in numbers: the measures behind the quality rules of published corpora.

Counted once, when a page is extracted, and kept beside the document, so that a rule may change without extracting again
(`webtext.crawler.text.quality` has the rules). They follow the definitions of Gopher (Rae et al. 2021, appendix A1.1),
C4 (Raffel et al. 2020, section 2.2) and FineWeb (Penedo et al. 2024) as their public code (datatrove, TensorFlow
Datasets) counts them. Words stand between blanks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from webtext.crawler.text.words import split_words

Measures = dict[str, float]

MEASURES = (
    "tokens", "sentences", "c4_sentences", "curly_brackets", "lorem_ipsum", "mean_word_length", "hashes", "ellipses",
    "bullet_lines", "ellipsis_lines", "alphabetic_words", "stop_words", "duplicate_lines", "duplicate_paragraphs",
    "duplicate_line_characters", "duplicate_paragraph_characters", "top_2grams", "top_3grams", "top_4grams",
    "duplicate_5grams", "duplicate_6grams", "duplicate_7grams", "duplicate_8grams", "duplicate_9grams",
    "duplicate_10grams", "punctuated_lines", "short_lines",
)  # fmt: skip
"""Names in the order of the columns. Counts are whole numbers, all others shares of lines, words or characters."""

# GPT-2's own cut of a text before its merges: each piece is at least one token, so this is a lower bound of them.
_PIECE = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
_SENTENCE = re.compile(r"[.!?\u3002\uff01\uff1f][\"'\u201d\u2019)\]]*(?=\s|$)")
_CLOSED = re.compile(r"[.!?\u3002\uff01\uff1f][\"'\u201d\u2019)\]]*$")  # C4: a terminal punctuation mark
_CLOSED_OR_QUOTE = (".", "!", "?", "\u3002", "\uff01", "\uff1f", '"', "\u201d", "'", "\u2019", "\u2026", ";")
# C4: lines that speak of the page's machinery are no sentences of the page.
_MACHINERY = re.compile(  # in lower case
    r"javascript|terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)
_C4_LINE_WORDS = 5
_BULLETS = ("- ", "* ", "\u2022", "\u2023", "\u25cf", "\u25e6", "\u25aa", "\u00b7")
_STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_SHORT_LINE = 30  # characters (FineWeb)
_PARAGRAPHS = re.compile(r"\n{2,}")


def measure(text: str) -> Measures:
    """All measures of a clean text (`clean_text`): counts, and shares in 0..1."""
    words = split_words(text)
    lines = [line for line in text.split("\n") if line]
    paragraphs = _PARAGRAPHS.split(text) if "\n\n" in text else [text]
    found: Measures = {
        "tokens": float(len(_PIECE.findall(text))),
        "curly_brackets": float(text.count("{") + text.count("}")),
        "lorem_ipsum": float(text.lower().count("lorem ipsum")),
    }
    found |= _sentences(lines, machinery=_MACHINERY.search(text.lower()) is not None)
    found |= _of_words(text, words)
    found |= _of_lines(lines)
    for name, parts in (("line", lines), ("paragraph", paragraphs)):
        repeated, characters = _repeated(parts)
        found[f"duplicate_{name}s"] = repeated / max(1, len(parts))
        found[f"duplicate_{name}_characters"] = characters / max(1, len(text))
    found |= _of_grams(words, max(1, len(text)))
    return {name: found[name] for name in MEASURES}


def _sentences(lines: Sequence[str], *, machinery: bool) -> Measures:
    """Sentences of the lines that C4 keeps: at least five words, none of a page's machinery (`machinery`: there may be
    such lines); `c4_sentences` only of those that end as a sentence does."""
    kept = closed = 0
    for line in lines:
        if line.count(" ") < _C4_LINE_WORDS - 1 or (machinery and _MACHINERY.search(line.lower())):
            continue
        sentences = max(1, len(_SENTENCE.findall(line)))
        kept += sentences
        closed += sentences if _CLOSED.search(line) else 0
    return {"sentences": float(kept), "c4_sentences": float(closed)}


def _of_words(text: str, words: Sequence[str]) -> Measures:
    count = max(1, len(words))
    others = [word for word in words if not word.isalpha()]
    return {
        "mean_word_length": sum(map(len, words)) / count,
        "hashes": text.count("#") / count,
        "ellipses": (text.count("...") + text.count("\u2026")) / count,
        "alphabetic_words": (len(words) - sum(not any(map(str.isalpha, word)) for word in others)) / count,
        "stop_words": float(len(_STOP_WORDS.intersection(map(str.lower, set(words))))),
    }


def _of_lines(lines: Sequence[str]) -> Measures:
    count = max(1, len(lines))
    return {
        "bullet_lines": sum(line.lstrip().startswith(_BULLETS) for line in lines) / count,
        "ellipsis_lines": sum(line.endswith(("...", "\u2026")) for line in lines) / count,
        "punctuated_lines": sum(line.endswith(_CLOSED_OR_QUOTE) for line in lines) / count,
        "short_lines": sum(len(line) < _SHORT_LINE for line in lines) / count,
    }


def _repeated(parts: Sequence[str]) -> tuple[int, int]:
    """How many of the parts occurred before, and their characters."""
    seen: set[str] = set()
    count = characters = 0
    if len(set(parts)) == len(parts):
        return 0, 0
    for part in parts:
        if part in seen:
            count += 1
            characters += len(part)
        else:
            seen.add(part)
    return count, characters


def _of_grams(words: Sequence[str], characters: int) -> Measures:
    """Shares of the text in its most frequent n-gram (2 to 4 words) and in n-grams that came before (5 to 10).

    Words are numbered; an n-gram's number is made of that of its first n-1 words and its last word, so equal numbers
    are equal n-grams. Where all of one length differ, so do all longer ones.
    """
    found = {f"top_{n}grams": 0.0 for n in (2, 3, 4)} | {f"duplicate_{n}grams": 0.0 for n in range(5, 11)}
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    ids = np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    grams = ids
    for n in range(2, 11):
        if len(grams) < 2:
            break
        _, first, grams, counts = np.unique(
            grams[:-1] * len(numbers) + ids[n - 1 :], return_index=True, return_inverse=True, return_counts=True
        )
        if len(counts) == len(grams):
            break
        if n <= 4:
            found[f"top_{n}grams"] = _top(first, counts, lengths, n) / characters
        else:
            found[f"duplicate_{n}grams"] = _again(grams, counts, lengths, n) / characters
    return found


def _top(first: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], n: int) -> int:
    """Characters of the most frequent n-gram, with the blanks within, over all its places; of several the longest."""
    starts = first[counts == counts.max()]
    sizes = sum(lengths[starts + offset] for offset in range(n)) + n - 1
    return int(counts.max() * np.max(sizes))


def _again(grams: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], n: int) -> int:
    """Characters in n-grams that came before, read from left to right, each character once."""
    seen: set[int] = set()
    ends = np.concatenate([[0], np.cumsum(lengths)])
    places = np.flatnonzero(counts[grams] > 1)  # the others came once
    free = characters = 0
    for place, gram, size in zip(
        places.tolist(), grams[places].tolist(), (ends[places + n] - ends[places]).tolist(), strict=True
    ):
        if place < free:
            continue
        if gram in seen:
            characters += size
            free = place + n
        else:
            seen.add(gram)
    return characters
