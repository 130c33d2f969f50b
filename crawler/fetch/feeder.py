"""Which link is asked for next: links of many hosts interleaved, one a host at a time, `delay` seconds apart.

Pure bookkeeping: no network, no clock of its own. Scrapy's slots enforce the delay again for what is not fed from here
(redirects, robots.txt, retries).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from webtext.crawler.fetch.ledger import Link
from webtext.crawler.reddit.urls import host_of

_PARKED = 20_000
"""Links held in memory for busy hosts (about 6 MB); a corpus's largest host must not keep the others waiting."""


class Feeder:
    """Hands out links claimed from the ledger.

    Args:
        claim: takes up to so many links; an empty list means that there are no more.
        delay: seconds between the end of one link and the next of its host.
        one_a_host: whether a host is asked for one link at a time (a replay asks for all at once).
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        claim: Callable[[int], list[Link]],
        *,
        delay: float,
        one_a_host: bool,
        clock: Callable[[], float],
        batch: int = 200,
        parked: int = _PARKED,
    ) -> None:
        self._claim = claim
        self._delay = delay
        self._one_a_host = one_a_host
        self._clock = clock
        self._batch = batch
        self._limit = parked
        self._queues: dict[str, deque[Link]] = {}
        self._ready: deque[str] = deque()
        self._waiting: list[tuple[float, str]] = []
        self._busy: set[str] = set()
        self._held = 0
        self._dry = False

    @property
    def finished(self) -> bool:
        """Whether every link has been handed out."""
        return self._dry and not self._held

    def take(self) -> Link | None:
        """The next link, None where none may be asked for now."""
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            self._wake(heapq.heappop(self._waiting)[1])
        while not self._ready and not self._dry and self._held < self._limit:
            self._fill()
        if not self._ready:
            return None
        host = self._ready.popleft()
        queue = self._queues[host]
        link = queue.popleft()
        self._held -= 1
        if not queue:
            del self._queues[host]
        if self._one_a_host:
            self._busy.add(host)
        elif queue:
            self._ready.append(host)
        return link

    def done(self, link: Link) -> None:
        """A link has ended: its host may be asked again after the delay."""
        host = host_of(link.url)
        if host in self._busy:
            if self._delay > 0:
                heapq.heappush(self._waiting, (self._clock() + self._delay, host))
            else:
                self._wake(host)

    def wait(self) -> float | None:
        """Seconds until `take` may give something again; None where only a `done` can change that."""
        return max(self._waiting[0][0] - self._clock(), 0.0) if self._waiting and self._held else None

    def _wake(self, host: str) -> None:
        self._busy.discard(host)
        if host in self._queues:
            self._ready.append(host)

    def _fill(self) -> None:
        links = self._claim(min(self._batch, self._limit - self._held))
        self._dry = not links
        for link in links:
            host = host_of(link.url)
            if host not in self._queues:
                self._queues[host] = deque()
                if host not in self._busy:
                    self._ready.append(host)
            self._queues[host].append(link)
        self._held += len(links)
