"""The decompressed bytes of a piece of a dump, in every format: what a file object gives, or what is lost of it.

How they are cut into lines and blocks is `webtext.crawler.reddit.dumps`'s business.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

import zstandard

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors
from webtext.crawler.reddit.blocks import Piece, Source
from webtext.crawler.reddit.streams import BZ2_MAGIC, XZ_MAGIC, Streams
from webtext.crawler.reddit.zstd_frames import FETCH_AGAIN, MAX_WINDOW, Frame, frames, is_zstd

_READ = 1 << 17  # what zstd itself reads at a time


class Lost(Exception):
    """A part of a dump cannot be read: why, at which byte of the file, and how much. Reading may go on after it."""

    def __init__(self, reason: str, size: int = 0) -> None:
        super().__init__(reason)
        self.size = size


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def kind_of(start: bytes) -> str:
    """The format of a file that begins with these (8) bytes, as its ending; "" for a plain one."""
    if is_zstd(start):
        return ".zst"
    for magic, kind in ((XZ_MAGIC, ".xz"), (BZ2_MAGIC, ".bz2"), (b"\x1f\x8b", ".gz")):
        if start.startswith(magic):
            return kind
    return ""


class Reader:
    """The bytes of a piece, then those that follow it up to the end of a line."""

    def __init__(self, source: Source, file: BinaryIO, own: _Readable, further: Callable[[], _Readable] | None) -> None:
        self._source = source
        self._file = file
        self._own = own
        self._further = further
        self._next: _Readable | None = None

    @property
    def place(self) -> int:
        """How far the file was read, in bytes."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end.

        Raises:
            Lost: a part is lost; the next call goes on after it, as far as its format allows.
            DamagedFile: damaged where no loss is accepted.
        """
        if self._next is None:
            data = self.read_own(size)
            if data or self._further is None:
                return data
            self._next, self._further = self._further(), None
        try:
            data = self._guarded(self._next, size)
        except Lost:  # counted by the piece that it lies in
            data = b""
        cut = data.find(b"\n") + 1
        if cut or not data:
            self._next = self._own = _Nothing()
            return data[:cut]
        return data

    def read_own(self, size: int) -> bytes:
        """As `read`, of the piece alone."""
        return self._guarded(self._own, size)

    def _guarded(self, reader: _Readable, size: int) -> bytes:
        """Errors of the decoders name the file and the offset."""
        try:
            return reader.read(size)
        except (EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError, DamagedFile) as error:
            raise self._damaged(error) from error
        except OSError as error:
            if error.errno is None:  # bz2's and gzip's way to say that the data is bad
                raise self._damaged(error) from error
            raise

    def _damaged(self, error: BaseException) -> Exception:
        place = self.place
        if isinstance(error, DamagedFile):
            damaged = error
        else:
            cut = isinstance(error, EOFError)
            why = f"is cut off at byte {place:,}" if cut else f"is damaged at about byte {place:,} ({error})"
            damaged = DamagedFile(why, where=self._source.path, hint=FETCH_AGAIN)
        if not self._source.accept_loss:
            return damaged
        if isinstance(self._own, _ZstdFrames):
            self._own.give_up()  # the next frame can be read without this one
        else:
            self._own = _Nothing()
        return Lost(damaged.message)


@contextmanager
def opened(source: Source, piece: Piece) -> Iterator[Reader]:
    """A reader of the piece's decompressed bytes.

    Raises:
        DamagedFile: the file is another one than was found, now or at the end.
    """
    path = source.path
    with os_errors(path), path.open("rb") as file:
        _check_unchanged(source)
        kind = kind_of(file.read(8))
        file.seek(piece.start)
        further: Callable[[], _Readable] | None = None
        own: _Readable
        match kind:
            case ".zst":
                found = frames(path)
                own = _ZstdFrames(file, [frame for frame in found if piece.start <= frame.start < piece.stop])
                later = [frame for frame in found if frame.start >= piece.stop]
                further = (lambda: _ZstdFrames(file, later)) if later else None
            case ".xz" | ".bz2":
                own = Streams(file, path, kind)
            case ".gz":
                own = gzip.GzipFile(fileobj=file)  # only zeros may follow a member, as gzip itself has it
            case _:
                own = _Range(file, piece.start, piece.stop)
                further = lambda: _Range(file, piece.stop, source.size)  # noqa: E731
        yield Reader(source, file, own, further)
        _check_unchanged(source)


class _Nothing:
    def read(self, size: int, /) -> bytes:
        return b""


class _Range:
    """The bytes of a file from `start` to `stop`."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file = file
        self._left = stop - start
        file.seek(start)

    def read(self, size: int = _READ, /) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class _ZstdFrames:
    """The content of some frames, one after the other."""

    def __init__(self, file: BinaryIO, found: Sequence[Frame]) -> None:
        self._file = file
        self._found = iter(found)
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._frame: Frame | None = None
        self._reader: _Readable = _Nothing()

    def read(self, size: int, /) -> bytes:
        while not (data := self._reader.read(size)):
            ended, self._frame = self._frame, None
            if ended is not None and ended.lost:
                self._reader = _Nothing()
                raise Lost(ended.lost, ended.stop - ended.start)
            frame = self._frame = next(self._found, None)
            if frame is None:
                self._reader = _Nothing()
                return b""
            if frame.decodable:
                content = _Range(self._file, frame.start, frame.stop)
                self._reader = self._decompressor.stream_reader(cast(BinaryIO, content), read_size=_READ)
        return data

    def give_up(self) -> None:
        """Read on with the next frame."""
        self._frame, self._reader = None, _Nothing()


def _check_unchanged(source: Source) -> None:
    status = source.path.stat()
    if (status.st_size, status.st_mtime_ns) != (source.size, source.modified):
        raise DamagedFile("changed while it was read", where=source.path, hint="run the same command again")
