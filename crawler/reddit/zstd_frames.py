"""The frames of a .zst file, and whether it is whole: a walk over them, without decompressing.

A decoder that is given a truncated file may simply end early (python-zstandard's stream_reader does). The headers of
frames and blocks say where each ends, so a cut shows in seconds rather than after hours of reading.

Source: RFC 8878, section 3.1 (frames, skippable frames, blocks).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from webtext.corpus.files import os_errors

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = 0x184D2A50  # to ...5F
FETCH_AGAIN = "fetch it again, and compare its size or checksum with the publisher's"


def is_zstd(start: bytes) -> bool:
    """Whether a file that begins with these (at least 4) bytes is made of zstd frames."""
    return start[:4] == MAGIC or _is_skippable(start[:4])


MAX_WINDOW = 1 << 31  # Pushshift's dumps are made with --long=31, far above a decoder's default, and zstd's own limit


@dataclass(frozen=True)
class Frame:
    """A frame, or what is none: its bytes of the file, and the memory its decoder needs for what it refers back to."""

    start: int
    stop: int
    window: int
    """Bytes."""
    lost: str = ""
    """Why not all of it can be read, and at which byte of the file."""

    @property
    def decodable(self) -> bool:
        """Whether it, or its beginning, can be read."""
        return 0 < self.window <= MAX_WINDOW


def frames(path: Path) -> list[Frame]:
    """Walk over every block of every frame. Skippable frames are passed over.

    What does not belong to a whole frame stands at the end of the list as one that is lost.

    Raises:
        WebtextError: the file cannot be opened.
    """
    found: list[Frame] = []
    with os_errors(path), path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while position < len(data):
            frame = _frame(data, position)
            if frame.window or frame.lost:
                found.append(frame)
            position = frame.stop
    return found


def damage_of(found: list[Frame]) -> str:
    """Why a file of these frames is not whole; "" where it is. A frame with too large a window is none of it."""
    return found[-1].lost if found and (found[-1].window <= MAX_WINDOW or "cut off" in found[-1].lost) else ""


def _frame(data: mmap.mmap, start: int) -> Frame:
    """The frame at `start`. One without a window has nothing to decode in it."""
    size = len(data)
    head = data[start : start + 18]  # the longest header
    cut = f"is cut off: its last frame begins at byte {start:,} and does not end by the end of the file, byte {size:,}"
    if len(head) >= 4 and head[:4] != MAGIC and not _is_skippable(head[:4]):
        return Frame(start, size, 0, f"holds something else than zstd frames from byte {start:,} on")
    if _is_skippable(head[:4]):
        stop = start + 8 + int.from_bytes(head[4:8], "little")
        return Frame(start, stop, 0) if len(head) >= 8 and stop <= size else Frame(start, size, 0, cut)
    header = _header(head)
    if header is None:
        return Frame(start, size, 0, cut)
    length, window, checksum = header
    large = f"needs a window of {window:,} bytes for the zstd frame at byte {start:,}; at most {MAX_WINDOW:,} are kept"
    position = start + length
    while position + 3 <= size:
        block = int.from_bytes(data[position : position + 3], "little")
        last, kind, length = block & 1, block >> 1 & 3, block >> 3
        position += 3 + (1 if kind == 1 else length)  # 1: one byte, repeated `length` times
        if last:
            position += checksum
            if position > size:
                break
            return Frame(start, position, window, large if window > MAX_WINDOW else "")
    return Frame(start, size, window, cut)


def _header(head: bytes) -> tuple[int, int, int] | None:
    """A frame header's size, its window, and the size of the checksum at the end (bytes); None where it is cut.

    By hand: the library refuses to look at windows above its own limit. RFC 8878, section 3.1.1.1.
    """
    if len(head) < 6:
        return None
    descriptor = head[4]
    single = descriptor >> 5 & 1  # no window of its own: the whole content is one
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    content = (single, 2, 4, 8)[descriptor >> 6]
    size = 5 + (1 - single) + dictionary + content
    if len(head) < size:
        return None
    if single:
        window = int.from_bytes(head[size - content : size], "little") + (256 if content == 2 else 0)
    else:
        base = 1 << (10 + (head[5] >> 3))
        window = base + (base >> 3) * (head[5] & 7)
    return size, window, 4 if descriptor & 4 else 0


def _is_skippable(magic: bytes) -> bool:
    return int.from_bytes(magic, "little") & ~0xF == _SKIPPABLE
