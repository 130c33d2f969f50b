"""Whether a .zst file is whole: a walk over its frames, without decompressing them.

A decoder that is given a truncated file may simply end early (python-zstandard's stream_reader does). The headers of
frames and blocks say where each ends, so a cut shows in seconds rather than after hours of reading.

Source: RFC 8878, section 3.1 (frames, skippable frames, blocks).
"""

from __future__ import annotations

import mmap
from pathlib import Path

import zstandard

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = 0x184D2A50  # to ...5F
FETCH_AGAIN = "fetch it again, and compare its size or checksum with the publisher's"


def is_zstd(start: bytes) -> bool:
    """Whether a file that begins with these (at least 4) bytes is made of zstd frames."""
    return start[:4] == MAGIC or _is_skippable(start[:4])


def check_frames(path: Path) -> None:
    """Walk over every block of every frame.

    Raises:
        DamagedFile: the file ends inside a frame, or something else follows one; names the offset.
    """
    with os_errors(path), path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while position < len(data):
            end = _frame_end(data, position, path)
            if end > len(data):
                raise DamagedFile(
                    f"is cut off: its last frame begins at byte {position:,} and does not end by the end of the file, "
                    f"byte {len(data):,}",
                    where=path,
                    hint=FETCH_AGAIN,
                )
            position = end


def _frame_end(data: mmap.mmap, start: int, path: Path) -> int:
    """Where the frame at `start` ends; beyond the end of the file where it is cut."""
    beyond = len(data) + 1
    head = data[start : start + 18]  # the longest header
    if len(head) < 8:
        return beyond
    if _is_skippable(head[:4]):
        return start + 8 + int.from_bytes(head[4:8], "little")
    if head[:4] != MAGIC:
        raise DamagedFile(f"holds something else than zstd frames from byte {start:,} on", where=path, hint=FETCH_AGAIN)
    try:
        position = start + zstandard.frame_header_size(head)
        checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
    except zstandard.ZstdError:
        return beyond
    while position + 3 <= len(data):
        header = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        position += 3 + (1 if kind == 1 else size)  # 1: one byte, repeated `size` times
        if last:
            return position + checksum
    return beyond


def _is_skippable(magic: bytes) -> bool:
    return int.from_bytes(magic, "little") & ~0xF == _SKIPPABLE
