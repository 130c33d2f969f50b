"""Walk through a WARC file, anyone's: each record with its place, checked to be whole.

The usual readers return a record that was cut at the end of its file as if it were whole (warcio, fastwarc); here it is
an error with an offset. gzip by record, or plain.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from webtext.crawler.fetch.records import MAX_HEAD, parse_fields

PIECE = 1 << 18
"""How many bytes of a file are read at once."""

_MAX_DIGITS = 18  # of a Content-Length: 10 ** 18 bytes are an exabyte
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class RawRecord:
    """A record as it lies in a file, `length` bytes from `offset` on (compressed), and what was asked of its block."""

    offset: int
    length: int
    fields: dict[str, str]
    """By lower-case name."""
    block: bytes
    block_length: int
    block_sha256: str


class TornRecord(Exception):
    """A record that does not end, or is none. `offset` is where it begins."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


def walk(file: BinaryIO, keep: int, *, offset: int = 0, piece: int = PIECE) -> Iterator[RawRecord]:
    """Every record of a WARC file from `offset` on, which must be where one begins.

    Args:
        keep: bytes of each block to hold.
        piece: how many bytes to read at once.

    Raises:
        TornRecord: a record is cut, damaged, none at all, or several share one gzip member.
    """
    file.seek(offset)
    magic = file.read(4)
    file.seek(offset)
    if magic == _ZSTD_MAGIC:
        raise TornRecord(offset, "is compressed with zstd; unpack it first")
    yield from (_walk_members if magic[:2] == _GZIP_MAGIC else _walk_plain)(file, keep, offset, piece)


def _walk_members(file: BinaryIO, keep: int, start: int, piece: int) -> Iterator[RawRecord]:
    data = file.read(piece)
    while data:
        record = _Record(start, keep)
        decoder = zlib.decompressobj(31)
        consumed = 0
        try:
            while not decoder.eof:
                if not data and not (data := file.read(piece)):
                    raise TornRecord(start, "the file ends inside of this record")
                record.feed(decoder.decompress(data, PIECE))
                rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                consumed += len(data) - len(rest)
                data = rest
        except zlib.error as error:
            raise TornRecord(start, f"the compressed data are damaged ({error})") from error
        yield record.end(consumed)
        start += consumed
        data = data or file.read(piece)


def _walk_plain(file: BinaryIO, keep: int, place: int, piece: int) -> Iterator[RawRecord]:
    line = file.readline(MAX_HEAD)
    while line:
        record = _Record(place, keep)
        length = 0
        while line:
            record.feed(line)
            length += len(line)
            if not line.strip():
                break
            line = file.readline(MAX_HEAD)
        while record.missing:
            data = file.read(min(record.missing, piece))
            if not data:
                raise TornRecord(place, "the file ends inside of this record")
            record.feed(data)
            length += len(data)
        found = record.end(length)
        _check_digest(found, record)
        yield found
        place += length
        # Two empty lines belong to the end of a record; what is in them tells nothing.
        while line := file.readline(MAX_HEAD):
            if line.strip():
                break
            place += len(line)


class _Record:
    """A record that is being read: head, then as many bytes as the head says, then nothing but line ends."""

    def __init__(self, offset: int, keep: int) -> None:
        self.offset = offset
        self.fields: dict[str, str] = {}
        self.missing = 0
        self._keep = keep
        self._head = b""
        self._in_block = False
        self._length = 0
        self._block: list[bytes] = []
        self._kept = 0
        self._sha256 = hashlib.sha256()
        self._declared: tuple[str, str] | None = None

    def feed(self, data: bytes) -> None:
        if not self._in_block:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                if not b"WARC/".startswith(self._head[:5]):
                    raise TornRecord(self.offset, "no WARC record begins here")
                if len(self._head) > MAX_HEAD:
                    raise TornRecord(self.offset, "the head of this record does not end")
                return
            data = self._head[end + 4 :]
            self._begin(self._head[:end])
        part = data[: self.missing]
        self.missing -= len(part)
        self._sha256.update(part)
        if self._kept < self._keep:
            self._block.append(part[: self._keep - self._kept])
            self._kept += len(self._block[-1])
        if rest := data[len(part) :].strip(b"\r\n"):
            what = "several records share one gzip member" if rest.startswith(b"WARC/") else "its length is wrong"
            raise TornRecord(self.offset, what)

    def _begin(self, head: bytes) -> None:
        first, fields = parse_fields(head)
        self.fields = {name.lower(): value for name, value in fields}
        length = self.fields.get("content-length", "")
        if not first.startswith("WARC/") or not length.isascii() or not length.isdigit():
            raise TornRecord(self.offset, "no WARC record begins here")
        if len(length) > _MAX_DIGITS:
            raise TornRecord(self.offset, "the Content-Length of this record is no length")
        self._in_block = True
        self._length = self.missing = int(length)

    def end(self, length: int) -> RawRecord:
        if not self._in_block or self.missing:
            raise TornRecord(self.offset, "this record is cut")
        return RawRecord(
            offset=self.offset,
            length=length,
            fields=self.fields,
            block=b"".join(self._block),
            block_length=self._length,
            block_sha256=self._sha256.hexdigest(),
        )


def _check_digest(found: RawRecord, record: _Record) -> None:
    """Compare a plain record with its own digest, where that is a sha256 or was kept whole (gzip has its checksum)."""
    name, _, wanted = found.fields.get("warc-block-digest", "").partition(":")
    name = name.lower().replace("-", "")
    if name == "sha256":
        digest = bytes.fromhex(found.block_sha256)
    elif name in ("sha1", "md5") and len(found.block) == found.block_length:
        digest = hashlib.new(name, found.block).digest()
    else:
        return
    if wanted.lower().rstrip("=") not in (digest.hex(), base64.b32encode(digest).decode().lower().rstrip("=")):
        raise TornRecord(record.offset, "its bytes do not fit its digest")
