"""A capture: what an archive's index says about one visit to an address. And which of them is nearest to a date.

Pure values and functions; how an archive is asked is in `commoncrawl`, `wayback` and `local_index`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webtext.crawler.fetch.judging import PAGE_TYPES, REDIRECTS

REVISIT = "warc/revisit"
"""The media type of a capture that was the same as an earlier one; the archive answers with that one's body."""

_UNKNOWN_TYPES = frozenset({"", "-", "unk", REVISIT})


@dataclass(frozen=True)
class Capture:
    """One capture. `status` is None where the index does not say it; `place` is where its WARC record lies."""

    url: str
    when: datetime
    status: int | None
    mime: str
    place: Place | None = None
    truncated: str = ""
    """Why the body is not whole (WARC-Truncated), "" where it is."""


@dataclass(frozen=True)
class Place:
    """A WARC record in a file of an archive: its name there, and the bytes of the record."""

    file: str
    offset: int
    length: int


def nearest(captures: Iterable[Capture], posted: datetime | None, *, max_days: int = 0) -> Capture | None:
    """The capture to take for a link, None where there is none.

    Of pages the one nearest in time to `posted` (of two equally near ones the earlier); redirects only where there are
    no pages. Without a date the first that was ever made: the longer an address has been posted, the likelier it shows
    something else.

    Args:
        max_days: captures further away than this are none; 0 for any distance. Says nothing without a date.
    """
    best: tuple[bool, timedelta, datetime] | None = None
    found = None
    for capture in captures:
        if not may_be_page(capture) and capture.status not in REDIRECTS:
            continue
        apart = timedelta() if posted is None else abs(capture.when - posted)
        if max_days and apart >= timedelta(days=max_days + 1):
            continue
        rank = (capture.status in REDIRECTS, apart, capture.when)
        if best is None or rank < best:
            best, found = rank, capture
    return found


def may_be_page(capture: Capture) -> bool:
    """Whether the index leaves it possible that a capture is a page: its status, its media type, and that it is
    whole."""
    if capture.truncated or capture.status in REDIRECTS:
        return False
    mime = capture.mime.split(";")[0].strip().lower()
    return capture.status in (None, 200) and (mime in PAGE_TYPES or mime in _UNKNOWN_TYPES)


def days_apart(when: datetime, posted: datetime | None) -> int | None:
    """Whole days between a capture and the submission of its link, whichever was first; None without a date."""
    return None if posted is None else abs(when - posted).days


def parse_timestamp(text: str) -> datetime:
    """The 14 digits (or fewer, from the left) of an archive's timestamp. ValueError where it is none."""
    if not 4 <= len(text) <= 14 or not text.isascii() or not text.isdigit():
        raise ValueError(f"no timestamp: {text!r}")
    return datetime.strptime(text + "00000101000000"[len(text) :], "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def timestamp(when: datetime) -> str:
    """The 14 digits of a moment."""
    return f"{when:%Y%m%d%H%M%S}"
