"""The Scrapy spider: follows one link from its address to its one result.

It asks Scrapy's engine for one answer after another instead of feeding its scheduler: a link is a plain loop over its
hops, so a request cannot be dropped, lost in a queue or called back twice.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import scrapy

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.corpus.tombstones import Tombstones, read_tombstones
from webtext.crawler.fetch.components import REPLAY_CONCURRENCY
from webtext.crawler.fetch.consent import terms_of
from webtext.crawler.fetch.contact import user_agent_of
from webtext.crawler.fetch.decoding import Headers
from webtext.crawler.fetch.delays import HostDelays, HostTurns, retry_after
from webtext.crawler.fetch.dispatcher import Dispatcher
from webtext.crawler.fetch.evidence import with_evidence
from webtext.crawler.fetch.feeder import Feeder
from webtext.crawler.fetch.forgetting import LEADS_TO_FORGOTTEN
from webtext.crawler.fetch.gate import Gate
from webtext.crawler.fetch.handler import ENOUGH, SENT
from webtext.crawler.fetch.hosts import Hosts
from webtext.crawler.fetch.judging import (
    CUT_SHORT,
    GIVEN_UP,
    REDIRECTS,
    Refused,
    Verdict,
    declared_length,
    examine,
    judge_headers,
    may_be_kept,
    next_address,
)
from webtext.crawler.fetch.ledger import PAGE, Ledger, Link
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.recorder import Recorder, Result
from webtext.crawler.fetch.records import (
    MAX_HEAD,
    ResponseRecords,
    StoredResponse,
    http_head,
    request_bytes,
    response_records,
)
from webtext.crawler.fetch.replay import STORED
from webtext.crawler.fetch.room import Room
from webtext.crawler.fetch.shared_turns import SharedTurns
from webtext.crawler.fetch.site_store import SiteStore
from webtext.crawler.fetch.sites import ROBOTS, Sites
from webtext.crawler.fetch.wire import BrokenAnswer
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.urls import host_of, key_of_normalised, registered_domain

RETRIED = frozenset({Outcome.UNREACHABLE, Outcome.TIMEOUT})
"""Failures that may pass: these are tried again."""

BEGUN_BYTES = 1 << 20
"""Of a body that did not come whole so much is kept, as Common Crawl does: it is evidence, and no page."""

_SHORT_BODY = 1 << 16
_FIRST_PACE = 0.1  # seconds a link of a host that was never asked, where no delay is kept


@dataclass(frozen=True)
class Asked:
    """What came of asking for an address: an answer or a verdict, the request that was sent, and the beginning of an
    answer that broke off."""

    answer: StoredResponse | Verdict
    sent: bytes | None = None
    begun: StoredResponse | None = None


class LinkSpider(scrapy.Spider):  # type: ignore[misc]
    """Every pending link of a ledger, until none is left or it is stopped."""

    name = "webtext"

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        recorder: Recorder,
        report: Callable[[], None],
        store: SiteStore | None = None,
        turns: SharedTurns | None = None,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.failure: BaseException | None = None
        self._headers = _request_headers(plan.settings)
        self._terms = terms_of(plan.settings)
        self._replayed = bool(plan.replay)
        self._forgotten = Forgotten(Tombstones() if plan.corpus is None else read_tombstones(plan.corpus))
        self._delays = HostDelays(
            0.0 if self._replayed else plan.settings.delay, store=store,
            times=lambda host: 1 if plan.shard.whole else plan.shard.times(registered_domain(host)),
        )  # fmt: skip
        learned = None if self._replayed else self._delays.learned
        self.sites = Sites(plan.settings, self.ask_site, store=store, learned=learned)
        self.hosts = Hosts(
            ledger.waiting(), 0.0 if self._replayed else max(plan.settings.delay, _FIRST_PACE), self.sites.count
        )
        feeder = Feeder(
            self.hosts,
            ledger.claim_keys,
            next_allowed=self._delays.next_allowed,
            one_a_host=not self._replayed,
            clock=time.monotonic,
        )
        self.gate = Gate(feeder, room=Room.of(plan.pages, ledger.path, plan.settings), deadline=plan.deadline)
        concurrency = REPLAY_CONCURRENCY if self._replayed else plan.settings.concurrency
        self.dispatcher = Dispatcher(self.gate, recorder, self.follow, concurrency=concurrency, report=report)
        self._turns = None if self._replayed else HostTurns(self._delays, rest=self.dispatcher.rest, shared=turns)

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
            permission = await self.sites.judge(url)
            if isinstance(permission, Verdict):
                return Result(link.key, permission.outcome, permission.detail)
            asked = await self._ask(url)
            answer, sent = asked.answer, asked.sent
            if isinstance(answer, Verdict):
                return self._ended(link, answer, hops, asked.begun, sent)
            if answer.status in REDIRECTS:
                target = next_address(answer, seen, self.plan.settings.max_redirects)
            else:
                verdict, said = examine(answer, self.plan.settings, self._terms)
                if verdict is None:
                    hops.append((answer, sent))
                    break
                if verdict is CUT_SHORT:
                    answer = replace(answer, truncated="unspecified")
                if answer.truncated:
                    return self._ended(link, verdict, hops, answer, sent)
                target = verdict
            if isinstance(target, Verdict):
                return Result(link.key, target.outcome, target.detail)
            if self._forgotten.address(target):
                return Result(link.key, Outcome.FORGOTTEN, LEADS_TO_FORGOTTEN)
            hops.append((answer, sent))
            seen.append(target)
            url = target
        records = _records(link, hops)
        records[-1] = with_evidence(records[-1], link.key, len(hops) - 1, [*permission.evidence, *said])
        return Result(
            link.key, PAGE, final_key=key_of_normalised(url), hops=tuple(records), site_files=permission.files
        )

    def _ended(
        self, link: Link, verdict: Verdict, hops: Sequence[tuple[StoredResponse, bytes | None]],
        begun: StoredResponse | None, sent: bytes | None,
    ) -> Result:  # fmt: skip
        """The result of a link without a page; what came of it, if an answer broke off, is marked as not whole."""
        if begun is None or not may_be_kept(begun, self.plan.settings, self._terms):
            return Result(link.key, verdict.outcome, verdict.detail)
        kept = replace(begun, body=begun.body[:BEGUN_BYTES])
        records = _records(link, [*hops, (kept, sent)])
        return Result(link.key, verdict.outcome, verdict.detail, hops=tuple(records))

    async def ask_site(self, url: str) -> StoredResponse | Verdict:
        """The answer for a site's own file."""
        return (await self._ask(url, robots=True)).answer

    async def _ask(self, url: str, *, robots: bool = False) -> Asked:
        """What came of it after retries."""
        tries = 1 if self._replayed else 1 + self.plan.settings.retries
        stale = False
        while True:
            if not self._replayed and self._delays.given_up(host_of(url)):
                return Asked(GIVEN_UP)
            tries -= 1
            try:
                stored, sent = await self._ask_in_turn(url, robots=robots)
            except Refused as error:
                return Asked(error.verdict)
            except BrokenAnswer as error:
                verdict = error.verdict
                if error.stale and not stale:
                    stale = True
                    tries += 1
                    continue
                if not tries or verdict.outcome not in RETRIED:
                    return Asked(verdict, error.sent, error.begun)
                continue
            if not tries or (stored.status < 500 and stored.status != 429):
                return Asked(stored, sent)

    async def _ask_in_turn(self, url: str, *, robots: bool) -> tuple[StoredResponse, bytes | None]:
        """One request, when its host may be asked; what came of it is the host's next delay."""
        if self._turns is None:
            return await self._ask_once(url, robots=robots)
        host = host_of(url)
        async with self._turns.turn(host):
            begun = time.monotonic()
            try:
                stored, sent = await self._ask_once(url, robots=robots)
            except Refused:
                raise  # nothing was sent
            except BrokenAnswer as error:
                if error.stale:
                    self._delays.heard(host)
                elif error.verdict.outcome is not Outcome.PRIVATE_ADDRESS:
                    self._delays.answered(host, time.monotonic() - begun, 0, None)
                raise
            except Exception:
                self._delays.answered(host, time.monotonic() - begun, 0, None)
                raise
            wait = retry_after(stored.header("retry-after"), time.time())
            self._delays.answered(host, time.monotonic() - begun, stored.status, wait)
            return stored, sent

    async def _ask_once(self, url: str, *, robots: bool) -> tuple[StoredResponse, bytes | None]:
        authority, slash, path = url.partition("://")[2].partition("/")
        sent = request_bytes(slash + path, authority, self._headers)
        meta: dict[str, Any] = {"address": url, SENT: sent, "verbatim_url": True}
        if robots:
            meta[ROBOTS] = True
        if not self._replayed:
            meta[ENOUGH] = functools.partial(self._head_is_enough, host_of(url), robots)
        request = scrapy.Request(url, meta=meta, dont_filter=True)
        await self.crawler.engine.download_async(request)
        stored: StoredResponse = request.meta[STORED]
        return _readable(stored), None if self._replayed else sent

    def _head_is_enough(self, host: str, robots: bool, status: int, headers: Headers) -> bool:
        """Whether the head of an answer decides already, so that its body need not come."""
        if self._turns is not None:
            self._delays.heard(host)
        if robots or judge_headers(status, headers, self.plan.settings, self._terms) is None:
            return False
        # A short body is read: so its connection can be used again.
        return not 0 < declared_length(headers) <= _SHORT_BODY


def _records(link: Link, hops: Sequence[tuple[StoredResponse, bytes | None]]) -> list[ResponseRecords]:
    return [response_records(link.key, hop, stored, sent) for hop, (stored, sent) in enumerate(hops)]


def _readable(stored: StoredResponse) -> StoredResponse:
    """The answer, where its record could be read again."""
    if len(http_head(stored)) > MAX_HEAD:
        raise Refused(Outcome.TOO_LARGE, f"more than {MAX_HEAD:,} bytes of headers")
    return stored


def _request_headers(settings: CrawlSettings) -> list[tuple[str, str]]:
    headers = {
        "Accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1",
        "Accept-Language": "en,*;q=0.5",
        "Accept-Encoding": "gzip, deflate, br, zstd",
    }
    if "@" in settings.contact and "://" not in settings.contact:
        headers["From"] = settings.contact  # RFC 9110, section 10.1.2
    return [("User-Agent", user_agent_of(settings)), *headers.items()]
