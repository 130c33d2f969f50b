"""When a host may be asked again. One object answers for all hosts of a crawl process.

Only the time between two requests, and when a host that keeps failing is left alone. That no two are under way at once
is the matter of `HostTurns`, below.

The delay runs from the moment an answer begins to come: the host has certainly seen that request then, so it never sees
two closer than the delay, however long a connection or a busy machine holds them up on the way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from webtext.crawler.fetch.shared_turns import SharedTurns
from webtext.crawler.fetch.site_store import HostPace, SiteStore

FAILURES = 5
"""So many failures in a row, and a host is put aside."""

ASIDES = 3
"""So many times put aside, and a host is given up for this sitting."""

LONG_WAIT = 0.25
"""Seconds of waiting for a host from which on another link may be under way instead. Most hosts have one link, which
waits a delay after each of its site's files: if that counted as under way, a crawl of such hosts would mostly wait."""

_SWEEP = 10_000  # hosts remembered before those that have nothing to remember are forgotten
_ASIDE_DELAYS = 60.0  # delays that a host is put aside for the first time: a minute at a second each
_LONGEST_ASIDE = 3_600.0
_LONGEST_PACE = 60.0  # seconds that a slow or failing host can bring us to by itself
_BUSY = frozenset({429, 503})  # RFC 6585, section 4; RFC 9110, section 15.6.4


@dataclass(slots=True)
class _Host:
    next: float = 0.0
    asks: float = 0.0
    """Seconds that its robots.txt asks for."""
    pace: float = 0.0
    """Seconds that its answers have brought us to."""
    failures: int = 0
    asides: int = 0
    times: int = 1


class HostDelays:
    """Seconds between two requests to a host: the setting's, those its robots.txt asks for, or more for a host that
    answers slowly or says that it is busy; for a host that other machines ask, as often as much.

    Args:
        delay: seconds; with 0 hosts are asked as fast as they answer, but for what they ask for themselves.
        clock: seconds, monotonic.
        store: what earlier processes learned of hosts, and later ones shall know.
        wall: seconds since 1970.
        times: how many times its delay a host is to be left alone by us.
    """

    def __init__(
        self,
        delay: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        store: SiteStore | None = None,
        wall: Callable[[], float] = time.time,
        times: Callable[[str], int] = lambda host: 1,
    ) -> None:
        self._times = times
        self._delay = delay
        self._clock = clock
        self._store = store
        self._wall = wall
        self._hosts: dict[str, _Host] = {}
        self._sweep = _SWEEP
        # An earlier process may have asked any host a moment before it ended.
        self._begun = clock() if store is not None and store.earlier else None

    def next_allowed(self, host: str) -> float:
        """The moment (of the clock) from which the host may be asked; one that has passed means now."""
        return self._of(host).next

    def delay_of(self, host: str) -> float:
        """Seconds between two requests to the host, as things are."""
        return self._seconds(self._of(host))

    def given_up(self, host: str) -> bool:
        """Whether the host has failed so often that it is not asked again."""
        found = self._hosts.get(host)
        return found is not None and found.asides >= ASIDES

    def learned(self, host: str, seconds: float) -> None:
        """What the host's robots.txt asks for."""
        found = self._of(host)
        if found.asks != seconds:
            found.asks = seconds
            found.next = max(found.next, self._clock() + self._seconds(found))
            self._keep(host, found)

    def heard(self, host: str) -> None:
        """An answer of the host has begun to come."""
        found = self._of(host)
        found.next = max(found.next, self._clock() + self._seconds(found))

    def answered(self, host: str, latency_s: float, status: int, retry_after_s: float | None) -> None:
        """A request to the host has ended.

        Args:
            latency_s: seconds from its start to the beginning of the answer, or to its failure.
            status: of the answer, 0 where there was none.
            retry_after_s: what the answer asked for in Retry-After, in seconds from now.
        """
        now = self._clock()
        found = self._of(host)
        failed = status == 0 or status in _BUSY
        if failed:
            found.failures += 1
            found.pace = min(_LONGEST_PACE, max(2 * self._base(found), latency_s if self._delay else 0.0))
        else:
            found.failures = 0
            # Halfway to what the host needs now: never faster than it answers.
            found.pace = (found.pace + min(latency_s, _LONGEST_PACE)) / 2 if self._delay else 0.0
        if not failed:
            found.asides = 0
        wait = self._seconds(found)
        if failed and retry_after_s is not None:
            wait = max(wait, min(retry_after_s, _LONGEST_ASIDE))
        if found.failures >= FAILURES:
            found.failures = 0
            wait = max(wait, min(_ASIDE_DELAYS * self._delay * 2**found.asides, _LONGEST_ASIDE))
            found.asides += 1
        # Where no answer began (`heard`), the request may have come as late as now.
        found.next = max(found.next, now + wait if failed else now - latency_s + wait)
        if wait > found.times * max(self._delay, found.asks):
            self._keep(host, found)
        if len(self._hosts) >= self._sweep:
            self._forget(now)

    def _seconds(self, host: _Host) -> float:
        return host.times * self._base(host)

    def _base(self, host: _Host) -> float:
        return max(self._delay, host.asks, host.pace)

    def _of(self, host: str) -> _Host:
        found = self._hosts.get(host)
        if found is None:
            found = self._hosts[host] = _Host(times=self._times(host))
            pace = None if self._store is None else self._store.pace(host)
            if pace is not None:
                found.asks = pace.delay
                found.next = self._clock() + min(pace.until - self._wall(), _LONGEST_ASIDE)
            if self._begun is not None:
                found.next = max(found.next, self._begun + self._seconds(found))
        return found

    def _keep(self, host: str, found: _Host) -> None:
        if self._store is not None:
            until = self._wall() + found.next - self._clock()
            self._store.keep_pace(host, HostPace(found.asks, until))

    def _forget(self, now: float) -> None:
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.next > now or host.asides or host.failures or host.pace > self._delay
        }
        self._sweep = max(_SWEEP, 2 * len(self._hosts))


