"""The processes that a test has started."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children(*, recursive: bool = False) -> list[psutil.Process]:
    """Living processes below this one, but for the nursery, which serves other tests, too."""
    found = []
    for child in psutil.Process().children(recursive=recursive):
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and "nursery" not in child.cmdline():
                found.append(child)
    return found
