"""When a host may be asked again. One object answers for all hosts of a crawl process.

Only the time between two requests. That no two are under way at once is the dispatcher's matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_SWEEP = 10_000
"""Hosts remembered before those whose time has passed are forgotten."""


class HostDelays:
    """A fixed number of seconds from the start of one request to the start of the host's next.

    Args:
        delay: seconds.
        clock: seconds, monotonic.
    """

    def __init__(self, delay: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._delay = delay
        self._clock = clock
        self._next: dict[str, float] = {}
        self._sweep = _SWEEP

    def next_allowed(self, host: str) -> float:
        """The moment (of the clock) from which the host may be asked; one that has passed means now."""
        return self._next.get(host, 0.0)

    def answered(self, host: str, latency_s: float, status: int, retry_after_s: float | None) -> None:
        """A request to the host has ended.

        Args:
            latency_s: seconds from its start to its end.
            status: of the answer, 0 where there was none.
            retry_after_s: what the answer asked for in Retry-After, in seconds from now.
        """
        now = self._clock()
        if self._delay > 0:
            self._next[host] = now - latency_s + self._delay
        if len(self._next) >= self._sweep:
            self._next = {name: when for name, when in self._next.items() if when > now}
            self._sweep = max(_SWEEP, 2 * len(self._next))
