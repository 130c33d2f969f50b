"""Connections to web servers: opened to addresses that were checked, used again while a server keeps them.

Plain asyncio over `webtext.crawler.fetch.wire`. Twisted's client, which Scrapy's own handlers use, takes more than a
millisecond of processor time a page (measured); this takes a tenth of it. No proxies, no cookies, no redirects.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.wire import BROKE_OFF, AnswerParser, BrokenAnswer

IDLE = 512
"""Connections kept open without a request, at most."""

IDLE_SECONDS = 60.0
"""How long one is kept so; most servers end it earlier."""

_ADDRESSES = 4  # of a name, tried one after another

Address: TypeAlias = "tuple[str, int]"
Server: TypeAlias = "tuple[str, str, int]"
"""Scheme, host and port of a URL."""

Resolve: TypeAlias = "Callable[[str, int], Awaitable[Sequence[Address]]]"
"""From host and port of a URL to the addresses to connect to, each allowed by the guard. Raises BrokenAnswer."""


class Connections:
    """The connections of one crawl process, for requests of which no two to a server are under way at once.

    Args:
        resolve: asked before each connection: what it gives is connected to as it is, without another look-up.
    """

    def __init__(
        self,
        resolve: Resolve,
        *,
        idle: int = IDLE,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve = resolve
        self._most = idle
        self._seconds = idle_seconds
        self._clock = clock
        self._idle: OrderedDict[Server, _Connection] = OrderedDict()
        self._tls: ssl.SSLContext | None = None

    async def ask(self, server: Server, request: bytes, parser: AnswerParser, timeout: float) -> AnswerParser:
        """Send a request and read its answer.

        Args:
            parser: a new one; it reads the answer, and is given back.
            timeout: seconds for everything: look-up, connection, answer.

        Raises:
            BrokenAnswer: there is no whole answer; its verdict says why.
        """
        try:
            async with asyncio.timeout(timeout):
                kept = self._idle.pop(server, None)
                if kept is not None and not kept.ended:
                    try:
                        return await self._over(kept, server, request, parser)
                    except BrokenAnswer as error:
                        # A server may end an idle connection at any moment, also in this one: then nothing was
                        # answered, and asking again is no second try (RFC 9112, section 9.3.1). But the server may
                        # have seen the request: who asks again waits for the host's delay first.
                        error.stale = not parser.began
                        raise
                connection = await self._connect(server, timeout)
                return await self._over(connection, server, request, parser)
        except TimeoutError as error:
            raise BrokenAnswer(Outcome.TIMEOUT, "no whole answer in time") from error

    def close(self) -> None:
        """End what is kept."""
        while self._idle:
            self._idle.popitem()[1].end()

    async def _over(
        self, connection: _Connection, server: Server, request: bytes, parser: AnswerParser
    ) -> AnswerParser:
        try:
            await connection.ask(request, parser)
        except BaseException:
            connection.end()
            raise
        if parser.reusable and not connection.ended:
            self._keep(server, connection)
        else:
            connection.end()
        return parser

    def _keep(self, server: Server, connection: _Connection) -> None:
        now = self._clock()
        connection.since = now
        older = self._idle.pop(server, None)
        if older is not None:
            older.end()
        self._idle[server] = connection
        while len(self._idle) > self._most or next(iter(self._idle.values())).since < now - self._seconds:
            self._idle.popitem(last=False)[1].end()

    async def _connect(self, server: Server, timeout: float) -> _Connection:
        scheme, host, port = server
        addresses = (await self._resolve(host, port))[:_ADDRESSES]
        failure: BrokenAnswer | None = None
        for number, (address, at) in enumerate(addresses, 1):
            # The last address may take all the time that is left, the others their share.
            share = None if number == len(addresses) else timeout / (len(addresses) + 1)
            try:
                async with asyncio.timeout(share):
                    return await self._open(scheme, host, address, at)
            except TimeoutError:
                failure = BrokenAnswer(Outcome.TIMEOUT, "no whole answer in time")
            except ssl.SSLError as error:
                failure = _unreachable("no TLS connection", error)
            except ConnectionRefusedError as error:
                failure = _unreachable("the connection was refused", error)
            except (ConnectionError, EOFError) as error:
                detail = "no TLS connection" if scheme == "https" else "the connection was closed"
                failure = _unreachable(detail, error)
            except OSError as error:
                failure = _unreachable("no connection", error)
            except (ValueError, UnicodeError) as error:
                failure = _unreachable("the host's name is not valid", error)
        raise failure or BrokenAnswer(Outcome.UNREACHABLE, "the host's name is not known")

    async def _open(self, scheme: str, host: str, address: str, port: int) -> _Connection:
        loop = asyncio.get_running_loop()
        if scheme == "http":
            _, connection = await loop.create_connection(_Connection, address, port)
        else:
            # The whole time-out is the caller's.
            _, connection = await loop.create_connection(
                _Connection, address, port, ssl=self._context(), server_hostname=host.strip("[]").rstrip("."),
                ssl_handshake_timeout=3_600.0,
            )  # fmt: skip
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            # As Scrapy has it: a page is taken from whoever answers under its address. A third of the old web has
            # certificates that are long out of date.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.options |= 0x4  # OP_LEGACY_SERVER_CONNECT, which Python 3.11 does not name
            self._tls = context
        return self._tls


class _Connection(asyncio.Protocol):
    """One connection, with one request under way at most."""

    def __init__(self) -> None:
        self.since = 0.0
        self.ended = False
        self._parser: AnswerParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def ask(self, request: bytes, parser: AnswerParser) -> None:
        """Send a request; return when its answer is complete."""
        if self.ended or self._transport is None:
            raise BrokenAnswer(Outcome.UNREACHABLE, "the connection was closed")
        self._parser = parser
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await waiter

    def end(self) -> None:
        """Close it at once; what is on the way is of no interest."""
        self.ended = True
        self._parser = self._waiter = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.end()  # nothing was asked: what would come next could not be trusted
            return
        try:
            if self._parser.feed(data):
                self._settle(None)
        except BrokenAnswer as error:
            self._settle(error)
            self.end()

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if self._parser is None:
            return
        try:
            if exc is not None and self._parser.began:
                # A reset is no end: not even of an answer that goes on until the end.
                raise BrokenAnswer(Outcome.UNREACHABLE, BROKE_OFF)
            self._parser.close()
        except BrokenAnswer as error:
            self._settle(error)
        else:
            self._settle(None)

    def _settle(self, error: BrokenAnswer | None) -> None:
        waiter, self._parser, self._waiter = self._waiter, None, None
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


def _unreachable(detail: str, cause: Exception) -> BrokenAnswer:
    failure = BrokenAnswer(Outcome.UNREACHABLE, detail)
    failure.__cause__ = cause
    return failure
