"""Articles of MediaWiki's XML dumps (pages-articles), of any language and schema version, read as a stream.

A .xml.bz2 is many bzip2 streams (multistream: 100 pages each) or one. Many are cut into pieces that are read at the
same time: a page belongs to the piece in which its tag begins; a piece reads on to the end of its last page.
Not for what the markup means: that is `wikitext`.
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import unescape

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import os_errors
from webtext.corpus.testsets.lines import bare_name, opened

STREAM = b"BZh91AY&SY"
"""What a bzip2 stream of 900 kB blocks begins with (dumps have no others); by chance once in 10^24 bytes."""

PIECE_BYTES = 32 << 20  # of a .bz2: some 100 MB of XML, 20,000 articles
LONGEST_PAGE = 256 << 20  # MediaWiki's own limit is 2 MB of text
_READ = 1 << 20
_PAGE, _END = b"<page>", b"</page>"

_TITLE = re.compile(rb"<title>(.*?)</title>", re.DOTALL)
_NAMESPACE = re.compile(rb"<ns>\s*(-?\d+)\s*</ns>")
_TEXT = re.compile(rb"<text\b[^<>]*(?<!/)>([^<]*)</text>")
_SPACES = re.compile(rb'<namespace key="(-?\d+)"[^<>]*>([^<]*)</namespace>')
_QUOTE = {"&quot;": '"', "&apos;": "'"}


@dataclass(frozen=True)
class DumpPiece:
    """Bytes `start` to `stop` of a file, cut where bzip2 streams begin; `stop` None: to its end."""

    path: Path
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Page:
    """An article: its title and its wikitext."""

    title: str
    wikitext: str


@dataclass(frozen=True)
class Spaces:
    """The namespaces of a wiki, lower case: those of files and categories, and all but the articles' own."""

    hidden: frozenset[str]
    other: frozenset[str]


def is_dump(path: Path) -> bool:
    """Whether the file's name is a dump's."""
    return bare_name(path).endswith(".xml") or bare_name(path).endswith("-shortened")


def cut_dump(path: Path) -> list[DumpPiece]:
    """The pieces of a dump, by its bytes alone. Only a .bz2 of many streams has more than one."""
    if not path.name.lower().endswith(".bz2"):
        return [DumpPiece(path)]
    size = path.stat().st_size
    starts = [0]
    with os_errors(path), path.open("rb") as file:
        for place in range(PIECE_BYTES, size, PIECE_BYTES):
            found = _next_stream(file, max(place, starts[-1] + 1), min(size, place + PIECE_BYTES))
            if found is not None:
                starts.append(found)
    stops: list[int | None] = [*starts[1:], None]
    return [DumpPiece(path, start, stop) for start, stop in zip(starts, stops, strict=True)]


def spaces_of(path: Path) -> Spaces:
    """The namespaces that a dump names at its beginning."""
    head = b""
    with opened(path) as stream:
        while b"</siteinfo>" not in head and b"<page>" not in head and len(head) < 4 * _READ:
            more = stream.read(1 << 14)
            if not more:
                break
            head += more
    if b"<mediawiki" not in head and b"<page>" not in head:
        raise DamagedFile("is no dump of a wiki's pages (no <mediawiki>)", where=path)
    names = {int(key): unescape(name.decode()).lower() for key, name in _SPACES.findall(head)}
    hidden = {names[key] for key in (-2, 6, 14) if names.get(key)}
    return Spaces(frozenset(hidden), frozenset(name for key, name in names.items() if key and name))


def pages(piece: DumpPiece, spaces: Spaces) -> Iterator[Page]:
    """The articles (namespace 0, no redirects) whose page begins in this piece; of several revisions the last.

    Raises:
        DamagedFile: the file is cut off, or is no dump.
    """
    held = b""
    done = False  # all of this piece is read: only a page that began in it is still wanted
    for block, last in _blocks(piece):
        held += block
        while not done and (start := held.find(_PAGE)) >= 0 and (end := held.find(_END, start)) >= 0:
            if (page := _page(held[start:end], spaces)) is not None:
                yield page
            held = held[end + len(_END) :]
        if done and (end := held.find(_END)) >= 0 and held.startswith(_PAGE):
            if (page := _page(held[:end], spaces)) is not None:
                yield page
            return
        if not done:
            held = _begun(held)
            done = last
        if done and not (held.startswith(_PAGE) or (held and _PAGE.startswith(held))):
            return
        if len(held) > LONGEST_PAGE:
            raise DamagedFile(f"has a page of more than {LONGEST_PAGE:,} bytes", where=piece.path)
    if held.startswith(_PAGE):
        size = piece.path.stat().st_size
        what = f"ends within a page: it is cut off at byte {size:,}"
        raise DamagedFile(what, where=piece.path, hint="fetch it again")


def _begun(held: bytes) -> bytes:
    """What is left of a block without whole pages: from the tag of a page on, or from what may become one."""
    start = held.find(_PAGE)
    if start >= 0:
        return held[start:]
    return next((held[-size:] for size in range(len(_PAGE) - 1, 0, -1) if held.endswith(_PAGE[:size])), b"")


def _blocks(piece: DumpPiece) -> Iterator[tuple[bytes, bool]]:
    """Decompressed blocks from the piece's start on, to the end of the file; with the last one of the piece marked."""
    if piece.start == 0 and piece.stop is None:
        with opened(piece.path) as stream:
            while block := stream.read(_READ):
                yield block, False
        return
    with os_errors(piece.path), piece.path.open("rb") as file:
        file.seek(piece.start)
        decompressor, data, last = bz2.BZ2Decompressor(), b"", False
        while True:
            data = data or file.read(_READ)
            if not data:
                if not decompressor.eof and decompressor.needs_input and file.tell() != piece.start:
                    what = f"ends within a bzip2 stream: it is cut off at byte {file.tell():,}"
                    raise DamagedFile(what, where=piece.path, hint="fetch it again")
                return
            try:
                block = decompressor.decompress(data)
            except OSError as error:
                what = f"cannot be decompressed near byte {file.tell():,} ({error})"
                raise DamagedFile(what, where=piece.path, hint="fetch it again") from error
            data = decompressor.unused_data if decompressor.eof else b""
            if decompressor.eof:
                at = file.tell() - len(data)
                last = piece.stop is not None and at >= piece.stop
                if not data:
                    data = file.read(_READ)
                ended = not data
                decompressor = bz2.BZ2Decompressor()
                yield block, last
                if ended:
                    return
            else:
                yield block, False


def _page(data: bytes, spaces: Spaces) -> Page | None:
    found = _TITLE.search(data)
    if found is None or b"<redirect" in data:
        return None
    title = unescape(found[1].decode("utf-8", "replace"), _QUOTE)
    space = _NAMESPACE.search(data)
    if space is not None:
        if int(space[1]) != 0:
            return None
    elif title.partition(":")[1] and title.partition(":")[0].lower() in spaces.other:
        return None  # dumps before version 0.6 do not say it
    texts = _TEXT.findall(data)
    if not texts:
        return None
    return Page(title, unescape(texts[-1].decode("utf-8", "replace"), _QUOTE))


def _next_stream(file: BinaryIO, place: int, end: int) -> int | None:
    """Where the next bzip2 stream begins at or after `place`, before `end`."""
    file.seek(place)
    held, base = b"", place
    while base < end:
        block = file.read(_READ)
        if not block:
            return None
        held += block
        at = held.find(STREAM)
        if at >= 0:
            return base + at if base + at < end else None
        base += len(held) - len(STREAM) + 1
        held = held[-len(STREAM) + 1 :]
    return None
