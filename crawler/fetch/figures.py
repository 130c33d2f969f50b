"""What a crawl can say about itself while it runs: rates, outcomes, and which hosts are slow, busy, or bound the end.

Pure: numbers in, a frozen picture out. Who shows it (a terminal, `progress.json`) and when is decided elsewhere.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 5
"""Hosts named in each of a picture's lists."""

WINDOW_SECONDS = 30.0
"""The stretch of time over which rates are taken."""


@dataclass(frozen=True)
class HostFigure:
    """One host: links that still wait, pages it gave in this sitting, seconds from one link to the next, and the
    seconds that its queue will take at that pace."""

    host: str
    waiting: int
    pages: int
    seconds_per_page: float
    seconds_left: float


@dataclass(frozen=True)
class CrawlFigures:
    """A picture of a crawl: links ended of all, pages and bytes of this sitting, rates over the last half minute.

    `busiest` gave most pages, `slowest` take longest from link to link, `bounding` have most seconds left: the crawl
    cannot end before the first of them. `eta_seconds` is None while nothing has ended.
    """

    done: int
    total: int
    pages: int
    bytes: int
    pages_per_second: float
    bytes_per_second: float
    outcomes: dict[str, int] = field(default_factory=dict)
    busiest: list[HostFigure] = field(default_factory=list)
    slowest: list[HostFigure] = field(default_factory=list)
    bounding: list[HostFigure] = field(default_factory=list)
    eta_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CrawlFigures:
        """The inverse of `to_json`."""
        lists = {name: [HostFigure(**host) for host in value[name]] for name in ("busiest", "slowest", "bounding")}
        return cls(**{**value, **lists})


class Rates:
    """How fast counts grow, over the last half minute."""

    def __init__(self, window: float = WINDOW_SECONDS) -> None:
        self._window = window
        self._seen: deque[tuple[float, tuple[int, ...]]] = deque()

    def at(self, now: float, *counts: int) -> tuple[float, ...]:
        """Note counts that only grow; each one's growth a second (0 at the first call)."""
        self._seen.append((now, counts))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        begun, first = self._seen[0]
        seconds = now - begun
        return tuple((new - old) / seconds if seconds > 0 else 0.0 for new, old in zip(counts, first, strict=True))


def eta(waiting: int, links_per_second: float, bounding: Sequence[HostFigure]) -> float | None:
    """Seconds to the end: what waits at the present rate, and not before the longest queue; None without a rate."""
    if not waiting:
        return 0.0
    if links_per_second <= 0:
        return None
    longest = max((host.seconds_left for host in bounding), default=0.0)
    return max(waiting / links_per_second, longest)


def merged(pictures: Iterable[CrawlFigures], shown: int = SHOWN) -> CrawlFigures:
    """One picture of several crawl processes, which share no host."""
    found = list(pictures)
    outcomes: Counter[str] = Counter()
    for picture in found:
        outcomes.update(picture.outcomes)
    etas = [picture.eta_seconds for picture in found]
    hosts = {name: [host for picture in found for host in getattr(picture, name)] for name in _ORDERS}
    return CrawlFigures(
        done=sum(picture.done for picture in found),
        total=sum(picture.total for picture in found),
        pages=sum(picture.pages for picture in found),
        bytes=sum(picture.bytes for picture in found),
        pages_per_second=sum(picture.pages_per_second for picture in found),
        bytes_per_second=sum(picture.bytes_per_second for picture in found),
        outcomes=dict(sorted(outcomes.items())),
        eta_seconds=None if None in etas else max((seconds for seconds in etas if seconds is not None), default=None),
        **{name: heapq.nsmallest(shown, hosts[name], key=order) for name, order in _ORDERS.items()},
    )


_ORDERS = {
    "busiest": lambda host: (-host.pages, host.host),
    "slowest": lambda host: (-host.seconds_per_page, host.host),
    "bounding": lambda host: (-host.seconds_left, host.host),
}
