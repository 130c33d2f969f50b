"""De-tokenizers: test sets that were split into tokens, written as people write; and back, to the byte.

The paper (section 3.1) undoes with them what tokenizing did to the language-model sets. Since the way back is exact,
the likelihood of the text is one of the original, whatever the rules leave undone. How that is kept: what a rule has
joined is taken apart again at once; where that gives something else, nothing is joined there. A token that would be
taken apart although nothing was joined gets a WORD JOINER before it. Not for a model's own output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MARK = "\u2060"
"""WORD JOINER: what follows it in a word is the token as it stands. Invisible, and in none of the paper's sets."""

# Titles, companies, places and months, whose full stop English tokenizers leave where it is.
_SHORT = (
    "Adm Apr Assn Aug Ave Bldg Blvd Bros Capt Co Col Comdr Corp Cpl Dec Dept Dr Drs Esq Feb Fig Figs Fla Ft Gen Gov "
    "Hon Inc Jan Jr Lt Ltd Maj Mass Messrs Mr Mrs Ms Mt No Nos Nov Oct Pa Ph Pres Prof Rep Reps Rev Sen Sens Sept Sgt "
    "Sr St Ste Tenn Tex Va Vol al cf etc pp v vol vs mr mrs ms dr st jr inc corp co"
)
_ABBREVIATIONS = frozenset(_SHORT.split())
_INITIALS = re.compile(r"(?:\w\.)+\w|[A-Z]")
_CONTRACTION = re.compile(r"(?i)(.+?)('s|'re|'ve|'ll|'d|'m|n't)")


@dataclass(frozen=True)
class Style:
    """How a set was split.

    `left` and `right`: tokens that belong to the word before and after them. `infix`: tokens that stand for a mark
    between two words, by what they stand for. `written`: how other tokens are written. `quotes`: opening and closing
    token; the same one twice where a set has only one. `apostrophes`: what follows one is a token of its own (wikitext:
    didn 't), otherwise the contractions of the Penn Treebank are (did n't).
    """

    left: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    infix: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    quotes: tuple[str, str] | None = None
    apostrophes: bool = False
    framed: bool = False
    """Whether every line stands between two spaces."""


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "wikitext": Style(
            left=frozenset([",", ".", ";", ":", "!", "?", ")", "]", "%", "'", "\u2019", "°"]),
            right=frozenset(["(", "[", "$", "£", "#", "¥"]),
            infix={"@-@": "-", "@,@": ",", "@.@": "."},
            quotes=('"', '"'),
            apostrophes=True,
            framed=True,
        ),
        "ptb": Style(left=frozenset(["'", "%"]), right=frozenset(["$", "#"]), framed=True),
        "lm1b": Style(
            left=frozenset([",", ".", ";", ":", "!", "?", ")", "]", "%", "'"]),
            right=frozenset(["(", "[", "$", "£", "#"]),
            quotes=('"', '"'),
        ),
        "cbt": Style(
            left=frozenset([",", ".", ";", ":", "!", "?", "-RRB-", "]", "'"]),
            right=frozenset(["-LRB-", "[", "$"]),
            written={"-LRB-": "(", "-RRB-": ")", "``": '"', "''": '"', "`": "'"},
            quotes=("`", "'"),
        ),
    }
)


