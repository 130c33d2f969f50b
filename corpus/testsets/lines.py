"""Lines of a file, plain or compressed, each with its number for a message.

What a line holds is the layouts' business.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def bare_name(path: Path) -> str:
    """The file's name without the ending of a compression, in lower case."""
    name = path.name.lower()
    return next((name.removesuffix(ending) for ending in COMPRESSED if name.endswith(ending)), name)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of `path`, decompressed by its ending.

    Raises:
        DamagedFile: it is not what its ending says, or is cut off.
        WebtextError: it is not there or cannot be read.
    """
    with os_errors(path), path.open("rb") as raw:
        try:
            with _inside(raw, path.name.lower()) as stream:
                yield stream
        except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error, pa.ArrowInvalid) as error:
            what = f"is damaged or cut off{_near(raw)} ({error})"
            raise DamagedFile(what, where=path, hint="fetch it again") from error
        except OSError as error:
            if error.errno is not None:
                raise
            # bz2 has no error of its own
            what = f"cannot be decompressed{_near(raw)} ({error})"
            raise DamagedFile(what, where=path, hint="fetch it again") from error


def _near(raw: IO[bytes]) -> str:
    """How far a file was read; decompressors read some kB ahead."""
    return "" if raw.closed else f" near byte {raw.tell():,}"


def _inside(raw: IO[bytes], name: str) -> IO[bytes]:
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(raw))
    if name.endswith(".bz2"):
        return bz2.open(raw)
    if name.endswith(".xz"):
        return lzma.open(raw)
    if name.endswith(".zst"):
        return io.BufferedReader(cast("io.RawIOBase", pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")))
    return raw


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number from 1, its line end kept: the lines joined are the file.

    Raises:
        DamagedFile: bytes that are no UTF-8, with the line.
    """
    with opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                # A byte order mark belongs to the encoding, not to the text.
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DamagedFile(f"is no UTF-8 ({error.reason})", where=f"{path}, line {number}") from error


def whole(path: Path) -> str:
    """The whole file as text. Raises as `lines`."""
    return "".join(line for _, line in lines(path))
