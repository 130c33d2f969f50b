"""What passes between the readers of sources and what judges their lines: a source, a piece of it, a block of lines.

Every kind of source gives blocks of NDJSON under Reddit's own field names, one line a submission: a dump as it is, a
list or a listing rewritten by its reader. Nothing behind the readers knows of kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DUMP = "dump"

BLOCK_BYTES = 256 << 10  # fits a processor's cache, and an allocator that keeps it; 32 MB take a third longer


@dataclass(frozen=True)
class Source:
    """One file of submissions. Only its sha256 counts as content; name, size and time find it and notice a change."""

    path: Path
    sha256: str
    size: int
    modified: int
    """Nanoseconds, as the file system has it."""
    kind: str = DUMP
    """Which reader reads it."""
    options: tuple[str, ...] = ()
    """What its reader has to know beside."""
    accept_loss: bool = False
    """Read what is readable of a damaged file; each part that is not is a block with `lost`."""


@dataclass(frozen=True)
class Piece:
    """A part of a source that can be read on its own. Which parts a source has depends on its bytes alone."""

    number: int
    start: int
    stop: int
    """Bytes of the file."""


@dataclass(frozen=True)
class Block:
    """Whole lines of a piece. Which bytes they are depends on the source alone."""

    number: int
    """In its piece."""
    first_line: int
    """Lines of the piece before this block."""
    data: bytes
    read: int
    """Bytes of the file that were read so far in this piece: for showing progress."""
    lost: str = ""
    """What could not be read between the block before and the next, and where: counts as one unreadable line."""
    lost_bytes: int = 0
    """Bytes of the file in it, as far as that is known."""
