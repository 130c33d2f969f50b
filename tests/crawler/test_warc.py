"""Segments: readable by others, synced before they count, cut after a crash; and the files of others, walked."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from hypothesis import given
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from webtext.corpus.errors import DamagedFile
from webtext.crawler.fetch.cdxj import cdxj_line, surt
from webtext.crawler.fetch.records import (
    MAX_HEAD,
    Provenance,
    StoredResponse,
    build_record,
    parse_response,
    record_id,
    request_bytes,
    response_records,
)
from webtext.crawler.fetch.walking import TornRecord, walk
from webtext.crawler.fetch.warc import Segments, read_raw, read_record, response_of

WHEN = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
REQUEST = request_bytes("/a?b=1", "a.example", [("User-Agent", "webtext/0.1")])
PLAIN = StoredResponse(
    "http://a.example/a?b=1",
    200,
    [("Content-Type", "text/html; charset=utf-8"), ("X-Name", "caf\xe9"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
    b"<p>h\xc3\xa9llo</p>" * 50,
    WHEN,
)
PACKED = replace(
    PLAIN,
    url="http://b.example/",
    headers=[("Content-Type", "text/html"), ("Content-Encoding", "gzip")],
    body=gzip.compress(b"<p>packed</p>" * 50, mtime=0),
)
REDIRECT = replace(PLAIN, status=301, headers=[("Location", "http://b.example/")], body=b"")


def write(folder: Path, *stored: StoredResponse) -> list[tuple[Path, int, int]]:
    """Put responses with their requests into a fresh segment; where each response lies."""
    segments = Segments(folder, {}, {"software": "webtext/test"})
    places = []
    for hop, one in enumerate(stored):
        records = response_records(7, hop, one, REQUEST)
        assert records.request is not None
        number, offset = segments.append(records.response, records.request)
        places.append((folder / f"segment-{number:05d}.warc.gz", offset, len(records.response)))
    segments.sync()
    segments.close()
    return places


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    places = write(tmp_path, PLAIN, PACKED, REDIRECT)
    for stored, place in zip((PLAIN, PACKED, REDIRECT), places, strict=True):
        found = read_record(*place)
        assert found == replace(stored, headers=[*stored.headers, ("Content-Length", str(len(stored.body)))])


def test_warcio_reads_the_segments_and_the_digests_fit(tmp_path: Path) -> None:
    (path, *_), *_ = write(tmp_path, PLAIN, PACKED, REDIRECT)
    seen = []
    with path.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            body = record.raw_stream.read()
            seen.append((record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), body))
            assert record.digest_checker.passed is not False
    assert [(kind, uri) for kind, uri, _ in seen] == [
        ("warcinfo", None),
        ("response", PLAIN.url), ("request", PLAIN.url),
        ("response", PACKED.url), ("request", PACKED.url),
        ("response", REDIRECT.url), ("request", REDIRECT.url),
    ]  # fmt: skip
    assert seen[1][2] == PLAIN.body
    assert seen[3][2] == PACKED.body
    assert b"software: webtext/test" in seen[0][2]


def test_fastwarc_reads_the_segments_and_the_digests_fit(tmp_path: Path) -> None:
    (path, *_), *_ = write(tmp_path, PLAIN, PACKED)
    responses = []
    with path.open("rb") as file:
        blocks = [
            (record.headers["WARC-Type"], record.verify_block_digest())
            for record in FastIterator(file, parse_http=False)
        ]
    assert blocks == [("warcinfo", False), *[("response", True), ("request", True)] * 2]  # warcinfo has no digest
    with path.open("rb") as file:
        for record in FastIterator(file):
            if record.headers["WARC-Type"] == "response":
                assert record.verify_payload_digest()
                responses.append((record.headers["WARC-Target-URI"], record.reader.read()))
    assert responses == [(PLAIN.url, PLAIN.body), (PACKED.url, PACKED.body)]


def test_a_chunked_answer_is_stored_joined_and_says_so() -> None:
    chunked = replace(PLAIN, headers=[("Transfer-Encoding", "chunked"), ("Content-Length", "9")])
    raw = next(walk(io.BytesIO(response_records(1, 0, chunked, None).response), 1 << 20))
    head = raw.block.split(b"\r\n\r\n")[0].lower()
    assert b"transfer-encoding" not in head
    assert head.count(b"content-length: %d" % len(PLAIN.body)) == 1


@pytest.mark.parametrize("reason", ["length", "time", "disconnect"])
def test_a_body_that_is_not_whole_is_marked_for_everyone(tmp_path: Path, reason: str) -> None:
    half = replace(PACKED, body=PACKED.body[: len(PACKED.body) // 2], truncated=reason)
    ((path, offset, length),) = write(tmp_path, half)
    assert read_record(path, offset, length).truncated == reason
    with path.open("rb") as file:
        told = [
            (record.rec_headers.get_header("WARC-Truncated"), record.raw_stream.read())
            for record in ArchiveIterator(file, check_digests="raise")
            if record.rec_type == "response"
        ]
    assert told == [(reason, half.body)]
    with path.open("rb") as file:
        seen = [
            (record.headers["WARC-Truncated"], record.verify_payload_digest())
            for record in FastIterator(file)
            if record.headers["WARC-Type"] == "response"
        ]
    assert seen == [(reason, True)]


def test_a_record_out_of_an_archive_says_where_it_was_taken_from(tmp_path: Path) -> None:
    came = Provenance("wayback", "https://web.archive.org/web/2013id_/http://a.example/", WHEN, WHEN, 0)
    segments = Segments(tmp_path, {}, {})
    records = response_records(7, 0, PACKED, None, came)
    assert records.origin is not None
    segments.append(records.response, records.origin)
    segments.sync()
    segments.close()
    path = tmp_path / "segment-00000.warc.gz"
    with path.open("rb") as file:
        found = [
            (record.rec_type, record.rec_headers, record.raw_stream.read())
            for record in ArchiveIterator(file, check_digests="raise")
        ]
    assert [kind for kind, *_ in found] == ["warcinfo", "response", "metadata"]
    (_, response, body), (_, metadata, text) = found[1:]
    assert (response.get_header("WARC-Source-URI"), body) == (came.address, PACKED.body)
    assert response.get_header("WARC-Creation-Date") == "2025-03-04T05:06:07Z"
    assert metadata.get_header("WARC-Refers-To") == response.get_header("WARC-Record-ID")
    assert text.splitlines()[0] == b"source: wayback"
    with path.open("rb") as file:
        assert [r.verify_block_digest() for r in FastIterator(file, parse_http=False)] == [False, True, True]


def test_what_others_record_as_revisits_and_cut_answers_is_no_page() -> None:
    """Of a revisit there is no body; a cut answer says so."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    revisit = next(walk(io.BytesIO(gzip.compress(foreign(head, "revisit"))), 1_000))
    with pytest.raises(ValueError, match="revisit"):
        response_of(revisit)
    cut = foreign(head + b"<p>half").replace(b"WARC-Type", b"WARC-Target-URI: http://a.example/\r\nWARC-Date: "
        b"2025-03-04T05:06:07Z\r\nWARC-Truncated: length\r\nWARC-Type", 1)  # fmt: skip
    assert response_of(next(walk(io.BytesIO(gzip.compress(cut)), 1_000))).truncated == "length"


