"""The Scrapy spider over listings of Reddit's API; what is asked for and when is `listing_pages`'s business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import scrapy

from webtext.crawler.reddit.listing import Endpoints, Gathering
from webtext.crawler.reddit.listing_pages import Answer, Pager, Unreachable


class ListingSpider(scrapy.Spider):  # type: ignore[misc]
    """Every page of every listing that is not finished."""

    name = "webtext-listing"

    def __init__(
        self, gatherings: Sequence[Gathering], endpoints: Endpoints, report: Callable[[Mapping[str, Any]], None]
    ) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        self._gatherings = gatherings
        self._pager = Pager(endpoints, self.ask, asyncio.sleep, report)

    async def start(self) -> AsyncIterator[Any]:
        """Scrapy's entry: runs the whole gathering and yields no request."""
        try:
            for gathering in self._gatherings:
                await self._pager.gather(gathering)
        except BaseException as error:  # noqa: BLE001  (carried to the process, which tells it to the user)
            self.failure = error
        nothing: tuple[Any, ...] = ()
        for request in nothing:
            yield request

    async def ask(self, url: str, headers: Mapping[str, str], body: str | None) -> Answer:
        """One request, past Scrapy's scheduler."""
        method = "GET" if body is None else "POST"
        request = scrapy.Request(url, method=method, body=body, headers=dict(headers), dont_filter=True)
        try:
            answer = await self.crawler.engine.download_async(request)
        except Exception as error:
            raise Unreachable(type(error).__name__) from error  # its text may hold the request
        found = {name.decode("latin-1").lower(): value[-1].decode("latin-1") for name, value in answer.headers.items()}
        return Answer(answer.status, found, answer.body)
