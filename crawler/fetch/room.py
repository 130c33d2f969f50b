"""Whether the disk has room for more: a crawl (`gate`) and a pass over the archives begin nothing while it has not.

A low disk is waited for, up to a limit; then who waits stops cleanly.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.view import size

LOOK_SECONDS = 1.0
"""Between two looks at the disk: a crawl writes some MB in it."""


class Room:
    """What is left of the disk, looked at once a second however often it is asked.

    Args:
        free: bytes that are free now.
        floor: below so many bytes the disk is low; from a tenth more on there is room again.
        patience: seconds of a low disk after which nobody should wait any longer (`failure`).
        clock: seconds, monotonic.
    """

    def __init__(
        self, free: Callable[[], int], *, floor: int, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = free
        self._floor = floor
        self._patience = patience
        self._clock = clock
        self._looked = float("-inf")
        self._low_since: float | None = None
        self.failure: WebtextError | None = None
        """Why the work stops: the disk stayed low."""

    @classmethod
    def of(cls, pages: Path, ledger: Path, settings: CrawlSettings) -> Room:
        """That of pages/ and of the ledger, which may lie on another disk."""
        disks = [pages, ledger.resolve().parent]
        return cls(lambda: free_bytes(disks), floor=settings.min_free, patience=settings.disk_patience)

    @property
    def low(self) -> bool:
        """Whether there was too little at the last look."""
        return self._low_since is not None

    def look(self) -> bool:
        """Whether more may be begun; cheap enough to be asked before every link."""
        clock = self._clock()
        if clock - self._looked < LOOK_SECONDS or not self._floor:
            return not self.low
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
        return not self.low


def free_bytes(folders: Sequence[Path]) -> int:
    """What is free for us on the fullest of the disks that these folders lie on."""
    found = []
    for folder in folders:
        with os_errors(folder):
            found.append(os.statvfs(folder))
    return min(entry.f_bavail * entry.f_frsize for entry in found)