def test_a_compressed_body_is_not_compressed_again() -> None:
    body = gzip.compress(bytes(range(256)) * 100, compresslevel=9)
    packed = response_records(1, 0, replace(PACKED, body=body), None).response
    assert body in packed


def test_record_ids_follow_from_what_is_recorded() -> None:
    a, b = "http://a.example/", "http://b.example/"
    one = record_id(0xABC, 0, a, "ff")
    assert one == record_id(0xABC, 0, a, "ff") == "urn:uuid:" + one.removeprefix("urn:uuid:")
    others = [record_id(*fields) for fields in ((0xABD, 0, a, "ff"), (0xABC, 1, a, "ff"), (0xABC, 0, a, "fe"))]
    assert len({one, *others, record_id(0xABC, 0, b, "ff")}) == 5
    assert one.split("-")[2].startswith("8")


@given(body=st.binary(max_size=300), status=st.integers(100, 599), value=st.text("abc \xe9;=,", max_size=20))
def test_any_answer_survives_its_record(body: bytes, status: int, value: str) -> None:
    stored = StoredResponse("http://a.example/", status, [("X-Value", value.strip())], body, WHEN)
    raw = next(walk(io.BytesIO(response_records(1, 0, stored, None).response), 1 << 20))
    found = parse_response("http://a.example/", raw.block, WHEN)
    assert (found.status, found.body, found.headers[0]) == (status, body, ("X-Value", value.strip()))


def test_segments_roll_at_their_limit(tmp_path: Path) -> None:
    segments = Segments(tmp_path, {}, {}, limit=1_000)
    member = build_record([("WARC-Type", "metadata")], bytes(1_000), level=0)
    places = [segments.append(member) for _ in range(4)]
    grown = segments.sync()
    segments.close()
    assert [number for number, _ in places] == [0, 1, 2, 3]
    assert grown == {number: (tmp_path / f"segment-{number:05d}.warc.gz").stat().st_size for number in range(4)}
    assert segments.sync() == {}