class HostTurns:
    """One request a host at a time, and none before its moment. For asyncio.

    Args:
        sleep: waits for so many seconds.
        rest: told 1 where a long wait for a host begins, and -1 where it ends: for one that was put aside, or to which
            many links lead.
        shared: the turns that other processes take, too.
    """

    def __init__(
        self,
        delays: HostDelays,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rest: Callable[[int], None] | None = None,
        shared: SharedTurns | None = None,
    ) -> None:
        self._delays = delays
        self._shared = shared
        self._clock = clock
        self._sleep = sleep
        self._rest = rest
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for the host's turn; the block is one request."""
        lock, users = self._locks.get(host, (None, 0))
        if lock is None:
            lock = asyncio.Lock()
        self._locks[host] = lock, users + 1
        try:
            with self._resting(users * self._delays.delay_of(host)):
                await lock.acquire()
            try:
                await self._until_allowed(host)
                cancelled = 0.0
                try:
                    yield
                except asyncio.CancelledError:
                    cancelled = self._delays.delay_of(host)  # the request may still reach the host
                    raise
                finally:
                    if self._shared is not None:
                        moment = max(self._delays.next_allowed(host), self._clock() + cancelled)
                        self._shared.give_back(host, moment)
            finally:
                lock.release()
        finally:
            lock, users = self._locks[host]
            if users == 1:
                del self._locks[host]
            else:
                self._locks[host] = lock, users - 1

    async def _until_allowed(self, host: str) -> None:
        while True:
            seconds = self._delays.next_allowed(host) - self._clock()
            if seconds <= 0 and self._shared is not None:
                seconds = self._shared.take(host, self._delays.delay_of(host))
            if seconds <= 0:
                return
            with self._resting(seconds):
                await self._sleep(seconds)

    @contextmanager
    def _resting(self, seconds: float) -> Iterator[None]:
        """Say that a wait of about so many seconds is a rest, where it is long."""
        if self._rest is None or seconds < LONG_WAIT:
            yield
            return
        self._rest(1)
        try:
            yield
        finally:
            self._rest(-1)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from now of a Retry-After (RFC 9110, section 10.2.3): a number, or an HTTP date; None where it is none.

    Args:
        now: seconds since 1970.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = parsedate_to_datetime(value)
        # An HTTP date is of GMT, also where it does not say so (section 5.6.7).
        return max(0.0, (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
