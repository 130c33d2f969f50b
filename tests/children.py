"""The processes that a test has started."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children(*, recursive: bool = False) -> list[psutil.Process]:
    """Living processes below this one, but for those that serve other tests, too, and what is below them."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if not _serves_others(child):
                found += [child, *(child.children(recursive=True) if recursive else ())]
    return [process for process in found if _lives(process)]


def _serves_others(process: psutil.Process) -> bool:
    """Whether it is the nursery, or a Dask cluster's."""
    return any(word == "nursery" or "distributed.cli" in word for word in process.cmdline())


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
