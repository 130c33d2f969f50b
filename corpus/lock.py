"""One writer a corpus: an advisory lock that dies with its process, and says who holds it.

The lock is `flock` on the file `lock`; its text (pid, host, command) is for people. The kernel lets go of it when the
process ends, however it ends, so there is no stale lock to clear.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webtext.corpus.errors import CorpusLocked, WebtextError
from webtext.corpus.files import os_errors

LOCK_NAME = "lock"


@contextmanager
def corpus_lock(folder: Path, command: str) -> Iterator[None]:
    """Hold the corpus for writing.

    Raises:
        CorpusLocked: another command holds it; the message names its pid, host and command.
    """
    path = folder / LOCK_NAME
    handle = _acquire(path)
    try:
        os.ftruncate(handle, 0)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


_PATIENCE = 0.5  # seconds: `status` holds the lock for a moment when it looks whether somebody does


def _acquire(path: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with os_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise CorpusLocked(
                f"{_describe(path)} is writing to this corpus",
                where=path.parent,
                hint="wait until it has finished, or stop it with Ctrl-C there; what it has done is kept",
            ) from None
        except OSError as error:
            os.close(handle)
            raise WebtextError(f"this file system knows no locks ({error.strerror})", where=path) from error
        # The holder before us may have removed the file between our open and our lock: then lock the new one.
        try:
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)


def lock_holder(folder: Path) -> dict[str, object] | None:
    """Who writes to this corpus now: pid, host and command, or None."""
    path = folder / LOCK_NAME
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read(path)
    finally:
        os.close(handle)
    return None


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _describe(path: Path) -> str:
    holder = _read(path)
    if not holder:
        return "another command"
    return f"process {holder.get('pid')} on {holder.get('host')} (webtext {holder.get('command')})"
