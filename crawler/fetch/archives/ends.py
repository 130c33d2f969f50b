"""A link that an archive is asked for, and the ways in which it may end there: found, missed, or ruled out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webtext.crawler.fetch.ledger import Placed


@dataclass(frozen=True)
class DeadLink:
    """A link that an archive is asked for."""

    key: int
    url: str
    posted: datetime | None
    asked_live: bool
    """Whether the live web has been asked: then its robots.txt has been, too."""


@dataclass(frozen=True)
class Found:
    """A page out of an archive: its hops, the page last, and the capture it is."""

    key: int
    source: str
    final_key: int
    hops: tuple[Placed, ...]
    captured: datetime
    days_apart: int | None
    address: str
    """Where the capture is had."""


@dataclass(frozen=True)
class Missed:
    """An archive has no page for a link, and why."""

    key: int
    source: str
    said: str


@dataclass(frozen=True)
class Ruled:
    """A link ends with an outcome that no further source changes: the page's owner does not want it taken."""

    key: int
    source: str
    outcome: str
    detail: str
