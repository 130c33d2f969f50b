"""Asking the archives about links, one archive at a time: queries, captures, records, redirects, to one end a link.

Coroutines over an `Ask` function and plain values: no Scrapy here, and no ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import ArchivesSettings
from webtext.crawler.fetch.archives import commoncrawl, local_index, wayback
from webtext.crawler.fetch.archives.captures import Capture, nearest
from webtext.crawler.fetch.archives.commoncrawl import Collection, NotUnderstood
from webtext.crawler.fetch.archives.ends import DeadLink
from webtext.crawler.fetch.archives.pace import Pace
from webtext.crawler.fetch.decoding import UndecodableBody, decode_body
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.records import StoredResponse

Ask = Callable[[str, Mapping[str, str]], Awaitable[StoredResponse | Verdict]]
"""Makes one request, with these further headers."""

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]

BATCH = 5
"""From so many dead links of one host on, Common Crawl is asked for the host instead of each of them."""

_LINKS = 500  # looked up at once
_LINKS_OF_FILES = 200_000  # some 300 MB with their captures
_MOST_BYTES = 50_000_000  # of an answer of an index, decoded
_JUMPS = 5  # between moments of one address, in the Wayback Machine's playback


@dataclass(frozen=True)
class Copy:
    """An answer of then, out of an archive."""

    stored: StoredResponse
    address: str
    """Where it is had."""


class Excluded(Exception):
    """The archive keeps an address to itself."""


class TooMuch(Exception):
    """What was captured is larger than a page may be."""


class Archive(Protocol):
    """One archive."""

    at_once: int
    """Links that are best looked up together."""

    def look_up(self, links: Sequence[DeadLink]) -> AsyncIterator[tuple[DeadLink, list[Capture] | None]]:
        """The captures of each link among which the nearest is, each link once; None where the archive keeps them to
        itself."""
        ...

    async def captures(self, url: str, posted: datetime | None) -> list[Capture]:
        """The captures of one address; raises `Excluded`."""
        ...

    async def fetch(self, capture: Capture) -> Copy | None:
        """What was captured; None where it cannot be had. Raises `Excluded` and `TooMuch`."""
        ...


class _Service:
    """Requests at a pace, repeated as that says."""

    def __init__(self, ask: Ask, pace: Pace, sleep: Sleep) -> None:
        self._ask = ask
        self._pace = pace
        self._sleep = sleep

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> StoredResponse:
        """An answer that can be used. Raises `pace.PutAside` and `pace.Spent`; `Excluded` and `TooMuch`."""
        while True:
            await self._sleep(self._pace.turn())
            answer = await self._ask(url, headers or {})
            if isinstance(answer, StoredResponse):
                if wayback.is_excluded(answer):
                    self._pace.answered(replace(answer, status=200))
                    raise Excluded
                if wayback.is_playback(answer):  # its status is that of then
                    self._pace.answered(replace(answer, status=200))
                    return answer
            elif answer.outcome is Outcome.TOO_LARGE:
                raise TooMuch
            if self._pace.answered(answer):
                assert isinstance(answer, StoredResponse)
                return answer

    async def understood(
        self, url: str, parse: Callable[[StoredResponse], T], headers: Mapping[str, str] | None = None
    ) -> T:
        """What an answer says; one that is not understood is asked for again."""
        while True:
            try:
                answer = await self.get(url, headers)
            except TooMuch:
                self._pace.unreadable("its answer is too large")
                continue
            try:
                return parse(replace(answer, body=decode_body(answer.headers, answer.body, _MOST_BYTES)))
            except (NotUnderstood, UndecodableBody) as error:
                self._pace.unreadable(f"its answer is not understood: {error}")


class CommonCrawl:
    """Common Crawl, by its index server or by index files here, and its WARC files, here or there."""

    def __init__(self, settings: ArchivesSettings, ask: Ask, pace: Pace, sleep: Sleep) -> None:
        self._settings = settings
        self._service = _Service(ask, pace, sleep)
        # Index files are read from end to end for every look-up.
        self.at_once = _LINKS_OF_FILES if settings.commoncrawl_index else _LINKS
        self._files: list[Path] | None = None
        self._collections: tuple[Collection, ...] = ()

    async def look_up(self, links: Sequence[DeadLink]) -> AsyncIterator[tuple[DeadLink, list[Capture] | None]]:
        """As `Archive.look_up`."""
        if self._settings.commoncrawl_index:
            found = await self._local([link.url for link in links])
            for link in links:
                yield link, found.get(link.url, [])
            return
        for group in _by_host(links):
            async for answer in self._look_up_host(group):
                yield answer

    async def captures(self, url: str, posted: datetime | None) -> list[Capture]:
        """As `Archive.captures`."""
        if self._settings.commoncrawl_index:
            return (await self._local([url])).get(url, [])
        async for _, captures in self._look_up_host([DeadLink(0, url, posted, True)]):
            return captures
        return []

    async def fetch(self, capture: Capture) -> Copy | None:
        """As `Archive.fetch`."""
        assert capture.place is not None
        address, wanted = commoncrawl.record_address(self._settings.commoncrawl_data, capture.place)
        data = local_index.read_local(self._settings.commoncrawl_warcs, capture.place)
        try:
            if data is None:
                answer = await self._service.get(address, {"Range": wanted})
                if answer.status not in (200, 206):
                    return None
                data = answer.body
                if answer.status == 200:  # a server that knows no ranges
                    data = data[capture.place.offset : capture.place.offset + capture.place.length]
            return Copy(commoncrawl.parse_record(data, capture.url), address)
        except NotUnderstood:
            return None

    async def _local(self, urls: Sequence[str]) -> dict[str, list[Capture]]:
        if self._files is None:
            self._files = local_index.index_files(self._settings.commoncrawl_index)
        # Minutes, in which the other archive is asked, and a stop is heard.
        return await asyncio.to_thread(local_index.find_captures, self._files, urls)

    async def _look_up_host(self, links: Sequence[DeadLink]) -> AsyncIterator[tuple[DeadLink, list[Capture]]]:
        """Links of one host: each asks the crawls nearest to its date, until none of the rest can be nearer."""
        if not self._collections:
            address = commoncrawl.collections_address(self._settings.commoncrawl_api)
            self._collections = await self._service.understood(
                address, lambda answer: commoncrawl.parse_collections(answer.body)
            )
        found: dict[int, list[Capture]] = {link.key: [] for link in links}
        plans = {
            link.key: commoncrawl.by_nearness(self._collections, link.posted)[: self._settings.commoncrawl_crawls]
            for link in links
        }
        open_ = list(links)
        while open_:
            by_collection: dict[Collection, list[DeadLink]] = {}
            for link in open_:
                if plans[link.key]:
                    by_collection.setdefault(plans[link.key].pop(0), []).append(link)
            for collection, group in by_collection.items():
                for link, captures in await self._ask_collection(collection, group):
                    found[link.key] += captures
            still = []
            for link in open_:
                if plans[link.key] and _may_be_nearer(found[link.key], link.posted, plans[link.key][0]):
                    still.append(link)
                else:
                    yield link, found[link.key]
            open_ = still

    async def _ask_collection(
        self, collection: Collection, links: Sequence[DeadLink]
    ) -> list[tuple[DeadLink, list[Capture]]]:
        api, service = self._settings.commoncrawl_api, self._service
        if len(links) >= BATCH:
            host = _authority(links[0].url)
            pages = await service.understood(
                commoncrawl.pages_address(api, collection, host),
                lambda answer: 0 if answer.status == 404 else commoncrawl.parse_pages(answer.body),
            )
            if pages < len(links):
                captures: list[Capture] = []
                for page in range(pages):
                    address = commoncrawl.page_address(api, collection, host, page)
                    captures += await service.understood(address, commoncrawl.parse_captures)
                return [(link, commoncrawl.of_address(captures, link.url)) for link in links]
        answers = []
        for link in links:
            address = commoncrawl.query_address(api, collection, link.url)
            captures = await service.understood(address, commoncrawl.parse_captures)
            answers.append((link, commoncrawl.of_address(captures, link.url)))
        return answers


class Wayback:
    """The Wayback Machine."""

    at_once = _LINKS

    def __init__(self, settings: ArchivesSettings, ask: Ask, pace: Pace, sleep: Sleep) -> None:
        self._settings = settings
        self._service = _Service(ask, pace, sleep)

    async def look_up(self, links: Sequence[DeadLink]) -> AsyncIterator[tuple[DeadLink, list[Capture] | None]]:
        """As `Archive.look_up`."""
        for link in links:
            try:
                yield link, await self.captures(link.url, link.posted)
            except Excluded:
                yield link, None

    async def captures(self, url: str, posted: datetime | None) -> list[Capture]:
        """As `Archive.captures`; `posted` plays no part, the index is asked for all of them."""
        address = wayback.query_address(self._settings.wayback_api, url)
        return await self._service.understood(address, wayback.parse_captures)

    async def fetch(self, capture: Capture) -> Copy | None:
        """As `Archive.fetch`; what is captured is a redirect where the playback leads to another address."""
        for _ in range(_JUMPS):
            address = wayback.playback_address(self._settings.wayback_api, capture)
            answer = await self._service.get(address)
            moved = wayback.other_capture(answer)
            if moved is not None and commoncrawl.same_address(moved[1], capture.url):
                if moved[0] == capture.when:
                    return None
                capture = replace(capture, when=moved[0])
                continue
            if answer.status >= 400 and not wayback.is_playback(answer):
                return None
            when = wayback.memento_time(answer.headers) or capture.when
            return Copy(wayback.restored(answer, capture.url, when), address)
        return None


def _may_be_nearer(captures: Iterable[Capture], posted: datetime | None, collection: Collection) -> bool:
    best = nearest(captures, posted)
    if best is None or best.status != 200:
        return True
    return posted is not None and collection.distance(posted) < abs(best.when - posted)


def _by_host(links: Sequence[DeadLink]) -> list[list[DeadLink]]:
    found: dict[str, list[DeadLink]] = {}
    for link in links:
        found.setdefault(_authority(link.url), []).append(link)
    return list(found.values())


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


async def sleep(seconds: float) -> None:
    """asyncio's sleep, none for nothing."""
    if seconds > 0:
        await asyncio.sleep(seconds)
