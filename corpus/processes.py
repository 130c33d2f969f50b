"""Processes that work for another one and must not outlive it, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process with `parent`, on Linux; starts no thread, as `end_with_parent` does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def end_with_parent(parent: int) -> None:
    """End this process when `parent` ends, also if it was killed: at once on Linux, within a second elsewhere.

    Linux ends it with the *thread* of the parent that started it: that thread has to live as long.
    """
    die_with_parent(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    # On Linux, too: a starter's thread may end, and another process be its reaper.
    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
