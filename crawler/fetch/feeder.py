"""Which link is asked for next: of the hosts that may be asked now, the one whose queue will take longest.

A crawl ends when its longest queue does, so that one may never wait for others. Links are claimed by host, a few ahead
of their turn; one a host is under way at a time. Pure bookkeeping: no network, no clock of its own.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence

from webtext.crawler.fetch.hosts import Hosts
from webtext.crawler.fetch.ledger import Link

AHEAD = 8
"""Links of a host that are claimed at once."""

HELD = 50_000
"""Claimed links that wait in memory (about 15 MB): from so many on they are claimed singly."""

_FRESH = 64  # hosts that are claimed for together before their first turn

# A host not begun yet is preferred to one under way only where its queue is longer by so much: whoever is under way
# has an open connection, and equal queues would otherwise all be opened, one link each, round after round.
_LONGER = 1.2

_URGENT = 0.5  # of the longest queue's seconds: from there on a host counts among those that the end waits for
_LOOK_SECONDS = 2.0  # between two looks at how long the longest is: 10 ms for a million hosts


class Feeder:
    """Hands out the links that wait.

    Args:
        hosts: the links that wait.
        claim: takes links by key, and gives those that were pending.
        next_allowed: from when on a host (by name) may be asked, on the clock.
        one_a_host: whether a host is asked for one link at a time (a replay asks for all at once).
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        hosts: Hosts,
        claim: Callable[[Sequence[int]], list[Link]],
        *,
        next_allowed: Callable[[str], float],
        one_a_host: bool,
        clock: Callable[[], float],
        held: int = HELD,
    ) -> None:
        self.hosts = hosts
        self._claim = claim
        self._next_allowed = next_allowed
        self._one_a_host = one_a_host
        self._clock = clock
        self._most = held
        self._fresh = hosts.longest_first()
        self._begun = 0  # so many of the fresh have had their first turn
        self._ready: list[tuple[float, int]] = []
        self._later: list[tuple[float, int]] = []
        self._claimed: dict[int, deque[Link]] = {}
        self._held = 0
        self._looked, self._longest = float("-inf"), 0.0
        self._under_way: dict[int, tuple[int, float]] = {}

    @property
    def finished(self) -> bool:
        """Whether every link has been handed out."""
        return not self.hosts.left

    @property
    def held(self) -> int:
        """Links that are claimed and not handed out."""
        return self._held

    def take(self, *, urgent: bool = False) -> Link | None:
        """The next link, None where none may be asked for now.

        Args:
            urgent: only of a host under way whose queue is among the longest.
        """
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self._rank(heapq.heappop(self._later)[1])
        while (host := self._urgent_host(now) if urgent else self._next_host(now)) is not None:
            link = self._link_of(host)
            if link is not None:
                self._under_way[link.key] = host, now
                if not self._one_a_host:
                    self._rank(host)
                return link
            self._rank(host)  # what was to come had been claimed elsewhere: on with the rest
        return None

    def done(self, link: Link, *, page: bool = False) -> None:
        """A link has ended; `page` says whether as one."""
        host, begun = self._under_way.pop(link.key)
        if not self._one_a_host:
            self.hosts.ended(host, 0.0, page=page)
            return
        now = self._clock()
        when = self._next_allowed(self.hosts.names[host])
        self.hosts.ended(host, max(when, now) - begun, page=page)
        if self.hosts.waiting[host]:
            self._wait(host, when, now)

    def wait(self) -> float | None:
        """Seconds until `take` may give something again; None where only a `done` can change that."""
        return max(self._later[0][0] - self._clock(), 0.0) if self._later else None

    def _next_host(self, now: float) -> int | None:
        while self._begun < len(self._fresh):
            fresh = int(self._fresh[self._begun])
            if self._ready and self.hosts.seconds_left(fresh) <= -self._ready[0][0] * _LONGER:
                break
            if self._begun % _FRESH == 0:
                self._claim_fresh()
            self._begun += 1
            when = self._next_allowed(self.hosts.names[fresh])  # an earlier sitting may have asked it
            if when <= now:
                return fresh
            heapq.heappush(self._later, (when, fresh))
        return heapq.heappop(self._ready)[1] if self._ready else None

    def _urgent_host(self, now: float) -> int | None:
        if now >= self._looked + _LOOK_SECONDS:
            self._looked, self._longest = now, self.hosts.longest_seconds()
        if self._ready and -self._ready[0][0] >= _URGENT * self._longest:
            return heapq.heappop(self._ready)[1]
        return None

    def _rank(self, host: int) -> None:
        if self.hosts.waiting[host]:
            heapq.heappush(self._ready, (-self.hosts.seconds_left(host), host))

    def _wait(self, host: int, when: float, now: float) -> None:
        if when <= now:
            self._rank(host)
        else:
            heapq.heappush(self._later, (when, host))

    def _link_of(self, host: int) -> Link | None:
        queue = self._claimed.get(host)
        if queue is None:
            self._fetch([(host, self.hosts.next_keys(host, AHEAD if self._held < self._most else 1))])
            queue = self._claimed.get(host)
        if queue is None:
            return None
        link = queue.popleft()
        if not queue:
            del self._claimed[host]
        self._held -= 1
        self.hosts.take(host)
        return link

    def _claim_fresh(self) -> None:
        """Claim the first links of the next hosts together: most hosts have very few."""
        if self._held < self._most:
            hosts = [int(host) for host in self._fresh[self._begun : self._begun + _FRESH]]
            self._fetch([(host, self.hosts.next_keys(host, 2)) for host in hosts])

    def _fetch(self, wanted: Sequence[tuple[int, Sequence[int]]]) -> None:
        found = {link.key: link for link in self._claim([key for _, keys in wanted for key in keys])}
        for host, keys in wanted:
            links = deque(link for key in keys if (link := found.get(key & _UNSIGNED)) is not None)
            for _ in range(len(keys) - len(links)):
                self.hosts.take(host)
            if links:
                self._claimed[host] = links
                self._held += len(links)


_UNSIGNED = (1 << 64) - 1  # keys are two's complement in the ledger and unsigned outside
