"""Bytes of a page to text: which charset, in an order that finds what a reader of the page would see.

The order follows the WHATWG encoding sniffing algorithm (byte order mark, HTTP header, meta in the first 4 KiB) with
three departures that keep text: bytes that are valid UTF-8 beat a declared single-byte charset (servers name
ISO-8859-1 for everything), a declared charset in which the bytes are not valid is not believed, and a page without any
declaration is looked at. Not for compression (`webtext.crawler.fetch.decoding`).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, resolve_encoding

DETECT_BYTES = 16_384  # of the page's own text nodes; charset detection costs some milliseconds a KiB
SNIFF_BYTES = 1_024  # where UTF-16 without a byte order mark is looked for
BINARY_CHARACTERS = 65_536  # where binary data is looked for

# Random bytes read as windows-1252 are 13 % control or undefined characters; damaged text has far fewer.
BINARY_SHARE = 0.05
# Of the characters beyond ASCII: more than this, and the page is not in that charset but for some damage.
DAMAGED_SHARE = 0.10
# Pages in English need few bytes beyond ASCII (quotes, dashes, names), and those are windows-1252.
SPARSE_SHARE = 0.02

FALLBACK = "cp1252"  # the default of browsers for most languages (WHATWG)

# The legacy charsets of the Encoding Standard that the web uses, and no others: unguided detection likes EBCDIC.
_DETECTABLE = [
    "cp1252", "cp1251", "koi8_r", "cp1250", "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258",
    "cp874", "gb18030", "big5", "big5hkscs", "cp932", "euc_jp", "cp949", "iso2022_jp",
]  # fmt: skip

_SINGLE_BYTE = re.compile(r"^(cp125\d|cp874|iso8859[-_]\d+|latin[-_]?1|koi8[-_][ru]|mac[-_]\w+|ascii)$")
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_TAG = re.compile(rb"<[^<>]*>")
_HIGH = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True)
class Decoded:
    """A page's text, the charset it was read in (Python's name), and whether it is no text at all."""

    text: str
    encoding: str
    binary: bool


def decode_page(body: bytes, content_type: str = "") -> Decoded:
    """Decode a page.

    Args:
        body: the body after its content encoding was undone; may be cut anywhere.
        content_type: the header's value.

    Returns:
        The text (undecodable bytes as U+FFFD). The same bytes and header always give the same text.
    """
    found, mark = read_bom(body)
    if found is not None and mark is not None:
        return _decoded(_read(body[len(mark) :], found, "replace") or "", found)
    for name, text in _attempts(body, content_type):
        if text is not None:
            return _decoded(text, name)
    name = detect_charset(body)
    return _decoded(_read(body, name, "replace") or "", name)


def detect_charset(body: bytes) -> str:
    """The legacy charset that undeclared bytes are most likely in; looks at a bounded part of the text nodes."""
    text = _TAG.sub(b" ", body[: 4 * DETECT_BYTES])[:DETECT_BYTES]
    high = sum(map(len, _HIGH.findall(text)))
    if high <= SPARSE_SHARE * len(text):
        return FALLBACK
    best = from_bytes(text, cp_isolation=_DETECTABLE, preemptive_behaviour=False).best()
    return str(best.encoding) if best is not None else FALLBACK


def _attempts(body: bytes, content_type: str) -> list[tuple[str, str | None]]:
    """The readings to try in order; None where a reading does not hold."""
    wide = _wide_charset(body[:SNIFF_BYTES])
    if wide is not None:
        return [(wide, _read(body, wide, "replace"))]
    utf8 = _read(body, "utf-8", "strict")
    declared = _declared(body, content_type)
    attempts = []
    for name in declared:
        if utf8 is not None and (name == "utf-8" or _SINGLE_BYTE.match(name)):
            return [("utf-8", utf8)]
        attempts.append((name, _read(body, name, "strict")))
    attempts.append(("utf-8", utf8))
    if all(text is None for _, text in attempts):
        attempts += [(name, _damaged(body, name)) for name in (*declared, "utf-8")]
    return attempts


def _declared(body: bytes, content_type: str) -> list[str]:
    names = []
    for name in (http_content_type_encoding(content_type), html_body_declared_encoding(body)):
        # A page whose meta could be read as ASCII is not in a two-byte charset, whatever it says (WHATWG).
        if name is not None and not name.startswith(("utf-16", "utf-32")) and name not in names:
            names.append(name)
    return names


def _wide_charset(start: bytes) -> str | None:
    """UTF-16 without a byte order mark: markup has a zero in every second byte."""
    half = len(start) // 2
    if half < 8:
        return None
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if odd > 0.4 * half and even < 0.1 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.1 * half:
        return "utf-16-be"
    return None


def _read(body: bytes, name: str, errors: str) -> str | None:
    """The text, None where the bytes are not valid; a character cut in two at the end is no error."""
    resolved = resolve_encoding(name)
    if resolved is None:
        return None
    try:
        return codecs.getincrementaldecoder(resolved)(errors).decode(body, final=False)
    except (UnicodeDecodeError, LookupError, AttributeError):
        return None


def _damaged(body: bytes, name: str) -> str | None:
    """The text with U+FFFD, where nearly all beyond ASCII could be read."""
    text = _read(body, name, "replace")
    if text is None:
        return None
    beyond = sum(character > "\x7f" for character in text)
    return text if text.count("\ufffd") <= DAMAGED_SHARE * beyond else None


def _decoded(text: str, name: str) -> Decoded:
    start = text[:BINARY_CHARACTERS]
    return Decoded(text, name, binary=len(_BINARY.findall(start)) > BINARY_SHARE * len(start))
