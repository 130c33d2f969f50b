"""A loopback web server for the crawl benchmarks: real pages from a WARC file, or made-up ones, on one port.

    python benchmarks/crawl_server.py WARC_OR_EMPTY [--latency SECONDS] [--small]

It prints its port, answers any Host, and ends when its standard input is closed. Host `hN.example`, path `/M`, always
is the same page. As servers do, it compresses for clients that accept gzip; every tenth page is sent plain, every
second one in chunks. Bytes are made before the first request, so that serving costs as little as can be.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import random
import sys
from pathlib import Path

CHUNK = 16_384
ROBOTS = (
    "User-agent: *\nDisallow: /admin/\nDisallow: /cgi-bin/\nDisallow: /search\nDisallow: /*?replytocom=\n"
    "Allow: /wp-admin/admin-ajax.php\nDisallow: /wp-admin/\nCrawl-delay: 0\n\n"
    "User-agent: BadBot\nDisallow: /\n\nSitemap: https://www.example.com/sitemap.xml\n"
)


def real_pages(path: Path) -> list[bytes]:
    """The HTML pages of a WARC file, decoded."""
    from warcio.archiveiterator import ArchiveIterator

    pages = []
    with path.open("rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type != "response" or record.http_headers.get_statuscode() != "200":
                continue
            if "html" in (record.http_headers.get_header("Content-Type") or ""):
                body = record.content_stream().read()
                if 1_000 < len(body) < 2_000_000:
                    pages.append(body)
    return pages


def made_pages(count: int = 200, seed: int = 1) -> list[bytes]:
    """Pages of words, of 20 to 400 kB: where no real ones are at hand."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 11))) for _ in range(4_000)]
    pages = []
    for number in range(count):
        paragraphs = (" ".join(chance.choices(words, k=80)) for _ in range(chance.randint(40, 700)))
        body = "".join(f'<div class="post"><p>{text}.</p></div>\n' for text in paragraphs)
        head = f'<!doctype html><html><head><meta charset="utf-8"><title>Page {number}</title></head><body>'
        pages.append(f"{head}{body}</body></html>".encode())
    return pages


def answers_of(pages: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The bytes of each answer: for clients that accept gzip, and for others."""
    packed, plain = [], []
    for number, page in enumerate(pages):
        body = gzip.compress(page, 6, mtime=0)
        encoding = b"" if number % 10 == 0 else b"Content-Encoding: gzip\r\n"
        packed.append(_answer(page if number % 10 == 0 else body, encoding, chunked=number % 2 == 1))
        plain.append(_answer(page, b"", chunked=number % 2 == 1))
    return packed, plain


def _answer(body: bytes, encoding: bytes, *, chunked: bool) -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
        b"Content-Type: text/html; charset=UTF-8\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\n"
        b"Cache-Control: max-age=600\r\nX-Frame-Options: SAMEORIGIN\r\n" + encoding
    )
    if not chunked:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [body[place : place + CHUNK] for place in range(0, len(body), CHUNK)]
    return (
        head
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        + b"0\r\n\r\n"
    )


class Site(asyncio.Protocol):
    """One connection."""

    def __init__(self, packed: list[bytes], plain: list[bytes], latency: float) -> None:
        self._packed = packed
        self._plain = plain
        self._latency = latency
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head, self._read = self._read[:end].lower(), self._read[end + 4 :]
            answer = self._answer(head)
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._give, answer)
            else:
                self._give(answer)

    def _give(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _answer(self, head: bytes) -> bytes:
        target = head.split(b" ", 2)[1]
        if target == b"/robots.txt":
            text = ROBOTS.encode()
            return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text) + text
        if not target[1:].isdigit():  # tdmrep.json, ai.txt
            return b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\nNot found"
        host = head.partition(b"\r\nhost:")[2].split(b"\r\n", 1)[0].strip().split(b":")[0]
        number = int(host[1:].split(b".")[0]) * 20 + int(target[1:])
        chosen = (
            self._packed if b"gzip" in head.partition(b"\r\naccept-encoding:")[2].split(b"\r\n")[0] else self._plain
        )
        return chosen[number % len(chosen)]


async def serve(packed: list[bytes], plain: list[bytes], latency: float) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Site(packed, plain, latency), "127.0.0.1", 0, backlog=4_096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warc", type=str)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    if arguments.small:
        pages = [b"<!doctype html><title>A page</title><p>" + b"word " * 100]
    else:
        pages = real_pages(Path(arguments.warc)) if arguments.warc else made_pages()
    asyncio.run(serve(*answers_of(pages), arguments.latency))


if __name__ == "__main__":
    main()
