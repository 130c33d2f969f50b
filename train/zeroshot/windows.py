"""How a text longer than the context is cut into windows, so that every token is scored once.

A window reads tokens and scores some of those that follow: all that no window before it has scored. The shorter the
stride, the more each token sees of what came before it, and the longer it takes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Reads tokens[start:end], scores tokens[first:end + 1]."""

    start: int
    end: int
    first: int


def rolling(length: int, *, context: int, stride: int) -> list[Window]:
    """Windows over tokens[0:length] that score all but the first: EleutherAI's way where `stride` is `context`.

    The first window scores `context` tokens, each further one `stride`; all but the first read as much as fits.
    """
    windows = []
    scored = 1
    while scored < length:
        more = min(context if scored == 1 else stride, length - scored)
        end = scored + more - 1
        windows.append(Window(max(0, end - context), end, scored))
        scored += more
    return windows


def strided(length: int, *, context: int, stride: int) -> list[Window]:
    """The windows of transformers' page on perplexity: those of `context` tokens from every `stride`-th on.

    The last token of a window is only scored, not read; without an overlap the first of each window is not scored.
    """
    windows = []
    before = 0
    for begin in range(0, length, stride):
        end = min(begin + context, length)
        if max(before, begin + 1) < end:
            windows.append(Window(begin, end - 1, max(before, begin + 1)))
        before = end
        if end == length:
            break
    return windows
