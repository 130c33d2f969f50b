"""What a little web says: answers, ways to misbehave, and where the names of its hosts lead. Plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

HTML = "text/html; charset=utf-8"


class Manner(Enum):
    """How an answer is given."""

    WHOLE = "as HTTP has it"
    CUT = "half of the body that was announced, then the connection is closed"
    ENDLESS = "a body that goes on until the client has had enough"
    DRIP = "a byte now and then, never all of them"
    SILENT = "nothing at all, with the connection open"
    RESET = "the connection is reset"
    NONSENSE = "bytes that are no HTTP"


class Place(StrEnum):
    """Where a host's name leads, beside addresses as text (`10.0.0.8`)."""

    HERE = "here"
    """To the server."""
    REFUSED = "refused"
    """To a port of this machine at which no one listens."""
    UNKNOWN = "unknown"
    """Nowhere: the name does not exist."""


@dataclass(frozen=True)
class Answer:
    """One answer of a server. Content-Length is added where `headers` do not have it."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", HTML),)
    manner: Manner = Manner.WHOLE
    wait: float = 0.0
    """Seconds before the first byte."""


NOT_FOUND = Answer(b"<!doctype html><title>Not here</title><p>There is nothing here.</p>", 404)


class Web(Protocol):
    """What a server serves."""

    def answer(self, host: str, target: str, asked: int) -> Answer:
        """The answer to `GET target` of `host` (lower-case, no port), which was asked for `asked` times before.

        Called in the server's thread for each request; must be quick.
        """
        ...

    def places(self) -> Iterator[tuple[str, str]]:
        """Each host with its `Place`, or the address its name leads to."""
        ...


def moved(location: str, status: int = 302) -> Answer:
    """A redirect."""
    return Answer(b"", status, (("Location", location),))
