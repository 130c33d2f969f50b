"""Dumps of Reddit submissions as blocks of whole lines: .zst, .xz, .bz2, .gz and plain NDJSON.

It knows files and newlines, not JSON: what a line holds is `webtext.crawler.reddit.submissions`'s business.
"""

from __future__ import annotations

import glob
import gzip
import lzma
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import file_sha256, os_errors
from webtext.crawler.reddit.streams import BZ2_MAGIC, XZ_MAGIC, Streams
from webtext.crawler.reddit.zstd_frames import FETCH_AGAIN, check_frames, is_zstd

BLOCK_BYTES = 32 << 20  # about 5,000 submissions of 2024, 25,000 of 2007
MAX_LINE = 8 * BLOCK_BYTES  # the longest real record is below 2 MB; a file without newlines is no dump
_READ = 1 << 20
MAX_WINDOW = 1 << 31  # Pushshift's dumps are made with --long=31, far above a decoder's default

ENDINGS = (".zst", ".xz", ".bz2", ".gz", ".ndjson", ".jsonl", ".json")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """One dump. Only its sha256 counts as content; name, size and time find it and notice a change."""

    path: Path
    sha256: str
    size: int
    modified: int
    """Nanoseconds, as the file system has it."""


@dataclass(frozen=True)
class Block:
    """Whole lines of a dump's decompressed bytes. Which bytes they are depends on the stream alone."""

    number: int
    first_line: int
    """Lines of the dump before this block."""
    data: bytes
    read: int
    """Bytes of the file that were read so far: for showing progress."""


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """The dumps that files, globs and folders name, each content once, in the order of their sha256.

    A folder stands for the files in it (not below it) with one of `ENDINGS`.

    Raises:
        UsageError: `-`, which cannot be read again after an interruption.
        WebtextError: nothing there, a glob or a folder without a dump, an empty file, a pipe or device.
        DamagedFile: a .zst or .xz file that is cut off; a file that is not what its ending says.
    """
    found: dict[str, Source] = {}
    for path in paths:
        with os_errors(path):
            for file in _expand(path):
                source = _source(file)
                found.setdefault(source.sha256, source)
    return [found[sha256] for sha256 in sorted(found)]


def source_identity(path: Path) -> str:
    """The sha256 (hex) of a dump's bytes, as they lie in the file."""
    return file_sha256(path)


def blocks(source: Source, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The dump in blocks that end with a line, cut at the last newline before each `size` bytes.

    Raises:
        DamagedFile: corrupt or cut off (names the offset), changed since it was found, or without newlines.
    """
    with _opened(source) as (file, reader):
        number = lines = 0
        rest, ended = b"", False
        while not ended:
            data, rest, ended = _whole_lines(reader, rest, size, source.path)
            if number == 0:
                data = data.removeprefix(_BOM)
            if data:
                yield Block(number, lines, data, file.tell())
            number += 1
            lines += data.count(b"\n")


def _whole_lines(reader: _Reader, rest: bytes, size: int, path: Path) -> tuple[bytes, bytes, bool]:
    """`rest` and what follows it up to the last newline before `size` bytes; the new rest; whether the dump ended."""
    pieces, held, wanted = [rest], len(rest), size
    while True:
        # Small pieces, joined once: three times as fast as reads of a block, which is fresh memory each time.
        while held < wanted and (piece := reader.read(min(_READ, wanted - held))):
            pieces.append(piece)
            held += len(piece)
        if held < wanted:
            return b"".join(pieces), b"", True
        for place in range(len(pieces) - 1, -1, -1):
            cut = pieces[place].rfind(b"\n") + 1
            if cut:
                after = b"".join([pieces[place][cut:], *pieces[place + 1 :]])
                return b"".join([*pieces[:place], pieces[place][:cut]]), after, False
        if held >= max(MAX_LINE, size):
            raise DamagedFile(f"has a line of more than {held:,} bytes; is it a dump?", where=path)
        wanted += size  # a line longer than a block


def _expand(path: Path) -> list[Path]:
    if str(path) == "-":
        raise UsageError(
            "standard input cannot be read a second time after an interruption",
            hint="write the dump to a file and name that",
        )
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS) and not _hidden(file))
        if not files:
            raise WebtextError("holds no dump", where=path, hint=f"a dump's name ends with {', '.join(ENDINGS)}")
        return files
    if not path.exists() and glob.has_magic(str(path)):
        files = sorted(Path(name) for name in glob.glob(str(path)))  # noqa: PTH207 - may be absolute
        if not files:
            raise WebtextError("matches no file", where=path)
        return files
    return [path]


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or not path.is_file()


def _source(path: Path) -> Source:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise WebtextError("is no regular file, so it cannot be read again after an interruption", where=path)
    if status.st_size == 0:
        raise DamagedFile("is empty", where=path, hint=FETCH_AGAIN)
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(-min(status.st_size, 4), 2)
        end = file.read()
    kind = _kind(start)
    if path.suffix in (".zst", ".xz", ".bz2", ".gz") and path.suffix != kind:
        raise DamagedFile(f"is no {path.suffix} file: its first bytes are {start!r}", where=path, hint=FETCH_AGAIN)
    if kind == ".zst":
        check_frames(path)
    # "YZ" ends a stream; zeros by fours may follow (the .xz format, sections 2.1.2.4 and 2.2).
    if kind == ".xz" and not end.endswith((b"YZ", b"\0\0\0\0")):
        raise DamagedFile(f"is cut off at byte {status.st_size:,}", where=path, hint=FETCH_AGAIN)
    return Source(path, source_identity(path), status.st_size, status.st_mtime_ns)


def _kind(start: bytes) -> str:
    if is_zstd(start):
        return ".zst"
    for magic, kind in ((XZ_MAGIC, ".xz"), (BZ2_MAGIC, ".bz2"), (b"\x1f\x8b", ".gz")):
        if start.startswith(magic):
            return kind
    return ""


@contextmanager
def _opened(source: Source) -> Iterator[tuple[BinaryIO, _Reader]]:
    """The file and a reader of its decompressed bytes; what goes wrong inside names the file and the offset."""
    path = source.path
    with os_errors(path), path.open("rb") as file:
        try:
            reader = _decompressed(file, path)
            _check_unchanged(source)
            yield file, reader
            _check_unchanged(source)
        except (EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
            raise _damaged(path, file.tell(), error) from error
        except OSError as error:
            if error.errno is None:  # bz2's and gzip's way to say that the data is bad
                raise _damaged(path, file.tell(), error) from error
            raise


def _decompressed(file: BinaryIO, path: Path) -> _Reader:
    start = file.read(8)
    file.seek(0)
    match kind := _kind(start):
        case ".zst":
            decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
            return decompressor.stream_reader(file, read_across_frames=True)
        case ".xz" | ".bz2":
            return Streams(file, path, kind)
        case ".gz":
            return gzip.GzipFile(fileobj=file)  # only zeros may follow a member, as gzip itself has it
        case _:
            return file


def _check_unchanged(source: Source) -> None:
    status = source.path.stat()
    if (status.st_size, status.st_mtime_ns) != (source.size, source.modified):
        raise DamagedFile("changed while it was read", where=source.path, hint="run the same command again")


def _damaged(path: Path, offset: int, error: BaseException) -> DamagedFile:
    cut = isinstance(error, EOFError)
    return DamagedFile(
        f"is cut off at byte {offset:,}" if cut else f"is damaged at about byte {offset:,} ({error})",
        where=path,
        hint=FETCH_AGAIN,
    )