def test_a_crash_leaves_only_what_was_committed(tmp_path: Path) -> None:
    (path, *_), (_, offset, _) = write(tmp_path, PLAIN, PACKED)
    (tmp_path / "segment-00001.warc.gz").write_bytes(b"never committed")
    segments = Segments(tmp_path, {0: offset}, {})
    assert path.stat().st_size == offset
    assert not (tmp_path / "segment-00001.warc.gz").exists()
    # and goes on behind it
    assert segments.append(b"next") == (0, offset)
    assert segments.sync() == {0: offset + 4}
    segments.close()


@pytest.mark.parametrize("how", ["missing", "shorter"])
def test_a_segment_that_lost_committed_bytes_is_damaged(tmp_path: Path, how: str) -> None:
    (path, *_), *_ = write(tmp_path, PLAIN)
    length = path.stat().st_size
    path.unlink() if how == "missing" else path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match=r"segment-00000.*\n.*--refetch"):
        Segments(tmp_path, {0: length}, {})


def test_a_record_that_is_not_there_is_damaged(tmp_path: Path) -> None:
    ((path, offset, length),) = write(tmp_path, PLAIN)
    for place in (
        (path, offset + 1, length),
        (path, offset, length - 5),
        (path, path.stat().st_size, length),
        (path, 0, offset),
    ):
        with pytest.raises(DamagedFile, match="no whole response record"):
            read_record(*place)
    spoilt = bytearray(path.read_bytes())
    spoilt[offset + length // 2] ^= 0x10
    path.write_bytes(spoilt)
    with pytest.raises(DamagedFile, match=f"at byte {offset}"):
        read_record(path, offset, length)


@pytest.mark.parametrize("compressed", [True, False])
def test_of_a_large_record_only_what_is_kept_is_held(tmp_path: Path, compressed: bool) -> None:
    """In compressed bytes, too, for bodies that do not compress."""
    data = foreign(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 20_000_000)
    packed = gzip.compress(data, 0) if compressed else data
    length = len(packed) if compressed else len(packed) - 4
    path = tmp_path / "large.warc"
    path.write_bytes(b"before" + packed + b"after")
    tracemalloc.start()
    raw = read_raw(path, 6, length, keep=100)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(raw.block), raw.block_length, raw.length) == (100, 20_000_019, length)
    assert most < 4_000_000


def foreign(block: bytes, kind: str = "response") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Length: {len(block)}\r\n\r\n".encode()
    return head + block + b"\r\n\r\n"


BLOCKS = [b"HTTP/1.1 200 OK\r\n\r\none", b"", b"WARC/1.0\r\n\r\nlooks like a record", b"x" * 600_000]


@pytest.mark.parametrize("compressed", [True, False])
def test_walking_gives_every_record_and_its_place(compressed: bool) -> None:
    pieces = [gzip.compress(foreign(block)) if compressed else foreign(block) for block in BLOCKS]
    data = b"".join(pieces)
    found = list(walk(io.BytesIO(data), 1 << 20))
    assert [raw.block for raw in found] == BLOCKS
    for raw, piece in zip(found, pieces, strict=True):
        assert data[raw.offset : raw.offset + raw.length].strip(b"\r\n") == piece.strip(b"\r\n")
    assert [len(raw.block) for raw in walk(io.BytesIO(data), 10)] == [10, 0, 10, 10]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_was_cut_anywhere_in_its_last_record_is_torn(compressed: bool) -> None:
    pieces = [foreign(BLOCKS[0]), foreign(b"HTTP/1.1 200 OK\r\n\r\ntwo")]
    data = b"".join(gzip.compress(piece) if compressed else piece for piece in pieces)
    first = len(gzip.compress(pieces[0])) if compressed else len(pieces[0])
    whole = len(data) if compressed else len(data) - 4  # without the empty lines a plain record is whole, too
    for end in range(first + 1, whole):
        with pytest.raises(TornRecord) as caught:
            list(walk(io.BytesIO(data[:end]), 100))
        assert caught.value.offset == first
    assert len(list(walk(io.BytesIO(data[:first]), 100))) == 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04 a zip file\n" * 100, "no WARC record begins here"),
        (b"plain text without a line end" * 4_000, "no WARC record begins here"),
        (gzip.compress(b"not a WARC record", mtime=0), "no WARC record begins here"),
        (gzip.compress(foreign(b"1") + foreign(b"2"), mtime=0), "several records share one gzip member"),
        (foreign(b"12345").replace(b"Length: 5", b"Length: 3"), "its length is wrong|no WARC record"),
        (b"\x28\xb5\x2f\xfd....", "zstd"),
        (b"WARC/1.0\r\nX: " + b"y" * 80_000, "head of this record does not end"),
        (foreign(b"1").replace(b"Length: 1", b"Length: " + b"1" * 5_000), "no length"),
    ],
)
def test_files_of_others_that_are_no_warc_files(data: bytes, what: str) -> None:
    with pytest.raises(TornRecord, match=what):
        list(walk(io.BytesIO(data), 100))


