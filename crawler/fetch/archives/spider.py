"""The Scrapy spider of a pass over the archives: makes their requests one at a time, and brings every end to disk.

As the crawl's spider it asks Scrapy's engine for one answer after another; the address guard stands before each.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import scrapy

from webtext.corpus.faults import fault_point
from webtext.corpus.settings import ArchivesSettings
from webtext.corpus.tombstones import Tombstones, read_tombstones
from webtext.crawler.fetch.appending import PageAppender
from webtext.crawler.fetch.archives.asking import Ask, CommonCrawl, Wayback, sleep
from webtext.crawler.fetch.archives.dead_links import DeadLinks
from webtext.crawler.fetch.archives.ends import DeadLink, Found, Missed, Ruled
from webtext.crawler.fetch.archives.orders import COMMON_CRAWL
from webtext.crawler.fetch.archives.owners import Owners
from webtext.crawler.fetch.archives.pace import Pace, PutAside, Spent
from webtext.crawler.fetch.archives.passing import ASIDE
from webtext.crawler.fetch.archives.taking import Taken, Taker
from webtext.crawler.fetch.contact import user_agent_of
from webtext.crawler.fetch.handler import SENT
from webtext.crawler.fetch.judging import Refused, Verdict
from webtext.crawler.fetch.ledger import PAGE, Ledger
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.records import StoredResponse, request_bytes
from webtext.crawler.fetch.replay import STORED
from webtext.crawler.fetch.room import LOOK_SECONDS, Room
from webtext.crawler.fetch.site_store import SiteStore
from webtext.crawler.fetch.sites import ROBOTS
from webtext.crawler.fetch.warc import Segments
from webtext.crawler.fetch.wire import BrokenAnswer
from webtext.crawler.forgotten import Forgotten

_COMMIT = 100  # ends a transaction
_COMMIT_SECONDS = 1.0


class ArchiveSpider(scrapy.Spider):  # type: ignore[misc]
    """Every link that waits for an archive, until none is left that may be asked for."""

    name = "webtext-archives"

    def __init__(
        self, plan: Plan, archives: ArchivesSettings, asked: Sequence[str], ledger: Ledger, links: DeadLinks,
        segments: Segments, store: SiteStore | None, report: Callable[[Mapping[str, int]], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self.plan = plan
        self.failure: BaseException | None = None
        self.outcomes: Counter[str] = Counter()
        self._archives = archives
        self._ledger = ledger
        self._links = links
        self._segments = segments
        self._appender = PageAppender(segments)
        self._report = report
        self._ends: list[Found | Missed | Ruled] = []
        self._committed_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._working = dict.fromkeys(asked, True)
        self._owners = Owners(plan.settings, self._ask_site, store)
        self._forgotten = Forgotten(Tombstones() if plan.corpus is None else read_tombstones(plan.corpus))
        self.room = Room.of(plan.pages, ledger.path, plan.settings)

    async def start(self) -> AsyncIterator[Any]:
        """Scrapy's entry: runs the whole pass and yields no request."""
        try:
            self._task = asyncio.ensure_future(self._run())
            await self._task
        except asyncio.CancelledError:
            pass  # what has ended is committed, the rest waits as before
        except BaseException as error:  # noqa: BLE001  (carried to the process, which tells it to the user)
            self.failure = error
        nothing: tuple[Any, ...] = ()
        for request in nothing:
            yield request

    def stop(self) -> None:
        """Ask for nothing more; what has ended is committed."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        serving = [asyncio.ensure_future(self._serve(source)) for source in self._working]
        try:
            await asyncio.wait_for(asyncio.gather(*serving), self._seconds())
        except TimeoutError:
            for source in self._working:
                self._note(source, 0.0, "the deadline was reached")
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            self._commit()

    def _seconds(self) -> float | None:
        """Until the deadline, None where there is none."""
        return None if self.plan.deadline is None else max(0.0, self.plan.deadline - time.time())

    async def _serve(self, source: str) -> None:
        """Ask one archive until no link waits for it and none can come to wait for it, or it is put aside."""
        taker, archive = self._taker(source)
        try:
            while True:
                self._commit()
                waiting = self._links.next(source, archive.at_once)
                if not waiting:
                    self._working[source] = False
                    if not any(self._working.values()):
                        return
                    await asyncio.sleep(_COMMIT_SECONDS / 10)  # the other archive may have more for this one
                    continue
                self._working[source] = True
                await self._wait_for_room()
                async for link, captures in archive.look_up(waiting):
                    await self._wait_for_room()
                    self._add(link, await taker.take(link, captures))
        except PutAside as aside:
            self._note(source, time.time() + aside.seconds, aside.why)
        except Spent:
            self._note(source, 0.0, _spent(self._archives.max_requests))
        finally:
            self._working[source] = False

    def _taker(self, source: str) -> tuple[Taker, CommonCrawl | Wayback]:
        here = self._archives
        delay = here.commoncrawl_delay if source == COMMON_CRAWL else here.wayback_delay
        pace = Pace(delay, here.max_requests, time.monotonic)
        archive = (CommonCrawl if source == COMMON_CRAWL else Wayback)(here, self._asker(), pace, sleep)
        taker = Taker(
            source, archive, self.plan.settings, here.max_days, self._owners.consent, self._forgotten, self._now
        )
        return taker, archive

    async def _wait_for_room(self) -> None:
        """Return when the disk has room for more; what has ended until then is committed first."""
        if self.room.look():
            return
        self._commit()
        while not self.room.look():
            if self.room.failure is not None:
                raise self.room.failure
            self._report(self._links.waiting())
            await asyncio.sleep(LOOK_SECONDS)

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _add(self, link: DeadLink, end: Taken | Missed | Ruled) -> None:
        done = "missed"
        if isinstance(end, Taken):
            placed = self._appender.append(end.key, end.hops, end.site_files)
            fault_point("archives.appended")
            found = (end.key, end.source, end.final_key, placed, end.captured, end.days_apart, end.address)
            self._ends.append(Found(*found))
            done = PAGE
        else:
            self._ends.append(end)
            done = done if isinstance(end, Missed) else end.outcome
        self.outcomes[done] += 1
        if len(self._ends) >= _COMMIT or time.monotonic() - self._committed_at > _COMMIT_SECONDS:
            self._commit()

    def _commit(self) -> None:
        if self._ends:
            grown = self._segments.sync()
            fault_point("archives.synced")
            self._links.commit(self._ends, grown)
            fault_point("archives.committed")
            self._ends.clear()
            self._report(self._links.waiting())
        self._committed_at = time.monotonic()

    def _note(self, source: str, until: float, why: str) -> None:
        self._commit()
        noted = json.loads(self._ledger.meta(ASIDE) or "{}")
        self._ledger.set_meta(ASIDE, json.dumps({**noted, source: [until, why]}))

    # -- requests ------------------------------------------------------------------------------------------------------

    def _asker(self) -> Ask:
        async def ask(url: str, headers: Mapping[str, str]) -> StoredResponse | Verdict:
            return await self._request(url, headers)

        return ask

    async def _ask_site(self, url: str) -> StoredResponse | Verdict:
        return await self._request(url, {})

    async def _request(self, url: str, headers: Mapping[str, str]) -> StoredResponse | Verdict:
        settings = self.plan.settings
        own = {"User-Agent": user_agent_of(settings), "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        if "@" in settings.contact and "://" not in settings.contact:
            own["From"] = settings.contact  # RFC 9110, section 10.1.2
        authority, slash, path = url.partition("://")[2].partition("/")
        for again in (True, False):
            # Ours as the handler wants it: the bytes that are sent, and where the answer goes.
            meta = {"address": url, ROBOTS: True, SENT: request_bytes(slash + path, authority, list(own.items()))}
            request = scrapy.Request(url, meta=meta, dont_filter=True)
            try:
                await self.crawler.engine.download_async(request)
            except Refused as error:
                return error.verdict
            except BrokenAnswer as error:
                if error.stale and again:
                    continue
                return error.verdict
            break
        stored: StoredResponse = request.meta[STORED]
        return stored

    def _now(self) -> datetime:
        clock = self.plan.clock
        return datetime.fromisoformat(clock) if clock else datetime.now(UTC).replace(microsecond=0)


def _spent(most: int) -> str:
    return f"its {most:,} requests of this run are made" if most != 1 else "its one request of this run is made"
