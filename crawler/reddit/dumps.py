"""Which files are dumps of Reddit submissions, whether they are whole, and the blocks of whole lines in them.

It knows files and newlines, not JSON: what a line holds is `webtext.crawler.reddit.submissions`'s business; how the
formats are decompressed is `webtext.crawler.reddit.readers`'s.

A plain dump, and a .zst of several frames, is cut into pieces that are read at the same time. A line belongs to the
piece that holds the byte before it: each piece but the first passes over what comes before its first newline, and each
reads on to the end of the line that begins at or before its own end.
"""

from __future__ import annotations

import glob
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import file_sha256, os_errors
from webtext.crawler.reddit import zstd_frames
from webtext.crawler.reddit.blocks import BLOCK_BYTES, Block, Piece, Source
from webtext.crawler.reddit.readers import Lost, Reader, kind_of, opened
from webtext.crawler.reddit.zstd_frames import FETCH_AGAIN, MAX_WINDOW, frames

MAX_LINE = 256 << 20  # the longest real record is below 2 MB; a file without newlines is no dump
_READ = 1 << 20

PIECE_BYTES = 64 << 20
"""Bytes of a .zst file a piece, at least: 10 s of work, beside which the start of a worker is little."""
PLAIN_PIECE_BYTES = 8 * PIECE_BYTES  # dumps are compressed to an eighth and less

ENDINGS = (".zst", ".xz", ".bz2", ".gz", ".ndjson", ".jsonl", ".json", ".csv", ".tsv", ".parquet")
_BOM = b"\xef\xbb\xbf"


def find_sources(paths: Sequence[Path], *, accept_loss: bool = False) -> list[Source]:
    """The dumps that files, globs and folders name, each content once, in the order of their sha256.

    A folder stands for the files in it (not below it) with one of `ENDINGS`.

    Args:
        accept_loss: take damaged dumps, too; what is readable of them is read.

    Raises:
        UsageError: `-`, which cannot be read again after an interruption.
        WebtextError: nothing there, a glob or a folder without a dump, an empty file, a pipe or device.
        DamagedFile: a .zst or .xz file that is cut off; a file that is not what its ending says.
    """
    found: dict[str, Source] = {}
    for path in paths:
        with os_errors(path):
            for file in expand(path):
                source = source_of(file, accept_loss=accept_loss)
                found.setdefault(source.sha256, source)
    return [found[sha256] for sha256 in sorted(found)]


def expand(path: Path) -> list[Path]:
    """The files that a file's, folder's or glob's name stands for. Raises as `find_sources`."""
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


def source_of(path: Path, *, accept_loss: bool = False) -> Source:
    """One dump. Raises as `find_sources`."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise WebtextError("is no regular file, so it cannot be read again after an interruption", where=path)
    if status.st_size == 0:
        raise DamagedFile("is empty", where=path, hint=FETCH_AGAIN)
    damage = damage_of(path)
    if damage and not accept_loss:
        raise DamagedFile(damage, where=path, hint=f"{FETCH_AGAIN}; --accept-loss takes what is readable of it")
    return Source(path, source_identity(path), status.st_size, status.st_mtime_ns, accept_loss=accept_loss)


def source_identity(path: Path) -> str:
    """The sha256 (hex) of a dump's bytes, as they lie in the file."""
    return file_sha256(path)


def damage_of(path: Path) -> str:
    """Why a dump is not whole, as far as that shows without decompressing it; "" where nothing does.

    Raises:
        DamagedFile: it is not what its ending says at all.
    """
    with path.open("rb") as file:
        start = file.read(8)
        size = file.seek(0, 2)
        file.seek(-min(size, 4), 2)
        end = file.read()
    kind = kind_of(start)
    if path.suffix in (".zst", ".xz", ".bz2", ".gz") and path.suffix != kind:
        raise DamagedFile(f"is no {path.suffix} file: its first bytes are {start!r}", where=path, hint=FETCH_AGAIN)
    if kind == ".zst":
        return zstd_frames.damage_of(frames(path))
    # "YZ" ends a stream; zeros by fours may follow (the .xz format, sections 2.1.2.4 and 2.2).
    if kind == ".xz" and not end.endswith((b"YZ", b"\0\0\0\0")):
        return f"is cut off at byte {size:,}"
    return ""


