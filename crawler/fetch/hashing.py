"""The sha256 of files that may have tens of GB, given up as soon as the user asks to stop."""

from __future__ import annotations

import hashlib
from pathlib import Path

from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import Stop

_PIECE = 1 << 20


def prefix_sha256(path: Path, length: int, stop: Stop | None = None) -> str | None:
    """The sha256 (hex) of a file's first `length` bytes; None where it is missing or shorter.

    Raises:
        Interrupted: the user asked to stop.
    """
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with os_errors(path), path.open("rb") as file:
        while length and (data := file.read(min(length, _PIECE))):
            heed(stop)
            digest.update(data)
            length -= len(data)
    return None if length else digest.hexdigest()


def whole_sha256(path: Path, stop: Stop | None = None) -> str:
    """The sha256 (hex) of all bytes of a file, as `webtext.corpus.files.file_sha256`.

    Raises:
        Interrupted: the user asked to stop.
        WebtextError: it is missing or may not be read.
    """
    digest = hashlib.sha256()
    with os_errors(path), path.open("rb") as file:
        while data := file.read(_PIECE):
            heed(stop)
            digest.update(data)
    return digest.hexdigest()


def heed(stop: Stop | None) -> None:
    """Raise `Interrupted` where the user asked to stop; cheap enough for every record."""
    if stop is not None and stop.requested:
        raise stop.error()
