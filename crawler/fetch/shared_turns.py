"""One request a host at a time, and none before its moment, over all crawl processes of this machine.

Links are divided by domain, so processes share no host, but for the redirects that lead from one's domains to
another's. One file has a number a host, the moment from which it may be asked again, and the lock of those bytes is the
host's turn: the kernel gives it back however a process ends. Two system calls a request; no names are in it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from webtext.corpus.files import os_errors

TURNS_NAME = "hosts.turns"

POLL_SECONDS = 0.05
"""Between two looks at a host whose turn another process has."""

_SLOTS = 1 << 20  # of 8 bytes; hosts that share one wait for each other: one in 200 of 5,000 that are asked at a time
_MOMENT = struct.Struct("<d")


@contextmanager
def taking_turns(beside: Path | None, processes: int) -> Iterator[Path | None]:
    """A file of turns while several processes crawl, beside this one (`hosts.sqlite`); None where none is needed.

    Made anew: every host may be asked. Written in full, so that no full disk is met later. One that a kill left goes.
    """
    if beside is None:
        yield None
        return
    path = beside.with_name(TURNS_NAME)
    path.unlink(missing_ok=True)
    if processes == 1:
        yield None
        return
    with os_errors(path):
        path.write_bytes(bytes(_SLOTS * _MOMENT.size))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


class SharedTurns:
    """The turns of all hosts, as one process sees them.

    Args:
        hold: seconds that a host is left alone after a process died in the middle of a request to it: as long as the
            request may still be on its way.
        clock: seconds, monotonic, and the same for all processes of the machine.
    """

    def __init__(self, file: int, hold: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._hold = hold
        self._clock = clock
        self._taken: set[int] = set()

    @classmethod
    @contextmanager
    def open(cls, path: Path, hold: float) -> Iterator[SharedTurns]:
        """The turns in the file at `path`."""
        with os_errors(path):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield cls(file, hold)
        finally:
            os.close(file)

    def take(self, host: str, delay: float) -> float:
        """Take the host's turn: 0 where it is ours now, otherwise the seconds after which to try again.

        Args:
            delay: seconds between two requests to the host.
        """
        place = self._place(host)
        if place in self._taken:  # the kernel knows processes only
            return POLL_SECONDS
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, _MOMENT.size, place)
        except (BlockingIOError, PermissionError):  # POSIX allows either, EAGAIN or EACCES
            return POLL_SECONDS
        now = self._clock()
        data = os.pread(self._file, _MOMENT.size, place)
        moment = _MOMENT.unpack(data)[0] if len(data) == _MOMENT.size else 0.0
        if moment > now:
            self._release(place)
            return float(moment - now)
        os.pwrite(self._file, _MOMENT.pack(now + self._hold + delay), place)
        self._taken.add(place)
        return 0.0

    def give_back(self, host: str, moment: float) -> None:
        """The request has ended; the host may be asked again at a moment of the clock."""
        place = self._place(host)
        os.pwrite(self._file, _MOMENT.pack(moment), place)
        self._taken.discard(place)
        self._release(place)

    def _release(self, place: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, _MOMENT.size, place)

    @staticmethod
    def _place(host: str) -> int:
        return int(xxhash.xxh3_64_intdigest(host.encode()) % _SLOTS * _MOMENT.size)
