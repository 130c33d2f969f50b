"""The crawl against servers that mean harm, over real HTTP: bombs, endless and trickling answers, garbage, names and
headers made to escape. Each has its outcome, none leaves anything outside of the corpus or in a terminal."""

from __future__ import annotations

import gzip
import os
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import brotli
import pytest
import zstandard
from crawling import IMPATIENT, QUICK, Answer, WildServer, crawl, moved, outcomes_of, pages_of, says
from warcio.archiveiterator import ArchiveIterator

from webtext.crawler.reddit.urls import normalise

PAGE = b"<!doctype html><title>A page</title><p>" + b"All kinds of words. " * 200
BIG = b"\0" * 5_000_000
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"


def coded(encoding: str, body: bytes, **headers: str) -> Answer:
    return says(body, {"Content-Encoding": encoding, **headers})


def raw(*parts: bytes, close: bool = True) -> Answer:
    def answer(connection: socket.socket, wild: WildServer) -> None:
        for part in parts:
            connection.sendall(part)
        if close:
            connection.close()

    return answer


def endlessly(head: bytes, part: bytes, pause: float = 0.0) -> Answer:
    def answer(connection: socket.socket, wild: WildServer) -> None:
        connection.sendall(head)
        while not wild.over.is_set():
            connection.sendall(part)
            if pause:
                wild.over.wait(pause)

    return answer


def deflated(body: bytes, bits: int = zlib.MAX_WBITS) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return packer.compress(body) + packer.flush()


HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = HTML + b"Transfer-Encoding: chunked\r\n\r\n"

