"""What the sites of pages say today, before an archive's copy is used: asked as politely as the crawl asks them.

One request a host at a time and its delay between two, as for the crawl that may just have ended; what that crawl has
learned of a site within a day is not asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.delays import HostDelays, HostTurns, retry_after
from webtext.crawler.fetch.judging import GIVEN_UP, Verdict
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.site_store import SiteFile, SiteStore
from webtext.crawler.fetch.sites import Permission, Sites
from webtext.crawler.reddit.urls import host_of

_NOT_ASKED = Verdict(Outcome.UNREACHABLE, "not asked again")


class Owners:
    """The sites of the links of one pass.

    Args:
        ask: makes one request, at once.
        store: what crawls have learned of hosts; None for nothing.
    """

    def __init__(
        self,
        settings: CrawlSettings,
        ask: Callable[[str], Awaitable[StoredResponse | Verdict]],
        store: SiteStore | None,
    ) -> None:
        self._ask = ask
        self._delays = HostDelays(settings.delay, store=store)
        self._turns = HostTurns(self._delays)
        self._asked = Sites(settings, self._ask_in_turn, store=store, learned=self._delays.learned)
        self._remembered = Sites(settings, _not_asked, store=None if store is None else _Remembered(store))

    async def consent(self, url: str, ask: bool) -> Permission | Verdict:
        """Whether a copy of the page at a normalised URL may be used, and what was said about it; otherwise why not.

        Args:
            ask: whether the site may be asked; if not, what is remembered of it decides.
        """
        return await (self._asked if ask else self._remembered).judge(url)

    async def _ask_in_turn(self, url: str) -> StoredResponse | Verdict:
        host = host_of(url)
        if self._delays.given_up(host):
            return GIVEN_UP
        async with self._turns.turn(host):
            begun = time.monotonic()
            answer = await self._ask(url)
            if isinstance(answer, Verdict) and answer.outcome is Outcome.PRIVATE_ADDRESS:
                return answer  # nothing was sent
            self._delays.heard(host)
            wait = None if isinstance(answer, Verdict) else retry_after(answer.header("retry-after"), time.time())
            status = 0 if isinstance(answer, Verdict) else answer.status
            self._delays.answered(host, time.monotonic() - begun, status, wait)
            return answer


class _Remembered:
    """The cache, which what is not asked for must not change."""

    def __init__(self, store: SiteStore) -> None:
        self._store = store

    def file(self, url: str) -> SiteFile | None:
        return self._store.file(url)

    def keep_file(self, file: SiteFile, *, now: bool = False) -> None:
        pass


async def _not_asked(url: str) -> Verdict:
    return _NOT_ASKED