class Detokenizer:
    """Both ways for one style. Text is taken line by line; line ends stay as they are."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._openers = {style.written.get(token, token): token for token in style.right}
        self._closers = {style.written.get(token, token): token for token in style.left}
        if style.quotes is not None:
            opening, closing = style.quotes
            self._openers[style.written.get(opening, opening)] = opening
            self._closers[style.written.get(closing, closing)] = closing
        if "``" in style.written:
            self._openers['"'], self._closers['"'] = "``", "''"

    def detokenize(self, text: str) -> str:
        """The text as people write it."""
        return "\n".join(self._written(line) for line in text.split("\n"))

    def tokenize(self, text: str) -> str:
        """The way back: what `detokenize` was given."""
        return "\n".join(self._split(line) for line in text.split("\n"))

    def _written(self, line: str) -> str:
        if not self._style.framed:
            return self._join(line.split(" "))
        if line == " ":
            return ""
        if len(line) > 2 and line[0] == line[-1] == " ":
            return self._join(line[1:-1].split(" "))
        return f"{MARK} {self._join(line.split(' '))}"

    def _split(self, line: str) -> str:
        if not self._style.framed:
            return self._take_apart(line)
        if line.startswith(f"{MARK} "):
            return self._take_apart(line[2:])
        return f" {self._take_apart(line)} " if line else " "

    def _take_apart(self, line: str) -> str:
        return " ".join(token for word in line.split(" ") for token in self._tokens(word))

    def _join(self, tokens: list[str]) -> str:
        alone: set[int] = set()  # what cannot be joined
        while True:
            words = self._words(tokens, alone)
            failed = [
                (first, last)
                for word, first, last in words
                if last - first > 1 and self._tokens(word) != tokens[first:last]
            ]
            if not failed:
                break
            alone.update(place for first, last in failed for place in range(first, last))
        return " ".join(
            word if last - first > 1 or self._tokens(word) == tokens[first:last] else MARK + tokens[first]
            for word, first, last in words
        )

    def _words(self, tokens: list[str], alone: set[int]) -> list[tuple[str, int, int]]:
        """The words that the tokens make, each with the range of its tokens."""
        words: list[tuple[str, int, int]] = []
        glued, quoted = False, False
        for place, token in enumerate(tokens):
            joins_left, joins_right, quoted = self._joins(token, quoted, last=place == len(tokens) - 1)
            can = place not in alone
            text = self._style.written.get(token, token) if can else token
            text = self._style.infix.get(token, text) if can and joins_left else text
            if words and can and (glued or joins_left) and place - 1 not in alone:
                before, first, _ = words[-1]
                words[-1] = (before + text, first, place + 1)
            else:
                words.append((text, place, place + 1))
            glued = can and joins_right
        return words

    def _joins(self, token: str, quoted: bool, *, last: bool) -> tuple[bool, bool, bool]:
        """Whether a token is joined to what is before it and after it; whether a quotation is open after it."""
        style = self._style
        if token in style.infix:
            return True, True, quoted
        if token in ("``", "''") and token in style.written:
            return token == "''", token == "``", quoted
        if style.quotes is not None:
            opening, closing = style.quotes
            if token == opening and not (quoted and opening == closing):
                return False, True, True
            if token == closing and (quoted or opening == closing):
                return True, False, False
            if token == closing and opening != closing:  # closes what an earlier line opened, or opens, or is no quote
                return last, False, quoted
        if token in style.left or _is_suffix(token, apostrophes=style.apostrophes):
            return True, False, quoted
        return False, token in style.right, quoted

    def _tokens(self, word: str) -> list[str]:
        """The tokens that a written word was made of."""
        if word.startswith(MARK):
            return [word[len(MARK) :]]
        if set(word) == {"."}:
            return [word]
        before: list[str] = []
        while len(word) > 1 and word[0] in self._openers:
            before.append(self._openers[word[0]])
            word = word[1:]
        after: list[str] = []
        while len(word) > 1 and word[-1] in self._closers and not _is_abbreviation(word):
            after.append(self._closers[word[-1]])
            word = word[:-1]
        return [*before, *self._inner(word), *reversed(after)]

    def _inner(self, word: str) -> list[str]:
        for token, mark in self._style.infix.items():
            pattern = r"(?<=\S)-(?=\S)" if mark == "-" else rf"(?<=\d){re.escape(mark)}(?=\d)"
            word = re.sub(pattern, f" {token} ", word)
        parts: list[str] = []
        for part in word.split(" "):
            found = None if self._style.apostrophes else _CONTRACTION.fullmatch(part)
            if self._style.apostrophes and "'" in part[1:]:
                cut = part.index("'", 1)
                parts += [part[:cut], part[cut:]]
            else:
                parts += [found[1], found[2]] if found else [part]
        return parts


def detokenizer(name: str) -> Detokenizer:
    """The de-tokenizer of a set: a key of `STYLES`."""
    return Detokenizer(STYLES[name])


def _is_suffix(token: str, *, apostrophes: bool) -> bool:
    if apostrophes:
        return len(token) > 1 and token[0] == "'"
    return token.lower() in ("'s", "'re", "'ve", "'ll", "'d", "'m", "n't")


def _is_abbreviation(word: str) -> bool:
    stem = word[:-1]
    return word[-1] == "." and (stem in _ABBREVIATIONS or _INITIALS.fullmatch(stem) is not None)
