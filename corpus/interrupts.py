"""Ctrl-C and SIGTERM: the first one stops cleanly, the second at once.

Work that may stop anywhere (its results lie in files) lets the signal raise `Interrupted`; work that must reach a safe
point first (a training step, a crawl's commit) polls `requested`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from webtext.corpus.errors import Interrupted


class Stop:
    """Whether the user asked to stop. `requested` is set by the first signal."""

    def __init__(self, *, raising: bool) -> None:
        self.requested = False
        self.raising = raising

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            # The user means it. Files are written aside and renamed, so nothing is half-written.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.requested = True
        if self.raising:
            raise self.error()
        # Straight to the descriptor: the signal may have come in the middle of a print.
        with suppress(OSError):
            os.write(2, b"\nstopping: what is under way is finished first (Ctrl-C again ends at once)\n")

    @staticmethod
    def error() -> Interrupted:
        """The error that tells the user how to go on."""
        return Interrupted("stopped; what was done is kept", hint="the same command goes on where it was")


@contextmanager
def stop_signals(*, raising: bool) -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM while inside. Outside the main thread signals stay as they are."""
    stop = Stop(raising=raising)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
