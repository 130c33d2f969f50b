"""Two texts side by side: a unified diff whose lines are paragraphs, with marks around words (`git diff --word-diff`).

For people who ask why one text was taken for a copy of another. Not a measure: that is the Jaccard of their shingles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

CONTEXT = 8
"""Words (and paragraphs) of agreement that are shown around a difference."""

MOST_WORDS = 20_000
"""Paragraphs that differ are compared word by word up to so many words: difflib takes their product in time."""


def word_diff(before: str, after: str, before_name: str, after_name: str) -> list[str]:
    """The lines of a diff, none where the texts are equal.

    `[-…-]` stands in `before` alone, `{+…+}` in `after` alone, `…` for words of agreement that are left out.
    """
    if before == after:
        return []
    lines = [f"--- {before_name}", f"+++ {after_name}"]
    one, other = before.split("\n"), after.split("\n")
    for group in SequenceMatcher(None, one, other, autojunk=False).get_grouped_opcodes(1):
        first, last = group[0], group[-1]
        lines.append(f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@")
        for kind, low, high, start, stop in group:
            lines += _lines(kind, one[low:high], other[start:stop])
    return lines


def _span(low: int, high: int) -> str:
    """A range as unified diffs write it: first paragraph (from 1), how many."""
    return f"{low + 1 if high > low else low},{high - low}"


def _lines(kind: str, one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    if kind == "equal":
        yield from (f" {_shortened(line)}" for line in one)
    elif kind == "replace" and sum(map(len, (*one, *other))) < 10 * MOST_WORDS:
        yield from (f"~{line}" for line in _marked("\n".join(one), "\n".join(other)).split("\n"))
    else:
        yield from (f"-{line}" for line in one)
        yield from (f"+{line}" for line in other)


def _marked(one: str, other: str) -> str:
    """Both texts in one, their differences marked."""
    before, after = (re.findall(r"\n|[^\s]+", text) for text in (one, other))
    found: list[str] = []
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for number, (kind, low, high, start, stop) in enumerate(codes):
        if kind == "equal":
            found.append(_between(before[low:high], first=number == 0, last=number == len(codes) - 1))
            continue
        if high > low:
            found.append(f"[-{_joined(before[low:high])}-]")
        if stop > start:
            found.append(f"{{+{_joined(after[start:stop])}+}}")
    return re.sub(r" ?\n ?", "\n", " ".join(found))


def _joined(words: Sequence[str]) -> str:
    """Words within marks, which do not go over the end of a line: one that differs is shown as a sign."""
    return " ".join("¶" if word == "\n" else word for word in words)


def _between(words: Sequence[str], *, first: bool, last: bool) -> str:
    """Words of agreement, those far from any difference left out."""
    head, tail = (0 if first else CONTEXT), (0 if last else CONTEXT)
    if len(words) <= head + tail + 1:
        return " ".join(words)
    return " ".join([*words[:head], "…", *(words[-tail:] if tail else ())])


def _shortened(line: str) -> str:
    words = line.split()
    return line if len(words) <= 2 * CONTEXT else " ".join([*words[:CONTEXT], "…", *words[-CONTEXT:]])