ANSWERS: dict[str, tuple[Answer, tuple[str, ...]]] = {
    # bombs
    "gzip bomb": (coded("gzip", gzip.compress(BIG)), ("too-large",)),
    "deflate bomb": (coded("deflate", deflated(BIG)), ("too-large",)),
    "raw deflate bomb": (coded("deflate", deflated(BIG, -15)), ("too-large",)),
    "brotli bomb": (coded("br", brotli.compress(BIG)), ("too-large",)),
    "zstd bomb": (coded("zstd", zstandard.compress(BIG)), ("too-large",)),
    "gzip in gzip": (coded("gzip, gzip", gzip.compress(gzip.compress(BIG))), ("too-large",)),
    "brotli in gzip": (coded("br, gzip", gzip.compress(brotli.compress(BIG))), ("too-large",)),
    "gzip members": (coded("gzip", gzip.compress(b"") * 2_000), ("content-type",)),
    "six encodings": (coded("gzip, gzip, gzip, gzip, gzip, gzip", gzip.compress(PAGE)), ("content-type",)),
    "zstd window": (coded("zstd", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\0" * 100), ("content-type", "unreachable")),
    # endless, and slow
    "endless body": (endlessly(HTML + b"\r\n", b"<p>more" * 5_000), ("too-large",)),
    "endless chunks": (endlessly(CHUNKED, b"1000\r\n" + b"x" * 4_096 + b"\r\n"), ("too-large",)),
    "endless tiny chunks": (endlessly(CHUNKED, b"1\r\nx\r\n" * 1_000), ("too-large",)),
    "endless chunk extension": (endlessly(CHUNKED + b"1;", b"x" * 4_096), ("unreachable", "too-large")),
    "endless fields": (endlessly(HTML, b"X-A: " + b"x" * 1_000 + b"\r\n"), ("too-large", "unreachable")),
    "endless field": (endlessly(HTML + b"X-A: ", b"x" * 4_096), ("too-large", "unreachable")),
    "endless status": (endlessly(b"HTTP/1.1 200 ", b"O" * 4_096), ("too-large", "unreachable")),
    "endless interim": (endlessly(b"", b"HTTP/1.1 100 X\r\n\r\n" * 100), ("timeout", "too-large", "unreachable")),
    "endless trailers": (endlessly(CHUNKED + b"0\r\n", b"X-A: x\r\n" * 500), ("unreachable", "too-large")),
    "trickling body": (endlessly(HTML + b"Content-Length: 100000\r\n\r\n", b"<", 0.1), ("timeout",)),
    "trickling head": (endlessly(HTML, b"X", 0.1), ("timeout",)),
    "trickling chunks": (endlessly(CHUNKED, b"1\r\nx\r\n", 0.1), ("timeout",)),
    # garbage
    "binary": (raw(bytes(range(256)) * 8), ("unreachable",)),
    "nothing": (raw(), ("unreachable",)),
    "only a line end": (raw(b"\r\n\r\n"), ("unreachable",)),
    "HTTP/0.9": (raw(b"<p>page"), ("unreachable",)),
    "no status": (raw(b"HTTP/1.1\r\n\r\n"), ("unreachable",)),
    "status 99999": (raw(b"HTTP/1.1 99999 X\r\n\r\n"), ("unreachable",)),
    "status -1": (raw(b"HTTP/1.1 -1 X\r\n\r\n"), ("unreachable",)),
    "status 000": (raw(b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n"), ("unreachable", "http-error")),
    "switching protocols": (raw(b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n"), ("unreachable", "http-error", "timeout")),
    "negative length": (raw(HTML + b"Content-Length: -1\r\n\r\nx"), ("unreachable",)),
    "length of words": (raw(HTML + b"Content-Length: many\r\n\r\nx"), ("unreachable",)),
    "length of 400 digits": (raw(HTML + b"Content-Length: " + b"9" * 400 + b"\r\n\r\nx"), ("unreachable", "too-large")),
    "two lengths": (raw(HTML + b"Content-Length: 1\r\nContent-Length: 9\r\n\r\nx"), ("unreachable",)),
    "negative chunk": (raw(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"), ("unreachable",)),
    "huge chunk": (raw(CHUNKED + b"fffffffffffffff\r\nhello"), ("unreachable", "too-large")),
    "damaged gzip": (coded("gzip", b"\x1f\x8b\x08\x00garbage garbage garbage"), ("content-type", "unreachable")),
    "damaged brotli": (coded("br", b"\xff" * 100), ("content-type", "unreachable")),
    "damaged zstd": (coded("zstd", b"no zstd" * 20), ("content-type",)),
    "many fields": (raw(HTML + b"A: b\r\n" * 20_000 + b"\r\n" + PAGE), ("too-large", "unreachable")),
    # escapes
    "type": (says(PAGE, {"Content-Type": "text/x-\x1b[2J"}), ("page", "content-type")),
    "location": (moved("http://\x1b[2J/"), ("redirect",)),
    "location with a line": (moved("mailto:x\x1b]0;x\x07"), ("redirect",)),
    "tag": (says(PAGE, {"X-Robots-Tag": f"noai, {ESCAPES}".encode().decode("latin-1")}), ("opt-out",)),
    "policy": (says(PAGE, {"tdm-reservation": "1", "tdm-policy": ESCAPES.encode().decode("latin-1")}), ("opt-out",)),
    "cookie": (says(PAGE, {"Set-Cookie": "../../../../tmp/x=y; Path=/\x1b[2J"}), ("page",)),
    "file name": (says(PAGE, {"Content-Disposition": 'attachment; filename="../../../owned.html"'}), ("page",)),
    "bare returns": (raw(HTML + b"X-A: a\rWARC/1.1\r\nContent-Length: 2\r\n\r\nhi"), ("page", "unreachable")),
    "null octets": (raw(HTML + b"X-\0A: \0\r\nContent-Length: 2\r\n\r\nhi"), ("page", "unreachable")),
    "a page that says WARC": (says(b"WARC/1.1\r\nWARC-Type: response\r\n\r\n" + PAGE), ("page",)),
    "title": (says(f"<title>{ESCAPES}</title>".encode() + PAGE), ("page",)),
}  # fmt: skip


@dataclass
class Harm:
    corpus: Path
    server: WildServer
    urls: dict[str, str]
    shown: str

    def fate(self, name: str) -> tuple[str, str]:
        url = normalise(self.urls[name])
        return ("page", "") if url in pages_of(self.corpus) else outcomes_of(self.corpus)[url]


@pytest.fixture(scope="module")
def harm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harm]:
    server = WildServer()
    capture = tmp_path_factory.mktemp("shown") / "terminal"
    with server.running():
        urls = {
            name: server.add(f"h{number}.test", "/", answer)
            for number, (name, (answer, _)) in enumerate(ANSWERS.items())
        }
        server.add("rules.test", "/robots.txt", says(f"User-agent: *\nDisallow: /{ESCAPES}x\n".encode()))
        urls["rule"] = server.add("rules.test", f"/{'%1B'}x", PAGE)
        corpus = tmp_path_factory.mktemp("harm")
        settings = replace(QUICK, retries=0, max_bytes=150_000, max_decoded=300_000, tdm=True, ai_txt=False)
        # Those that time alone ends, first; then all that must not be late, 150,000 chunks of a byte among them.
        slow = [url for name, url in urls.items() if "timeout" in ANSWERS.get(name, ((), ()))[1]]
        before = os.dup(2)
        try:
            with capture.open("wb") as file:
                os.dup2(file.fileno(), 2)
                impatient = replace(settings, timeout=IMPATIENT.timeout)
                crawl(corpus, slow, settings=impatient, allow_loopback=server.hosts())
                crawl(corpus, list(urls.values()), settings=settings, allow_loopback=server.hosts())
        finally:
            os.dup2(before, 2)
            os.close(before)
        yield Harm(corpus, server, urls, capture.read_text(encoding="utf-8", errors="surrogateescape"))


@pytest.mark.parametrize("name", list(ANSWERS))
def test_each_has_its_outcome(harm: Harm, name: str) -> None:
    outcome, detail = harm.fate(name)
    assert outcome in ANSWERS[name][1], detail


def test_no_detail_holds_what_a_terminal_would_act_upon(harm: Harm) -> None:
    details = [detail for _, detail in outcomes_of(harm.corpus).values()]
    assert len(details) > 30
    assert [detail for detail in details if not detail.isprintable() or len(detail) > 400] == []


def test_nothing_of_a_server_reaches_the_terminal(harm: Harm) -> None:
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(harm.shown)


def test_nothing_lies_outside_of_the_corpus_or_under_a_servers_name(harm: Harm) -> None:
    names = sorted(str(path.relative_to(harm.corpus)) for path in harm.corpus.rglob("*") if path.is_file())
    assert names == [
        "links/part-00000.parquet", "outcomes/pages-00000.parquet", "pages/hosts.sqlite", "pages/index.cdxj",
        "pages/ledger.sqlite", "pages/segment-00000.warc.gz", "pages/stage.json",
    ]  # fmt: skip


def test_the_segment_is_whole_whatever_was_sent(harm: Harm) -> None:
    kinds: dict[str, int] = {}
    with (harm.corpus / "pages/segment-00000.warc.gz").open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            record.raw_stream.read()
            kind = "truncated" if record.rec_headers.get_header("WARC-Truncated") else record.rec_type
            kinds[kind] = kinds.get(kind, 0) + 1
    assert kinds["response"] == kinds["metadata"] == len(pages_of(harm.corpus))
    assert kinds["request"] == kinds["response"] + kinds["truncated"]  # what broke off is marked, and no page
