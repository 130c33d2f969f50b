"""The slow, obvious tokenizer that the fast one is tied to: split, merge, train. For tests and for readers only."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from webtext.tokenize.split import WHITE_SPACE, byte_order
from webtext.tokenize.vocabulary import Merge, Vocabulary, merge_bytes

_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
_SPACE = re.compile(f"[{WHITE_SPACE}]")


def split(text: str) -> list[str]:
    """The pieces of `text` under GPT-2's pattern, read from its definition. Their concatenation is `text`.

    Letters and numbers are Unicode's categories L* and N* as this Python knows them.
    """
    pieces = []
    start = 0
    while start < len(text):
        end = _piece_end(text, start)
        pieces.append(text[start:end])
        start = end
    return pieces


def _piece_end(text: str, start: int) -> int:
    for contraction in _CONTRACTIONS:
        if text.startswith(contraction, start):
            return start + len(contraction)
    # ` ?` and a run of letters, numbers or anything else that is no space
    first = start + 1 if text[start] == " " and start + 1 < len(text) else start
    if (kind := _kind(text[first])) != "space":
        return _run_end(text, first, kind)
    end = _run_end(text, start, "space")
    # `\s+(?!\S)`: a run of spaces before a word leaves its last one to the word, if it has more than one
    return end if end == len(text) or end == start + 1 else end - 1


def _run_end(text: str, start: int, kind: str) -> int:
    end = start
    while end < len(text) and _kind(text[end]) == kind:
        end += 1
    return end


def _kind(character: str) -> str:
    if _SPACE.match(character):
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(character)[0], "other")


def encode(text: str, vocabulary: Vocabulary) -> list[int]:
    """The ids of `text`. A lone surrogate becomes U+FFFD; a literal `<|endoftext|>` is text like any other."""
    ranks = vocabulary.ranks
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return [ranks[token] for piece in split(whole) for token in merge_bytes(piece.encode(), ranks)]


def train(texts: Iterable[str], vocab_size: int) -> Vocabulary:
    """Count all pairs anew for each merge: the most frequent one is merged, among equals the one of the smallest ids.

    Ends early when no pair occurs twice.
    """
    ids = {byte: rank for rank, byte in enumerate(byte_order())}
    words = Counter(tuple(ids[byte] for byte in piece.encode()) for text in texts for piece in split(text))
    tokens = [bytes([byte]) for byte in byte_order()]
    merges: list[Merge] = []
    while len(tokens) + 1 < vocab_size:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, count in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append((tokens[best[0]], tokens[best[1]]))
        tokens.append(tokens[best[0]] + tokens[best[1]])
        merged: Counter[tuple[int, ...]] = Counter()
        for word, count in words.items():
            merged[_merge(word, best, len(tokens) - 1)] += count
        words = merged
    return Vocabulary.from_merges(merges)


def _merge(word: tuple[int, ...], pair: tuple[int, int], made: int) -> tuple[int, ...]:
    out: list[int] = []
    place = 0
    while place < len(word):
        if word[place : place + 2] == pair:
            out.append(made)
            place += 2
        else:
            out.append(word[place])
            place += 1
    return tuple(out)