def pieces(source: Source) -> list[Piece]:
    """The parts that can be read on their own: frames of a .zst, ranges of a plain dump, else the whole."""
    starts = [0]
    match _kind(source):
        case ".zst":
            for frame in frames(source.path):
                if frame.start >= starts[-1] + PIECE_BYTES:
                    starts.append(frame.start)
        case "":
            starts = list(range(0, source.size, PLAIN_PIECE_BYTES))
    edges = [*starts, source.size]
    return [Piece(number, start, edges[number + 1]) for number, start in enumerate(starts)]


def memory(source: Source) -> int:
    """Bytes that a decoder may need for what the dump refers back to (its window)."""
    if _kind(source) != ".zst":
        return 64 << 20  # xz -9; the others need less
    # A short frame does not fill its window: dumps are compressed to no less than a hundredth.
    needs = (min(frame.window, 100 * (frame.stop - frame.start)) for frame in frames(source.path))
    return min(max(needs, default=0), MAX_WINDOW)


def blocks(source: Source, piece: Piece | None = None, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """A piece (None: the whole dump) in blocks that end with a line, cut at the last newline before each `size` bytes.

    A part that cannot be read makes a block with `lost`: a frame whose window is too large, and, of a source with
    `accept_loss`, whatever is damaged. What comes after it is read where its format can be read from there.

    Raises:
        DamagedFile: corrupt or cut off (names the offset), changed since it was found, or without newlines.
    """
    piece = piece or Piece(0, 0, source.size)
    number = lines = 0
    with opened(source, piece) as reader:
        lost: Lost | None
        rest, ended, lost = _to_first_line(reader) if piece.start else (b"", False, None)
        while not ended or lost:
            if lost is None:
                data, rest, ended, lost = _whole_lines(reader, rest, size, source.path)
                if number == 0 and piece.start == 0:
                    data = data.removeprefix(_BOM)
                if data:
                    yield Block(number, lines, data, reader.place - piece.start)
                    number, lines = number + 1, lines + _newlines(data)
            if lost:
                yield Block(number, lines, b"", reader.place - piece.start, str(lost), lost.size)
                number, lines, lost = number + 1, lines + 1, None


def _to_first_line(reader: Reader) -> tuple[bytes, bool, Lost | None]:
    """Pass over the line of the piece before; what was read beyond its end, whether there is none, what is lost."""
    try:
        while data := reader.read_own(_READ):
            cut = data.find(b"\n") + 1
            if cut:
                return data[cut:], False, None
    except Lost as loss:
        return b"", False, loss
    return b"", True, None


def _whole_lines(reader: Reader, rest: bytes, size: int, path: Path) -> tuple[bytes, bytes, bool, Lost | None]:
    """`rest` and what follows it up to the last newline before `size` bytes; the new rest; whether the piece ended;
    what is lost before the new rest."""
    pieces, held, wanted = [rest], len(rest), size
    while True:
        try:
            # Small pieces, joined once: three times as fast as reads of a block, which is fresh memory each time.
            while held < wanted and (piece := reader.read(min(_READ, wanted - held))):
                pieces.append(piece)
                held += len(piece)
        except Lost as loss:
            data = b"".join(pieces)  # its last line goes with what is lost
            return data[: data.rfind(b"\n") + 1], b"", False, loss
        if held < wanted:
            return b"".join(pieces), b"", True, None
        for place in range(len(pieces) - 1, -1, -1):
            cut = pieces[place].rfind(b"\n") + 1
            if cut:
                after = b"".join([pieces[place][cut:], *pieces[place + 1 :]])
                return b"".join([*pieces[:place], pieces[place][:cut]]), after, False, None
        if held >= max(MAX_LINE, size):
            raise DamagedFile(f"has a line of more than {held:,} bytes; is it a dump?", where=path)
        wanted += size  # a line longer than a block


def _newlines(data: bytes) -> int:
    # Three times as fast as bytes.count where a line has a kilobyte or two.
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10))


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or not path.is_file()


def _kind(source: Source) -> str:
    with os_errors(source.path), source.path.open("rb") as file:
        return kind_of(file.read(8))