def test_a_plain_record_must_fit_its_digest() -> None:
    stored = zlib.decompress(response_records(1, 0, PLAIN, None).response, wbits=31)
    assert list(walk(io.BytesIO(stored), 1 << 20))
    with pytest.raises(TornRecord, match="digest"):
        list(walk(io.BytesIO(stored.replace(b"llo</p><p>", b"LLO</p><p>")), 1 << 20))


@pytest.mark.parametrize(
    ("block", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\njoined by its recorder", b"joined by its recorder"),
        (b"HTTP/1.0 200 OK\nContent-Type: text/html\n\nbare line ends", b"bare line ends"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/2 200\r\nA: b\r\n\r\nx", b"x"),
    ],
)
def test_http_answers_as_recorders_store_them(block: bytes, body: bytes) -> None:
    assert parse_response("http://a.example/", block, WHEN).body == body


def test_folded_lines_are_joined() -> None:
    block = b"HTTP/1.1 200 OK\r\nA: one\r\n  two\r\n\tthree\r\nB: four\r\n\r\n"
    assert parse_response("http://a.example/", block, WHEN).headers == [("A", "one two three"), ("B", "four")]


@pytest.mark.parametrize("line", [b"\r\nA: b", b"\r\n folded", b"x"])
def test_a_head_has_an_end(line: bytes) -> None:
    """Within 64 KiB: heads without an end would be parsed in the crawl's one thread."""
    head = b"HTTP/1.1 200 OK\r\nA: " + line * ((MAX_HEAD - 40) // len(line))
    assert parse_response("http://a.example/", head + b"\r\n\r\nbody", WHEN).body == b"body"
    with pytest.raises(ValueError, match="HTTP head does not end"):
        parse_response("http://a.example/", head + line * 20 + b"\r\n\r\nbody", WHEN)


@pytest.mark.parametrize("block", [b"", b"<html>", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n"])
def test_what_is_no_http_answer(block: bytes) -> None:
    with pytest.raises(ValueError, match="HTTP"):
        parse_response("http://a.example/", block, WHEN)


# What the package surt 0.3.1 gives for these (pywb and cdxj-indexer use it); for 184,151 real links and 17,526 made-up
# ones, too, it and ours were the same.
SURTS = [
    ("http://www.Example.com:80/A/b?z=1&a=2", "com,example)/a/b?a=2&z=1"),
    ("https://news.example.co.uk/", "uk,co,example,news)/"),
    ("http://a.example:8080/x", "example,a:8080)/x"),
    ("https://example.com:443/x", "com,example)/x"),
    ("https://example.com:80/x", "com,example:80)/x"),
    ("http://192.168.1.2/x", "2,1,168,192)/x"),
    ("http://[::1]:81/x", "::1:81)/x"),
    ("https://www2.example.com/", "com,example)/"),
    ("http://www.com/", "com)/"),
    ("http://user.example.com./x", "com,example,user)/x"),
    ("https://www.example.com/a/", "com,example)/a"),
    ("http://example.com/a//b", "com,example)/a/b"),
    ("https://example.com/a?", "com,example)/a"),
    ("http://example.com/?a=1&&b=2", "com,example)/?&a=1&b=2"),
    ("http://example.com/?b&a=", "com,example)/?a=&b"),
    ("http://example.com/~a/%7Eb", "com,example)/~a/~b"),
    ("http://example.com/%C3%A9", "com,example)/%c3%a9"),
    ("http://example.com/a/%252e%252e/b", "com,example)/b"),
    ("http://example.com/a+b c", "com,example)/a+b%20c"),
    ("https://example.com/Path?PHPSESSID=0123456789abcdef0123456789abcdef&a=1", "com,example)/path?a=1"),
    ("http://example.com/a?q=a%2Bb&sid=0123456789abcdef0123456789abcdef", "com,example)/a?&q=a+b"),
    ("http://example.com/(abcdefghijklmnopqrstuvwx)/x.aspx", "com,example)/x.aspx"),
]


@pytest.mark.parametrize(("url", "key"), SURTS)
def test_surt(url: str, key: str) -> None:
    assert surt(url) == key


def test_a_line_of_the_index() -> None:
    line = cdxj_line(
        "http://a.example/",
        WHEN,
        status=200,
        mime="text/html",
        digest="ab",
        segment="segment-00000.warc.gz",
        offset=5,
        length=9,
    )
    assert line == (
        'example,a)/ 20250304050607 {"url": "http://a.example/", "mime": "text/html", "status": "200", '
        '"digest": "sha256:ab", "length": "9", "offset": "5", "filename": "segment-00000.warc.gz"}'
    )
