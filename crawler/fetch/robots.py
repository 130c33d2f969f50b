"""robots.txt, obeyed for every request, those of redirects too (RFC 9309).

What the RFC says and the usual crawlers do not do: an answer of 5xx or none at all forbids everything, up to five
redirects of robots.txt are followed, and rules hold for scheme, host and port together.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from protego import Protego

from webtext.corpus.config import CrawlSettings
from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.consent import product_token
from webtext.crawler.fetch.decoding import UndecodableBody, decode_body
from webtext.crawler.fetch.judging import REDIRECTS, Refused, Verdict, next_address
from webtext.crawler.fetch.records import StoredResponse

ROBOTS = "robots"
"""The key in a request's meta that marks a request for robots.txt itself."""

_REDIRECTS = 5  # RFC 9309, section 2.3.1.2
_PARSED_BYTES = 500 * 1024  # RFC 9309, section 2.5
_SECONDS = 24 * 3_600.0  # RFC 9309, section 2.4: how long rules may be held
_FAILED_SECONDS = 600.0  # a server that is down is asked again sooner
_CACHE_BYTES = 64_000_000  # rules take 1.6-31 kB a host (measured): some ten thousand hosts
_ENTRY_BYTES = 2_000
_PARSED_FACTOR = 8  # memory of parsed rules to bytes of text

Rules: TypeAlias = "Protego | Verdict | None"
"""What holds for an origin: rules, a verdict over all of it, or no restriction."""

Ask = Callable[[str], Awaitable[StoredResponse | Verdict]]


class RobotsCache:
    """The rules of the origins asked last, each fetched once however many links wait for it."""

    def __init__(self, settings: CrawlSettings, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._agent = product_token(settings.user_agent)
        self._max_bytes = settings.max_bytes
        self._ask = ask
        self._clock = clock
        self._rules: OrderedDict[str, tuple[float, int, Rules]] = OrderedDict()
        self._weight = 0
        self._pending: dict[str, asyncio.Task[Rules]] = {}

    async def verdict(self, url: str) -> Verdict | None:
        """Why a normalised URL may not be asked for, None where it may."""
        rules = await self._of(origin_of(url))
        if isinstance(rules, Protego):
            allowed = rules.can_fetch(url, self._agent)
            return None if allowed else Verdict(Outcome.ROBOTS, "disallowed by robots.txt")
        return rules

    async def _of(self, origin: str) -> Rules:
        expiry, _, rules = self._rules.get(origin, (0.0, 0, None))
        if self._clock() < expiry:
            self._rules.move_to_end(origin)
            return rules
        task = self._pending.get(origin)
        if task is None:
            task = self._pending[origin] = asyncio.ensure_future(self._fetch(origin))
            task.add_done_callback(lambda _: self._pending.pop(origin))
        # A link that is cancelled must not cancel the others that wait for the same rules.
        return await asyncio.shield(task)

    async def _fetch(self, origin: str) -> Rules:
        rules, size = await self._load(origin)
        seconds = _FAILED_SECONDS if isinstance(rules, Verdict) else _SECONDS
        self._weight -= self._rules.pop(origin, (0.0, 0, None))[1]
        weight = _ENTRY_BYTES + _PARSED_FACTOR * size
        self._rules[origin] = (self._clock() + seconds, weight, rules)
        self._weight += weight
        while self._weight > _CACHE_BYTES and len(self._rules) > 1:
            self._weight -= self._rules.popitem(last=False)[1][1]
        return rules

    async def _load(self, origin: str) -> tuple[Rules, int]:
        seen = [f"{origin}/robots.txt"]
        while True:
            answer = await self._ask(seen[-1])
            if isinstance(answer, Verdict):
                return _unreachable(answer, redirected=len(seen) > 1), 0
            if answer.status not in REDIRECTS:
                return self._parse(answer)
            target = next_address(answer, seen, _REDIRECTS)
            if isinstance(target, Verdict):
                return None, 0  # "unavailable" (section 2.3.1.2): no restriction
            seen.append(target)

    def _parse(self, answer: StoredResponse) -> tuple[Rules, int]:
        if answer.status >= 500:
            return Verdict(Outcome.ROBOTS, f"robots.txt has status {answer.status}"), 0
        if not 200 <= answer.status < 300:
            return None, 0  # section 2.3.1.3
        try:
            text = decode_body(answer.headers, answer.body, self._max_bytes)[:_PARSED_BYTES]
        except UndecodableBody:
            return Verdict(Outcome.ROBOTS, "robots.txt does not decode"), 0
        return Protego.parse(text.decode("utf-8-sig", "replace")), len(text)


def _unreachable(verdict: Verdict, *, redirected: bool) -> Verdict:
    """A robots.txt that cannot be had forbids everything; a host that cannot be had says so itself."""
    if redirected or verdict.outcome not in (Outcome.UNREACHABLE, Outcome.TIMEOUT, Outcome.PRIVATE_ADDRESS):
        return Verdict(Outcome.ROBOTS, "robots.txt cannot be had")
    if verdict.outcome is Outcome.PRIVATE_ADDRESS:
        return verdict
    return Verdict(verdict.outcome, f"robots.txt: {verdict.detail}")


def origin_of(url: str) -> str:
    """Scheme, host and port of a normalised URL: what one robots.txt speaks for."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


class RobotsMiddleware:
    """Downloader middleware: refuses what robots.txt forbids."""

    def __init__(self, cache: RobotsCache) -> None:
        self._cache = cache

    @classmethod
    def from_crawler(cls, crawler: Any) -> RobotsMiddleware:
        """Scrapy's constructor: robots.txt is asked for as any other request, through the same guard and slots."""
        return cls(RobotsCache(crawler.spider.settings_of_crawl, crawler.spider.ask_robots))

    async def process_request(self, request: Any) -> None:
        """Raises `Refused` for a request that robots.txt forbids."""
        if ROBOTS not in request.meta:
            verdict = await self._cache.verdict(request.meta["address"])
            if verdict is not None:
                raise Refused(verdict.outcome, verdict.detail)
