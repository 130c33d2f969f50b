"""How each host is doing in a crawl under way: pages it gave, seconds from link to link, links that still wait.

Only bookkeeping, in bounded memory: the hosts with the longest queues, which bound the end, and those asked last.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from webtext.crawler.fetch.figures import SHOWN, HostFigure
from webtext.crawler.fetch.ledger import PAGE, Ended, Link
from webtext.crawler.reddit.urls import host_of

REMEMBERED = 10_000
"""Hosts besides those with the longest queues: some MB."""

_WEIGHT = 0.3  # of the newest link in a host's pace


@dataclass
class _Host:
    waiting: int = 0
    pages: int = 0
    pace: float = 0.0
    begun: float | None = None
    ended: float | None = None


class HostWatch:
    """Told of each link that begins and ends, and of what was committed.

    Args:
        backlog: the hosts with most pending links, and how many (`LedgerContent.backlog`).
        clock: seconds, monotonic.
    """

    def __init__(self, backlog: Mapping[str, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._long = {host: _Host(waiting) for host, waiting in backlog.items()}
        self._others: OrderedDict[str, _Host] = OrderedDict()

    def began(self, link: Link) -> None:
        """A link is asked for."""
        self._of(host_of(link.url)).begun = self._clock()

    def ended(self, link: Link) -> None:
        """It has ended, or was given up. From link to link counts, waits for the host's turn included."""
        host, now = self._of(host_of(link.url)), self._clock()
        since = host.ended if host.ended is not None else host.begun
        seconds = now - since if since is not None else 0.0
        host.pace = seconds if not host.pace else (1 - _WEIGHT) * host.pace + _WEIGHT * seconds
        host.ended = now
        host.waiting = max(0, host.waiting - 1)

    def committed(self, results: Sequence[Ended]) -> None:
        """These outcomes are final."""
        for result in results:
            if result.outcome == PAGE:
                self._of(host_of(result.hops[0].records.url)).pages += 1

    def figures(self, shown: int = SHOWN) -> dict[str, list[HostFigure]]:
        """`busiest`, `slowest` and `bounding`, as `CrawlFigures` has them."""
        found = [
            HostFigure(name, host.waiting, host.pages, round(host.pace, 2), round(host.pace * host.waiting, 1))
            for hosts in (self._long, self._others)
            for name, host in hosts.items()
            if host.ended is not None
        ]
        return {
            "busiest": heapq.nsmallest(shown, (h for h in found if h.pages), key=lambda h: (-h.pages, h.host)),
            "slowest": heapq.nsmallest(shown, found, key=lambda h: (-h.seconds_per_page, h.host)),
            "bounding": heapq.nsmallest(
                shown, (h for h in found if h.waiting), key=lambda h: (-h.seconds_left, h.host)
            ),
        }

    def _of(self, name: str) -> _Host:
        found = self._long.get(name)
        if found is not None:
            return found
        found = self._others.pop(name, None) or _Host()
        self._others[name] = found
        if len(self._others) > REMEMBERED:
            self._others.popitem(last=False)
        return found
