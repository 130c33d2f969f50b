"""WARC records as bytes: build ours, and parse the HTTP answer inside of one.

WARC/1.1 (ISO 28500:2017); every record of ours is one gzip member, so that it can be read alone. Not for walking
through files (`webtext.crawler.fetch.walking`), nor for files that grow and are cut (`webtext.crawler.fetch.warc`).
"""

from __future__ import annotations

import hashlib
import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import responses as REASONS

from webtext.crawler.fetch.decoding import Headers, content_encodings

WARC_TIME = "%Y-%m-%dT%H:%M:%SZ"

MAX_HEAD = 1 << 16
"""The longest head, in bytes, of a WARC record or of an HTTP answer: what is longer was made to hurt."""

# Of 510 real pages of 216 kB: level 3 takes 1.54 ms and 19.6 %, level 6 takes 3.32 ms and 17.3 %, level 1 1.53 ms and
# 20.9 %. What the server has compressed is stored as it is (level 0): 0.1 ms.
_LEVEL = 3
_STORED = 0xFFFF  # bytes of a stored block at most


@dataclass(frozen=True)
class StoredResponse:
    """One HTTP answer: `headers` in their order, `body` as it went over the wire but for chunking, `fetched` in UTC."""

    url: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    fetched: datetime
    truncated: str = ""
    """Why `body` is not whole (WARC-Truncated: length, time, disconnect, unspecified), "" where it is."""

    def header(self, name: str) -> str | None:
        """The last field of that name, None where there is none."""
        return next((value for field, value in reversed(self.headers) if field.lower() == name), None)


@dataclass(frozen=True)
class Provenance:
    """From which archive an answer was taken, that did not come from its own server."""

    source: str
    address: str
    """Where the capture is had."""
    taken: datetime
    posted: datetime | None
    days_apart: int | None
    """Whole days between the capture (the record's date) and the submission."""


@dataclass(frozen=True)
class ResponseRecords:
    """The gzip members for one hop, and what an index says about the response."""

    url: str
    status: int
    mime: str
    fetched: datetime
    payload_sha256: str
    response: bytes
    request: bytes | None
    metadata: bytes | None = None
    """What was said of the page's use, as it stood when it was fetched (`evidence`)."""
    origin: bytes | None = None
    """Of an answer out of an archive: where it was taken from."""


def record_id(key: int, hop: int, url: str, payload_sha256: str, role: str = "response") -> str:
    """The WARC-Record-ID: a UUID (RFC 9562, version 8) from what the record holds, the same in every crawl of it.

    The address belongs to it: a link that was fetched under two spellings often has one payload, but two records.
    """
    digest = hashlib.sha256(f"webtext {role} {key:016x} {hop} {payload_sha256} {url}".encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return f"urn:uuid:{uuid.UUID(int=number)}"


def http_head(stored: StoredResponse) -> bytes:
    """The head of an answer as its record has it, with the empty line behind it."""
    headers = [
        (name, value)
        for name, value in stored.headers
        # The body is without its chunks: these fields would no longer be true.
        if name.lower() not in ("transfer-encoding", "content-length")
    ]
    reason = REASONS.get(stored.status, "")
    return _head(f"HTTP/1.1 {stored.status} {reason}", [*headers, ("Content-Length", str(len(stored.body)))])


def response_records(
    key: int, hop: int, stored: StoredResponse, request: bytes | None, provenance: Provenance | None = None
) -> ResponseRecords:
    """The records of one hop of a link; `request` is what was sent, None where nothing was (a replay)."""
    head = http_head(stored)
    payload = hashlib.sha256(stored.body).hexdigest()
    block = hashlib.sha256(head)
    block.update(stored.body)
    name = record_id(key, hop, stored.url, payload)
    fields = [
        ("WARC-Type", "response"),
        ("WARC-Record-ID", f"<{name}>"),
        ("WARC-Date", stored.fetched.strftime(WARC_TIME)),
        ("WARC-Target-URI", stored.url),
        ("WARC-Payload-Digest", f"sha256:{payload}"),
        ("WARC-Block-Digest", f"sha256:{block.hexdigest()}"),
        ("Content-Type", "application/http; msgtype=response"),
    ]
    if stored.truncated:
        fields.append(("WARC-Truncated", stored.truncated))
    if provenance is not None:
        # As warcio's and pywb's recorders mark what they take from other archives.
        fields.append(("WARC-Source-URI", provenance.address))
        fields.append(("WARC-Creation-Date", provenance.taken.strftime(WARC_TIME)))
    level = 0 if any(word != "identity" for word in content_encodings(stored.headers)) else _LEVEL
    asked = None
    if request is not None:
        fields_of_request = [
            ("WARC-Type", "request"),
            ("WARC-Record-ID", f"<{record_id(key, hop, stored.url, payload, 'request')}>"),
            ("WARC-Concurrent-To", f"<{name}>"),
            ("WARC-Date", stored.fetched.strftime(WARC_TIME)),
            ("WARC-Target-URI", stored.url),
            ("WARC-Block-Digest", f"sha256:{hashlib.sha256(request).hexdigest()}"),
            ("Content-Type", "application/http; msgtype=request"),
        ]
        asked = build_record(fields_of_request, request, level=1)
    mime = (stored.header("content-type") or "").split(";")[0].strip().lower()
    return ResponseRecords(
        url=stored.url,
        status=stored.status,
        mime=mime,
        fetched=stored.fetched,
        payload_sha256=payload,
        response=build_record(fields, head, stored.body, level=level),
        request=asked,
        origin=None if provenance is None else _origin(key, hop, stored, payload, name, provenance),
    )


def _origin(key: int, hop: int, stored: StoredResponse, payload: str, response: str, found: Provenance) -> bytes:
    """The record that says where an answer was taken from (WARC/1.1, section 6.6: application/warc-fields)."""
    told = {
        "source": found.source,
        "captured": stored.fetched.strftime(WARC_TIME),
        "posted": "unknown" if found.posted is None else found.posted.strftime(WARC_TIME),
        "days-apart": "unknown" if found.days_apart is None else str(found.days_apart),
        "via": found.address,
    }
    block = "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode()
    fields = [
        ("WARC-Type", "metadata"),
        ("WARC-Record-ID", f"<{record_id(key, hop, stored.url, payload, 'origin')}>"),
        ("WARC-Concurrent-To", f"<{response}>"),
        ("WARC-Refers-To", f"<{response}>"),
        ("WARC-Date", found.taken.strftime(WARC_TIME)),
        ("WARC-Target-URI", stored.url),
        ("WARC-Block-Digest", f"sha256:{hashlib.sha256(block).hexdigest()}"),
        ("Content-Type", "application/warc-fields"),
    ]
    return build_record(fields, block)


def request_bytes(target: str, host: str, headers: Headers) -> bytes:
    """The HTTP request that was sent for a page."""
    return _head(f"GET {target} HTTP/1.1", [("Host", host), *headers])


def build_record(fields: Sequence[tuple[str, str]], *block: bytes, level: int = 6) -> bytes:
    """One record as one gzip member."""
    length = sum(len(part) for part in block)
    head = "".join(f"{name}: {value}\r\n" for name, value in [*fields, ("Content-Length", str(length))])
    parts = [b"WARC/1.1\r\n", head.encode(), b"\r\n", *block, b"\r\n\r\n"]
    if level == 0:
        return _stored(b"".join(parts))
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return b"".join([packer.compress(b"".join(parts)), packer.flush()])


def _stored(data: bytes) -> bytes:
    """One gzip member (RFC 1952) of stored blocks (RFC 1951, section 3.2.4). zlib's level 0 copies each byte thrice."""
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in range(0, len(data), _STORED):
        part = data[start : start + _STORED]
        last = start + _STORED >= len(data)
        parts += [struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF), part]
    parts.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(parts)


