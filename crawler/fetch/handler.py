"""Scrapy's download handler for http and https: requests over `Connections`, answers as they came over the wire.

The answer reaches the spider in the request's meta (`replay.STORED`), as a recorded one does: Scrapy's own headers
would change the case and order of its fields, which its WARC record keeps.
"""

from __future__ import annotations

import resource
from datetime import UTC, datetime
from typing import Any

from scrapy.http import Response
from scrapy.logformatter import LogFormatter

from webtext.crawler.fetch.connections import IDLE, Connections
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.replay import STORED
from webtext.crawler.fetch.resolver import DnsClient, GuardedNames, Names
from webtext.crawler.fetch.site_files import HELD_BYTES
from webtext.crawler.fetch.sites import ROBOTS
from webtext.crawler.fetch.wire import AnswerParser, BrokenAnswer

SENT = "sent"
"""The key in a request's meta under which the spider puts the bytes of the request."""

ENOUGH = "enough"
"""The key in a request's meta of a function (status, headers) that says whether the head of an answer is enough."""

_PORTS = {"http": 80, "https": 443}
_FILES = 16_384  # descriptors asked for: connections that wait for their host's next turn are worth keeping


class QuietFormatter(LogFormatter):  # type: ignore[misc]
    """Scrapy's log messages without one for each answer: they would be made and then thrown away."""

    def crawled(self, request: Any, response: Any, spider: Any) -> None:
        """Nothing."""


class WireHandler:
    """Scrapy's interface of a download handler. One serves both schemes, for both go through one guard."""

    lazy = False

    def __init__(self, plan: Plan) -> None:
        settings = plan.settings
        self._timeout = settings.timeout
        self._max_bytes = settings.max_bytes
        self._now = datetime.fromisoformat(plan.clock) if plan.clock else None
        names = GuardedNames(Names(DnsClient().query), plan.allow_loopback)
        self._connections = Connections(names.addresses, idle=max(IDLE, _files() // 2 - settings.concurrency))

    @classmethod
    def from_crawler(cls, crawler: Any) -> WireHandler:
        """Scrapy's constructor."""
        return cls(crawler.spider.plan)

    async def download_request(self, request: Any) -> Response:
        """The answer. Raises `BrokenAnswer` where there is no whole one, with what of it has come."""
        meta = request.meta
        url = meta["address"]
        scheme, _, rest = url.partition("://")
        authority = rest.partition("/")[0]
        host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
        server = (scheme, host, int(port)) if colon else (scheme, authority, _PORTS[scheme])
        enough = meta.get(ENOUGH)
        # A limit for pages must not make a site's own files too large to be obeyed.
        limit = max(self._max_bytes, HELD_BYTES) if ROBOTS in meta else self._max_bytes
        reading = AnswerParser(limit, enough)
        try:
            answer = await self._connections.ask(server, meta[SENT], reading, self._timeout)
        except BrokenAnswer as error:
            if begun := reading.begun:
                error.sent = meta[SENT]
                error.begun = StoredResponse(url, reading.status, reading.headers, begun, self._date(), error.reason)
            raise
        meta[STORED] = StoredResponse(url, answer.status, answer.headers, answer.body, self._date())
        return Response(url, status=answer.status)

    def _date(self) -> datetime:
        return self._now or datetime.now(UTC).replace(microsecond=0)

    async def close(self) -> None:
        """End the connections that are kept."""
        self._connections.close()


def _files() -> int:
    """How many files this process may have open, after asking for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft
