"""When no further link may be begun: the deadline has come, or the disk runs low. Stands before the feeder.

What is under way ends in its time. A low disk is waited for (`room`), up to a limit; then the crawl stops cleanly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from webtext.corpus.errors import WebtextError
from webtext.crawler.fetch.ledger import Link
from webtext.crawler.fetch.room import LOOK_SECONDS, Room


class Source(Protocol):
    """What hands out links: `webtext.crawler.fetch.feeder.Feeder`."""

    @property
    def finished(self) -> bool: ...

    def take(self, *, urgent: bool = False) -> Link | None: ...

    def done(self, link: Link, *, page: bool = False) -> None: ...

    def wait(self) -> float | None: ...


class Gate:
    """Hands out what `source` has while it may.

    Args:
        room: nothing is begun while the disk is low.
        deadline: seconds since 1970 from which nothing is begun; None for none.
        now: seconds since 1970.
    """

    def __init__(
        self, source: Source, *, room: Room, deadline: float | None, now: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._room = room
        self._deadline = deadline
        self._now = now
        self.over = False
        """Whether the deadline has come before the links' end."""

    @property
    def failure(self) -> WebtextError | None:
        """Why the crawl stops: the disk stayed low."""
        return self._room.failure

    @property
    def low(self) -> bool:
        """Whether the crawl waits for room."""
        return self._room.low

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
        self._room.look()
