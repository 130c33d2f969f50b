"""Text of a server, before it may stand in an outcome, a record's field or on a terminal."""

from __future__ import annotations

_LONGEST = 200


def printable(text: str, limit: int = _LONGEST) -> str:
    """One line of what can be seen, at most `limit` characters: no control, no bidirectional override, no surrogate.

    What is left out leaves a question mark in its place: who reads it sees that something was there.
    """
    cut = text[: limit + 1]
    shown = cut if cut.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in cut)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
