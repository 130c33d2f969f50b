"""When no further link may be begun: the deadline has come, or the disk runs low. Stands before the feeder.

What is under way ends in its time. A low disk is waited for, up to a limit; then the crawl stops cleanly.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.crawler.fetch.ledger import Link
from webtext.crawler.fetch.view import size

LOOK_SECONDS = 1.0
"""Between two looks at the disk: a crawl writes some MB in it."""


class Source(Protocol):
    """What hands out links: `webtext.crawler.fetch.feeder.Feeder`."""

    @property
    def finished(self) -> bool: ...

    def take(self, *, urgent: bool = False) -> Link | None: ...

    def done(self, link: Link, *, page: bool = False) -> None: ...

    def wait(self) -> float | None: ...


def free_bytes(folders: Sequence[Path]) -> int:
    """What is free for us on the fullest of the disks that these folders lie on."""
    found = []
    for folder in folders:
        with os_errors(folder):
            found.append(os.statvfs(folder))
    return min(entry.f_bavail * entry.f_frsize for entry in found)


class Gate:
    """Hands out what `source` has while it may.

    Args:
        free: bytes that are free now.
        floor: below so many bytes nothing is begun; from a tenth more on the crawl goes on.
        patience: seconds of a low disk after which the crawl stops (`failure`).
        deadline: seconds since 1970 from which nothing is begun; None for none.
        clock: seconds, monotonic. `now`: seconds since 1970.
    """

    def __init__(
        self,
        source: Source,
        *,
        free: Callable[[], int],
        floor: int,
        patience: float,
        deadline: float | None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._free = free
        self._floor = floor
        self._patience = patience
        self._deadline = deadline
        self._clock = clock
        self._now = now
        self._looked = float("-inf")
        self._low_since: float | None = None
        self.over = False
        """Whether the deadline has come before the links' end."""
        self.failure: WebtextError | None = None
        """Why the crawl stops: the disk stayed low."""

    @property
    def low(self) -> bool:
        """Whether the crawl waits for room."""
        return self._low_since is not None

    @property
    def finished(self) -> bool:
        """Whether no link will be handed out any more."""
        return self.over or self.failure is not None or self._source.finished

    def take(self, *, urgent: bool = False) -> Link | None:
        """The next link, None where none may be asked for now; `urgent` as the source has it."""
        self.look()
        return None if self.over or self.low else self._source.take(urgent=urgent)

    def done(self, link: Link, *, page: bool = False) -> None:
        """A link has ended, as a page or not."""
        self._source.done(link, page=page)

    def wait(self) -> float | None:
        """Seconds until `take` may give something again; None where only a `done` can change that."""
        if self.low:
            return LOOK_SECONDS
        wait = self._source.wait()
        if wait is not None and self._deadline is not None:
            wait = min(wait, max(self._deadline - self._now(), 0.0))
        return wait

    def look(self) -> None:
        """See whether it is time, or the disk is low; cheap enough for every link."""
        if self._deadline is not None and self._now() >= self._deadline and not self._source.finished:
            self.over = True
        clock = self._clock()
        if clock - self._looked < LOOK_SECONDS or not self._floor:
            return
        self._looked = clock
        free = self._free()
        if self._low_since is None:
            if free < self._floor:
                self._low_since = clock
        elif free >= self._floor * 1.1:
            self._low_since = None
        elif clock - self._low_since >= self._patience:
            self.failure = WebtextError(
                f"the disk has had less than {size(self._floor)} left for {clock - self._low_since:,.0f} s "
                f"({size(free)} now), which the crawl keeps free",
                hint="make room, or set crawl.min_free lower in webtext.toml; the same command goes on where it was",
            )
