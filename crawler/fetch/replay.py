"""Crawl an archive again: a Scrapy download handler that answers http and https from WARC files.

Robots, redirects, consent and outcomes are those of a crawl of the network; only the wire is missing. A robots.txt that
no WARC holds counts as 404, any other address as unreachable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scrapy.http import Response

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.judging import Refused
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.replay_index import ReplayArchive
from webtext.crawler.fetch.sites import ROBOTS

STORED = "stored"
"""The key in a request's meta under which the recorded answer, with its own headers and date, reaches the spider."""

NOT_HELD = "no WARC holds it"


class ReplayHandler:
    """Scrapy's interface of a download handler over a `ReplayArchive`."""

    lazy = False

    def __init__(self, archive: ReplayArchive, max_bytes: int) -> None:
        self._archive = archive
        self._max_bytes = max_bytes

    @classmethod
    def from_crawler(cls, crawler: Any) -> ReplayHandler:
        """Scrapy's constructor."""
        plan = crawler.spider.plan
        return cls(ReplayArchive(plan.replay, plan.replay_index), plan.settings.max_bytes)

    async def download_request(self, request: Any) -> Response:
        """The recorded answer. Raises `Refused` (unreachable) where there is none."""
        address = request.meta["address"]
        stored = self._archive.find(address, self._max_bytes)
        if stored is None:
            if ROBOTS not in request.meta:
                raise Refused(Outcome.UNREACHABLE, NOT_HELD)
            stored = StoredResponse(address, 404, [], b"", datetime.fromtimestamp(0, UTC))
        request.meta[STORED] = stored
        return Response(address, status=stored.status)

    async def close(self) -> None:
        """Nothing is open."""
