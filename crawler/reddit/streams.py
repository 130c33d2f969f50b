"""Files of several .bz2 or .xz streams, one after the other (pbzip2, pxz, cat), read as one, to their last byte.

Python's own readers take whatever fails at the start of a further stream for something that is no part of the file,
and end there without an error: one flipped bit, and half a dump is gone. Here each byte has to belong to a stream.

Sources: "The .xz File Format" 1.2, sections 2 and 2.2 (streams, stream padding); bzip2 is what its own decoder reads.
"""

from __future__ import annotations

import bz2
import lzma
from pathlib import Path
from typing import BinaryIO

from webtext.corpus.errors import DamagedFile
from webtext.crawler.reddit.zstd_frames import FETCH_AGAIN

XZ_MAGIC = b"\xfd7zXZ\0"
BZ2_MAGIC = b"BZh"
_READ = 1 << 17  # bytes of the file at a time; what follows a stream is copied, and pbzip2 ends one every 250 kB


class Streams:
    """The decompressed bytes of `file`, whose `kind` is ".bz2" or ".xz".

    `read` raises EOFError where the file ends inside a stream, OSError (without errno) or LZMAError where a stream is
    corrupt, and DamagedFile where something else than a stream begins.
    """

    def __init__(self, file: BinaryIO, path: Path, kind: str) -> None:
        self._file = file
        self._path = path
        self._kind = kind
        self._magic = XZ_MAGIC if kind == ".xz" else BZ2_MAGIC
        self._held = b""
        """Read from the file, not yet given to a decoder."""
        self._decoder: bz2.BZ2Decompressor | lzma.LZMADecompressor | None = None

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" after the last stream alone."""
        while self._decoder is not None or self._begins():
            decoder = self._decoder = self._decoder or self._new_decoder()
            compressed = b""
            if decoder.needs_input:
                compressed, self._held = self._held or self._file.read(_READ), b""
                if not compressed:
                    raise EOFError
            data = decoder.decompress(compressed, size)
            if decoder.eof:
                self._held, self._decoder = decoder.unused_data, None
            if data:
                return data
        return b""

    def _new_decoder(self) -> bz2.BZ2Decompressor | lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ) if self._kind == ".xz" else bz2.BZ2Decompressor()

    def _begins(self) -> bool:
        """Whether one more stream begins here; False at the end of the file."""
        if self._kind == ".xz":
            self._skip_padding()
        while len(self._held) < len(self._magic) and (more := self._file.read(_READ)):
            self._held += more
        if self._held and len(self._held) < len(self._magic) and self._magic.startswith(self._held):
            raise EOFError
        if self._held and not self._held.startswith(self._magic):
            raise self._foreign(self._place())
        return bool(self._held)

    def _skip_padding(self) -> None:
        start = self._place()
        while not (rest := self._held.lstrip(b"\0")) and (more := self._file.read(_READ)):
            self._held = more
        self._held = rest
        if (self._place() - start) % 4:
            raise self._foreign(start)  # zeros come by fours

    def _place(self) -> int:
        """The offset in the file of the first byte that is held."""
        return self._file.tell() - len(self._held)

    def _foreign(self, place: int) -> DamagedFile:
        return DamagedFile(
            f"holds something else than {self._kind} streams from byte {place:,} on",
            where=self._path,
            hint=FETCH_AGAIN,
        )
