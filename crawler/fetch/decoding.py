"""Undo a body's Content-Encoding within a bound: what the server sent, as the bytes of the page.

Not for character sets: what comes out is still bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

try:
    from isal import isal_zlib  # Intel's isa-l: twice as fast
except ImportError:  # no wheel for this machine
    isal_zlib = None  # type: ignore[assignment]

Headers = Sequence[tuple[str, str]]
"""HTTP header fields in the order in which they came."""

# zstd blocks hold at most 128 kB and can be as small as 4 bytes (RFC 8878): fed so few bytes at a time, a bomb makes at
# most 16 of them, 2 MB, before the bound is looked at.
_ZSTD_PIECE = 64
_ZSTD_WINDOW = 8 << 20  # RFC 9659: the largest window a decoder of Content-Encoding: zstd must accept
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_BITS = 31  # zlib's number for gzip's wrapping
# zlib hands back what follows a stream as a copy: fed so many bytes at a time, and with so many members at most, those
# copies stay below 64 MB. Who compresses in blocks of 64 kB (bgzip) has 160 members in 10 MB.
_ZLIB_PIECE = 1 << 16
_MAX_MEMBERS = 1_000
_MAX_ENCODINGS = 5  # one over the other, as curl has it: each is decoded up to the limit


class UndecodableBody(Exception):
    """The body does not decode: its encoding is damaged."""


class TooLarge(UndecodableBody):
    """The body would be larger than the limit once decoded."""


class CutShort(UndecodableBody):
    """The encoded body ends before its end: the answer did not arrive whole. `begun` is its beginning, decoded."""

    def __init__(self, begun: bytes) -> None:
        super().__init__("the compressed body ends too early")
        self.begun = begun


def decode_body(headers: Headers, body: bytes, limit: int) -> bytes:
    """The body without its content encodings (RFC 9110, section 8.4), at most `limit` bytes.

    gzip, deflate (with or without zlib's wrapping), br and zstd. An encoding that is not known is taken for none, as
    browsers do; so is "gzip" over a body without gzip's magic, which whoever recorded it has decoded already. Bytes
    after the end of the encoded data are ignored.

    Raises:
        TooLarge: more than `limit` bytes; found without decoding more than a little over `limit`.
        CutShort: the encoded data end too early.
        UndecodableBody: the encoded data are damaged, are more than 1,000 gzip members, or more than 5 encodings lie
            one over the other.
    """
    encodings = content_encodings(headers)
    if len(encodings) > _MAX_ENCODINGS:
        raise UndecodableBody(f"{len(encodings)} encodings one over the other")
    for under, encoding in reversed(list(enumerate(encodings))):
        if body:
            try:
                body = _DECODERS[encoding](body, limit)
            except CutShort as error:
                raise CutShort(b"" if under else error.begun) from error  # what is still encoded says nothing
    if len(body) > limit:
        raise TooLarge(f"more than {limit:,} bytes")
    return body


def content_encodings(headers: Headers) -> list[str]:
    """The known encodings of a body, in the order in which they were applied."""
    fields = [value for name, value in headers if name.lower() == "content-encoding"]
    words = [word.strip().lower() for value in fields for word in value.split(",")]
    return [word for word in words if word in _DECODERS]


def _gzip(body: bytes, limit: int) -> bytes:
    if not body.startswith(_GZIP_MAGIC):
        return body
    out: list[bytes] = []
    size = place = 0
    while body.startswith(_GZIP_MAGIC, place):  # members may follow each other
        if len(out) == _MAX_MEMBERS:
            raise UndecodableBody(f"more than {_MAX_MEMBERS:,} gzip members")
        try:
            part, place = _member(body, place, limit - size)
        except CutShort as error:
            raise CutShort(b"".join([*out, error.begun])) from error
        out.append(part)
        size += len(part)
    return b"".join(out)


def _deflate(body: bytes, limit: int) -> bytes:
    try:
        return _inflate(zlib, body, 0, zlib.MAX_WBITS, limit)[0]
    except (TooLarge, CutShort):
        raise
    except UndecodableBody:
        return _inflate(zlib, body, 0, -zlib.MAX_WBITS, limit)[0]  # many servers send it raw


def _member(body: bytes, start: int, limit: int) -> tuple[bytes, int]:
    """One gzip member, and where it ends."""
    if isal_zlib is not None:  # not for bare deflate: without a checksum it takes codes that zlib refuses
        try:
            return _inflate(isal_zlib, body, start, _GZIP_BITS, limit)
        except TooLarge:
            raise
        except UndecodableBody:
            pass  # it gives a byte less of a stream that is cut, and words of its own: zlib tells
    return _inflate(zlib, body, start, _GZIP_BITS, limit)


def _inflate(library: Any, body: bytes, start: int, bits: int, limit: int) -> tuple[bytes, int]:
    """One deflate stream, and where it ends."""
    decoder = library.decompressobj(bits)
    out: list[bytes] = []
    size, place = 0, start
    while not decoder.eof:
        piece = body[place : place + _ZLIB_PIECE]
        if not piece:
            raise CutShort(b"".join(out))
        try:
            out.append(decoder.decompress(piece, limit - size + 1))
        except library.error as error:
            raise UndecodableBody(str(error)) from error
        size += len(out[-1])
        if size > limit:
            raise TooLarge(f"more than {limit:,} bytes")
        place += len(piece) - len(decoder.unused_data)
    return b"".join(out), place


def _brotli(body: bytes, limit: int) -> bytes:
    import brotli

    decoder = brotli.Decompressor()
    out: list[bytes] = []
    size = 0
    try:
        part = decoder.process(body, output_buffer_limit=1 << 16)
        while part or not decoder.can_accept_more_data():
            out.append(part)
            size += len(part)
            if size > limit:
                raise TooLarge(f"more than {limit:,} bytes")
            part = decoder.process(b"", output_buffer_limit=1 << 16)
    except brotli.error as error:
        raise UndecodableBody(str(error)) from error
    if not decoder.is_finished():
        raise CutShort(b"".join(out))
    return b"".join(out)


def _zstd(body: bytes, limit: int) -> bytes:
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    out: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(body), _ZSTD_PIECE):
            out.append(decoder.decompress(body[start : start + _ZSTD_PIECE]))
            size += len(out[-1])
            if size > limit:
                raise TooLarge(f"more than {limit:,} bytes")
            if decoder.eof:
                return b"".join(out)
    except zstandard.ZstdError as error:
        raise UndecodableBody(str(error)) from error
    raise CutShort(b"".join(out))


def _identity(body: bytes, limit: int) -> bytes:
    return body


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": _identity,
}