def _head(first: str, headers: Headers) -> bytes:
    # Field values are bytes to HTTP; ours came in as latin-1 and go out so.
    text = "".join(f"{line}\r\n" for line in [first, *(f"{name}: {value}" for name, value in headers)])
    return text.encode("latin-1", "replace") + b"\r\n"


def parse_fields(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The first line and the fields of a WARC or HTTP head; lines without a colon are left out, folded ones joined."""
    first, *lines = head.replace(b"\r\n", b"\n").strip(b"\n").split(b"\n")
    fields: list[tuple[str, list[str]]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(line.strip().decode("latin-1"))
        elif b":" in line:
            name, _, value = line.partition(b":")
            fields.append((name.strip().decode("latin-1"), [value.strip().decode("latin-1")]))
    return first.decode("latin-1"), [(name, " ".join(values)) for name, values in fields]


def parse_warc_time(text: str) -> datetime:
    """A WARC-Date to whole seconds; finer ones are cut. ValueError where it is none."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)


def parse_response(url: str, block: bytes, fetched: datetime) -> StoredResponse:
    """The HTTP answer of a record's block, without chunking. ValueError where it is none, or its head is too long."""
    end, skip = _head_end(block)
    first, headers = parse_fields(block[:end])
    words = first.split(None, 2)
    if len(words) < 2 or not words[0].upper().startswith("HTTP/") or not words[1][:3].isdigit():
        raise ValueError("no HTTP status line")
    body = block[end + skip :]
    if any(n.lower() == "transfer-encoding" and "chunked" in v.lower() for n, v in headers):
        body = _without_chunks(body)
    return StoredResponse(url=url, status=int(words[1][:3]), headers=headers, body=body, fetched=fetched)


def _head_end(block: bytes) -> tuple[int, int]:
    """Where the head ends, and how long the empty line behind it is; together at most `MAX_HEAD` bytes."""
    strict = block.find(b"\r\n\r\n", 0, MAX_HEAD)
    loose = block.find(b"\n\n", 0, MAX_HEAD)
    if strict < 0 and loose < 0:
        if len(block) > MAX_HEAD:
            raise ValueError("the HTTP head does not end")
        return len(block), 0
    return (strict, 4) if loose < 0 or 0 <= strict < loose else (loose, 2)


def _without_chunks(body: bytes) -> bytes:
    """The body of a chunked answer; as it is where it is not chunked (many recorders join it and keep the field)."""
    parts: list[bytes] = []
    place = 0
    while True:
        end = body.find(b"\r\n", place)
        if end < 0:
            return body
        try:
            size = int(body[place:end].split(b";")[0], 16)
        except ValueError:
            return body
        if size == 0:
            return b"".join(parts)
        if size < 0 or end + 2 + size > len(body):
            return body
        parts.append(body[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
