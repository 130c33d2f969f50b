"""The Scrapy spider: follows one link from its address to its one result.

It asks Scrapy's engine for one answer after another instead of feeding its scheduler: a link is a plain loop over its
hops, so a request cannot be dropped, lost in a queue or called back twice.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import scrapy
from scrapy import signals
from scrapy.exceptions import StopDownload

from webtext.corpus.config import CrawlSettings
from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.components import REPLAY_CONCURRENCY
from webtext.crawler.fetch.dispatcher import Dispatcher
from webtext.crawler.fetch.failures import RETRIED, verdict_of
from webtext.crawler.fetch.feeder import Feeder
from webtext.crawler.fetch.gate import Gate, free_bytes
from webtext.crawler.fetch.judging import REDIRECTS, Refused, Verdict, judge_headers, judge_page, next_address
from webtext.crawler.fetch.ledger import PAGE, Ledger, Link
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.recorder import Recorder, Result
from webtext.crawler.fetch.records import MAX_HEAD, StoredResponse, http_head, request_bytes, response_records
from webtext.crawler.fetch.replay import STORED
from webtext.crawler.fetch.robots import ROBOTS
from webtext.crawler.reddit.urls import host_of, key_of_normalised


class LinkSpider(scrapy.Spider):  # type: ignore[misc]
    """Every pending link of a ledger, until none is left or it is stopped."""

    name = "webtext"

    def __init__(self, plan: Plan, ledger: Ledger, recorder: Recorder, report: Callable[[], None]) -> None:
        super().__init__()
        self.plan = plan
        self.failure: BaseException | None = None
        self._headers = _request_headers(plan.settings)
        self._replayed = bool(plan.replay)
        feeder = Feeder(
            ledger.claim,
            delay=0.0 if self._replayed else plan.settings.delay,
            one_a_host=not self._replayed,
            clock=time.monotonic,
        )
        # The ledger may lie on another disk than the pages.
        disks = [plan.pages, ledger.path.resolve().parent]
        self.gate = Gate(
            feeder,
            free=lambda: free_bytes(disks),
            floor=plan.settings.min_free,
            patience=plan.settings.disk_patience,
            deadline=plan.deadline,
        )
        concurrency = REPLAY_CONCURRENCY if self._replayed else plan.settings.concurrency
        self.dispatcher = Dispatcher(self.gate, recorder, self.follow, concurrency=concurrency, report=report)

    @classmethod
    def from_crawler(cls, crawler: Any, *args: Any, **kwargs: Any) -> LinkSpider:
        """Scrapy's constructor."""
        spider: LinkSpider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.headers_received, signals.headers_received)
        return spider

    @property
    def settings_of_crawl(self) -> CrawlSettings:
        """[crawl], for the components."""
        return self.plan.settings

    async def start(self) -> AsyncIterator[Any]:
        """Scrapy's entry: runs the whole crawl and yields no request."""
        try:
            await self.dispatcher.run()
        except BaseException as error:  # noqa: BLE001  (carried to the process, which tells it to the user)
            self.failure = error
        nothing: tuple[Any, ...] = ()
        for request in nothing:
            yield request

    async def follow(self, link: Link) -> Result:
        """The one result of a link."""
        url = link.url
        seen = [url]
        hops: list[tuple[StoredResponse, bytes | None]] = []
        while True:
            answer, sent = await self._ask(url)
            if isinstance(answer, Verdict):
                return Result(link.key, answer.outcome, answer.detail)
            if answer.status in REDIRECTS:
                target = next_address(answer, seen, self.plan.settings.max_redirects)
            else:
                verdict = judge_page(answer, self.plan.settings)
                if verdict is None:
                    hops.append((answer, sent))
                    break
                target = verdict
            if isinstance(target, Verdict):
                return Result(link.key, target.outcome, target.detail)
            hops.append((answer, sent))
            seen.append(target)
            url = target
        records = tuple(response_records(link.key, hop, stored, asked) for hop, (stored, asked) in enumerate(hops))
        return Result(link.key, PAGE, final_key=key_of_normalised(url), hops=records)

    async def ask_robots(self, url: str) -> StoredResponse | Verdict:
        """The answer for a robots.txt."""
        return (await self._ask(url, robots=True))[0]

    async def _ask(self, url: str, *, robots: bool = False) -> tuple[StoredResponse | Verdict, bytes | None]:
        """An answer or a verdict, after retries; and the request that was sent."""
        tries = 1 if self._replayed else 1 + self.plan.settings.retries
        while True:
            tries -= 1
            try:
                stored, sent = await self._ask_once(url, robots=robots)
            except Refused as error:
                return error.verdict, None
            except Exception as error:  # noqa: BLE001  (whatever a server provokes is an outcome of its link)
                verdict = self._verdict_of(error, url)
                if not tries or verdict.outcome not in RETRIED:
                    return verdict, None
                continue
            if not tries or stored.status < 500:
                return stored, sent

    async def _ask_once(self, url: str, *, robots: bool) -> tuple[StoredResponse, bytes | None]:
        meta: dict[str, Any] = {"address": url, "download_timeout": self.plan.settings.timeout}
        if robots:
            meta[ROBOTS] = True
        request = scrapy.Request(url, headers=self._headers, meta=meta, dont_filter=True)
        response = await self.crawler.engine.download_async(request)
        stored: StoredResponse | None = request.meta.get(STORED)
        if stored is not None:
            return _readable(stored), None
        clock = self.plan.clock
        now = datetime.fromisoformat(clock) if clock else datetime.now(UTC).replace(microsecond=0)
        stored = StoredResponse(url, response.status, _pairs(response.headers), response.body, now)
        authority, slash, path = url.partition("://")[2].partition("/")
        return _readable(stored), request_bytes(slash + path, authority, _pairs(request.headers))

    def _verdict_of(self, error: Exception, url: str) -> Verdict:
        from twisted.internet import reactor

        refused = getattr(reactor.nameResolver, "refused", ())
        return verdict_of(error, host_of(url), refused, self.plan.settings.max_bytes)

    def headers_received(self, headers: Any, request: Any) -> None:
        """Scrapy's signal: end a download whose headers decide already, before its body comes."""
        # The signal does not carry the status. A redirect is read whole: its record is kept.
        if ROBOTS in request.meta or b"Location" in headers:
            return
        if judge_headers(200, _pairs(headers), self.plan.settings) is not None:
            raise StopDownload(fail=False)


def _readable(stored: StoredResponse) -> StoredResponse:
    """The answer, where its record could be read again."""
    if len(http_head(stored)) > MAX_HEAD:
        raise Refused(Outcome.TOO_LARGE, f"more than {MAX_HEAD:,} bytes of headers")
    return stored


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, values in headers.items() for value in values]


def _request_headers(settings: CrawlSettings) -> dict[str, str]:
    agent = settings.user_agent
    headers = {
        "Accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1",
        "Accept-Language": "en,*;q=0.5",
        "Accept-Encoding": "gzip, deflate, br, zstd",
    }
    if "@" in settings.contact:
        headers["From"] = settings.contact  # RFC 9110, section 10.1.2
    elif settings.contact:
        agent = f"{agent} ({settings.contact})"
    return {"User-Agent": agent, **headers}
