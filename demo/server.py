"""A web server on 127.0.0.1 that is a whole little web: it answers by Host header, well or badly, as a `Web` says.

One thread with one event loop, standard library only: thousands of slow connections cost little. For the demo and for
tests; it speaks no TLS and no more of HTTP/1.1 than a crawler needs.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TextIO

from webtext.demo.answers import Answer, Manner, Place, Web

LOOPBACK = "127.0.0.1"

_CHUNK = b"<p>And so on, and so forth, without an end in sight.</p>\n" * 1_000
_DRIP_SECONDS = 0.2
_MAX_HEAD = 1 << 16


class WebServer:
    """Serves a web while `running()`.

    `port` is where it listens, `asked` counts the requests for each (host, target) in this sitting, `most` is how many
    requests of a host were under way at once at most: what a polite client keeps at 1.

    Args:
        log: a file to which every request is appended, "host target" a line: what a killed process was asked is known
            to the next.
    """

    def __init__(self, web: Web, log: Path | None = None) -> None:
        self.web = web
        self.log = log
        self.asked: Counter[tuple[str, str]] = Counter()
        self.most: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()
        self.port = 0
        self._refused_port = 0
        self._failure: Exception | None = None
        self._written: TextIO | None = None

    def resolver_table(self) -> dict[str, str]:
        """Each host with the address (and port) that its name leads to, "" for none: what a resolver may be given."""
        addresses: dict[str, str] = {
            Place.HERE: f"{LOOPBACK}:{self.port}",
            Place.REFUSED: f"{LOOPBACK}:{self._refused_port}",
            Place.UNKNOWN: "",
        }
        return {host: addresses.get(place, place) for host, place in self.web.places()}

    @contextmanager
    def running(self) -> Iterator[WebServer]:
        """Listen on a free port until the end of the block. What went wrong in the web itself is raised there."""
        ready = threading.Event()
        over: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

        async def serve() -> None:
            server = await asyncio.start_server(self._connection, LOOPBACK, 0, backlog=4_096, limit=_MAX_HEAD)
            self.port = server.sockets[0].getsockname()[1]
            end = asyncio.Event()
            over.append((asyncio.get_running_loop(), end))
            ready.set()
            await end.wait()
            server.close()
            # asyncio.run cancels what is still being answered.

        with ExitStack() as stack:
            if self.log is not None:
                self._written = stack.enter_context(self.log.open("a", buffering=1))
            # Bound, but not listening: connections are refused for as long as the server runs.
            closed = stack.enter_context(socket.socket())
            closed.bind((LOOPBACK, 0))
            self._refused_port = closed.getsockname()[1]
            thread = threading.Thread(target=lambda: asyncio.run(serve()), name="little web", daemon=True)
            thread.start()
            ready.wait()
            try:
                yield self
            finally:
                loop, end = over[0]
                loop.call_soon_threadsafe(end.set)
                thread.join()
        if self._failure is not None:
            raise self._failure

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client may go at any moment, that is its right; and the server's end cancels what is left.
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
        with suppress(*gone):
            while await self._request(reader, writer):
                pass
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection may be used again."""
        head = await reader.readuntil(b"\r\n\r\n")
        host, target = _read_head(head)
        try:
            answer = self.web.answer(host, target, self.asked[host, target])
        except Exception as error:  # noqa: BLE001 - raised at the end of `running`
            self._failure = self._failure or error
            return False
        self.asked[host, target] += 1
        if self._written is not None:
            self._written.write(f"{host} {target}\n")
        self._under_way[host] += 1
        self.most[host] = max(self.most[host], self._under_way[host])
        try:
            return await self._give(answer, reader, writer)
        finally:
            self._under_way[host] -= 1

    async def _give(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Give one answer in its manner; whether the connection may be used again."""
        if answer.wait:
            await asyncio.sleep(answer.wait)
        match answer.manner:
            case Manner.WHOLE:
                writer.write(_head(answer, len(answer.body)) + answer.body)
                await writer.drain()
                return True
            case Manner.CUT:
                writer.write(_head(answer, 2 * len(answer.body) + 1) + answer.body)
                await writer.drain()
            case Manner.ENDLESS:
                writer.write(_head(answer, None))
                while True:
                    writer.write(_CHUNK)
                    await writer.drain()
            case Manner.DRIP:
                writer.write(_head(answer, 1_000_000))
                while True:
                    writer.write(b"<")
                    await writer.drain()
                    await asyncio.sleep(_DRIP_SECONDS)
            case Manner.SILENT:
                await reader.read()  # until the client has gone
            case Manner.RESET:
                # With a linger time of zero, closing sends RST.
                reset = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                writer.transport.abort()
            case Manner.NONSENSE:
                writer.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
                await writer.drain()
        return False


def read_log(path: Path) -> Counter[tuple[str, str]]:
    """How often (host, target) was asked for, by a log of requests; nothing where there is none yet."""
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter((host, target) for host, _, target in (line.partition(" ") for line in lines))


def _read_head(head: bytes) -> tuple[str, str]:
    """Host (lower-case, without port) and target of a request."""
    first, *fields = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    target = parts[1] if len(parts) == 3 else "/"
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() == "host":
            return value.strip().lower().partition(":")[0], target
    return "", target


def _head(answer: Answer, length: int | None) -> bytes:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Whatever"
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
    if length is None:
        lines.append("Connection: close")
    elif not any(name.lower() == "content-length" for name, _ in answer.headers):
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
