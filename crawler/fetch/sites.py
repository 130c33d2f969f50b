"""What a site says before a page of it is asked for: robots.txt, /.well-known/tdmrep.json, /ai.txt.

Each file is asked for once a day and origin, however many links wait for it; what is parsed is held within bounded
memory, what was fetched on disk (`site_store`). The consent files are looked at where robots.txt lets us, and only once
a page of the origin is wanted. Plain asyncio, no Scrapy: who asks is a parameter.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.ai_txt import AI_TXT, ai_txt_decision, parse_ai_txt
from webtext.crawler.fetch.consent import product_token
from webtext.crawler.fetch.evidence import said_of
from webtext.crawler.fetch.judging import Verdict
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.robots_rules import Decision, Group, RobotsRules, decide_for_any, parse_robots
from webtext.crawler.fetch.site_files import NONE, Ask, load_file
from webtext.crawler.fetch.site_store import SECONDS, SiteFile
from webtext.crawler.fetch.tdm import TDMREP, TdmRule, parse_tdmrep, tdmrep_reservation
from webtext.crawler.reddit.urls import host_of

ROBOTS_TXT = "/robots.txt"

ROBOTS = "robots"
"""The key in a request's meta that marks a request for a site's own file."""

FAILED_SECONDS = 600.0
"""A server that is down is asked again sooner than after a day."""

_CACHE_BYTES = 64_000_000  # rules take 1.6-31 kB a host (measured): some ten thousand hosts
_ENTRY_BYTES = 2_000
_PARSED_FACTOR = 9  # memory of parsed rules (8) and their text to bytes of text

Rules: TypeAlias = "RobotsRules | Verdict"


class Files(Protocol):
    """Where files of sites are kept: `SiteStore`, or something like it."""

    def file(self, url: str) -> SiteFile | None:
        """What is known of a file, however old."""

    def keep_file(self, file: SiteFile, *, now: bool = False) -> None:
        """Remember a file; `now` where a kill in the next moments must not lose it."""


@dataclass(frozen=True)
class Permission:
    """A page may be asked for; what was said about it, as evidence, in which files of the site, and the seconds between
    two requests that the host asks for."""

    evidence: tuple[tuple[str, str], ...]
    delay: float = 0.0
    files: tuple[SiteFile, ...] = ()


@dataclass
class _Site:
    expires: float
    weight: int
    rules: Rules
    group: Group | None
    robots_said: str
    ai: RobotsRules | None = None
    ai_said: str = ""
    tdm: tuple[TdmRule, ...] | None = None
    tdm_said: str = ""
    consent_known: bool = False
    files: tuple[SiteFile, ...] = ()
    """Those that there are."""


class Sites:
    """The origins asked last.

    Args:
        ask: gives the answer for an address of a site's own file, or why there is none.
        store: the cache on disk; None for none.
        clock: seconds since 1970.
        learned: told a host and the seconds that its robots.txt asks for, where it asks for any.
    """

    def __init__(
        self,
        settings: CrawlSettings,
        ask: Ask,
        *,
        store: Files | None = None,
        clock: Callable[[], float] = time.time,
        learned: Callable[[str, float], None] | None = None,
    ) -> None:
        self._settings = settings
        self._agent = product_token(settings.user_agent).lower()
        self._ask = ask
        self._store = store
        self._clock = clock
        self._learned = learned
        self._sites: OrderedDict[str, _Site] = OrderedDict()
        self._weight = 0
        self._pending: dict[tuple[str, str], asyncio.Task[_Site]] = {}
        self._reads_robots = settings.obey_robots or bool(settings.ai_agents)

    @property
    def count(self) -> int:
        """How many files of a site are asked for, at most, before a page of it."""
        return self._reads_robots + self._settings.tdm + self._settings.ai_txt

    async def files(self, url: str) -> dict[str, SiteFile]:
        """What came of the site's files for a normalised URL, by path: robots.txt, and those of consent where they are
        asked for."""
        origin = origin_of(url)
        site = await self._site(url)
        found = {ROBOTS_TXT: await self._file(f"{origin}{ROBOTS_TXT}")} if self._reads_robots else {}
        if not isinstance(await self.judge(url), Verdict) or site.consent_known:
            wanted = ((TDMREP, self._settings.tdm), (AI_TXT, self._settings.ai_txt))
            for name, asked in wanted:
                if asked and self._may_read(site, f"{origin}{name}"):
                    found[name] = await self._file(f"{origin}{name}")
        return found

    async def judge(self, url: str) -> Permission | Verdict:
        """Whether a normalised URL may be asked for; otherwise the outcome, with the rule and its source."""
        site = await self._site(url)
        if isinstance(site.rules, Verdict):
            return site.rules
        evidence: list[tuple[str, str]] = []
        if self._reads_robots:
            found = self._by_robots(site, url)
            if isinstance(found, Verdict):
                return found
            evidence.append(("robots.txt", f"{site.robots_said}; {printable(found.why)}"))
        await self._consent(site, url)
        if site.tdm is not None:
            reservation = tdmrep_reservation(site.tdm, url)
            if reservation is not None and reservation.reserved:
                return Verdict(Outcome.OPT_OUT, f"{printable(reservation.why)} in tdmrep.json")
            said = "no rule fits" if reservation is None else printable(reservation.why)
            evidence.append(("tdmrep.json", f"{site.tdm_said}; {said}"))
        elif site.tdm_said:
            evidence.append(("tdmrep.json", site.tdm_said))
        if site.ai is not None:
            decision = ai_txt_decision(site.ai, url, self._agent)
            if decision is not None and decision.rule is not None:
                return Verdict(Outcome.OPT_OUT, f"ai.txt, line {decision.rule.line}: {decision.rule}")
            evidence.append(("ai.txt", f"{site.ai_said}; no rule keeps it out"))
        elif site.ai_said:
            evidence.append(("ai.txt", site.ai_said))
        return Permission(tuple(evidence), 0.0 if site.group is None else site.group.delay, site.files)

    def _by_robots(self, site: _Site, url: str) -> Decision | Verdict:
        assert isinstance(site.rules, RobotsRules)
        settings = self._settings
        decision = site.rules.decide(url, self._agent)
        if settings.obey_robots and not decision.allowed:
            return Verdict(Outcome.ROBOTS, f"disallowed by {decision.why}")
        if settings.obey_robots and site.group is not None and site.group.delay > settings.max_crawl_delay:
            return Verdict(
                Outcome.ROBOTS,
                f"robots.txt asks for {site.group.delay:,g} s between requests; at most "
                f"{settings.max_crawl_delay:,g} are waited for",
            )
        # A group of our own is the site's word about us; only without one do others' speak for us.
        if site.rules.named(self._agent) is None:
            spoken = decide_for_any(site.rules, url, settings.ai_agents)
            if spoken is not None:
                return Verdict(Outcome.OPT_OUT, f"crawlers for training are disallowed by {spoken.why}")
        return decision

    async def _site(self, url: str) -> _Site:
        origin = origin_of(url)
        site = self._sites.get(origin)
        if site is not None and self._clock() < site.expires:
            self._sites.move_to_end(origin)
            return site
        return await self._once(origin, ROBOTS_TXT, lambda: self._load(origin))

    async def _consent(self, site: _Site, url: str) -> None:
        """Have the consent files that the settings ask for."""
        if site.consent_known or not (self._settings.tdm or self._settings.ai_txt):
            return
        origin = origin_of(url)
        await self._once(origin, AI_TXT, lambda: self._load_consent(site, origin))

    async def _once(self, origin: str, name: str, load: Callable[[], Awaitable[_Site]]) -> _Site:
        task = self._pending.get((origin, name))
        if task is None:
            task = self._pending[origin, name] = asyncio.ensure_future(load())
            task.add_done_callback(lambda _: self._pending.pop((origin, name)))
        # A link that is cancelled must not cancel the others that wait for the same rules.
        return await asyncio.shield(task)

    async def _load(self, origin: str) -> _Site:
        if self._reads_robots:
            file = await self._file(f"{origin}{ROBOTS_TXT}")
            rules, group = self._read(file)
        else:
            file = SiteFile(f"{origin}{ROBOTS_TXT}", self._clock(), NONE)
            rules, group = parse_robots(b""), None
        held = SECONDS if file.outcome in ("", NONE) else FAILED_SECONDS
        weight = _ENTRY_BYTES + _PARSED_FACTOR * len(file.body)
        site = _Site(file.fetched + held, weight, rules, group, said_of(file), files=_there(file))
        if group is not None and group.delay and self._learned is not None:
            self._learned(host_of(origin), min(group.delay, self._settings.max_crawl_delay))
        self._weight -= self._sites.pop(origin).weight if origin in self._sites else 0
        self._sites[origin] = site
        self._grow(site.weight)
        return site

    async def _load_consent(self, site: _Site, origin: str) -> _Site:
        if self._settings.tdm:
            text, site.tdm_said = await self._text(site, f"{origin}{TDMREP}")
            site.tdm = None if text is None else parse_tdmrep(text)
        if self._settings.ai_txt:
            text, site.ai_said = await self._text(site, f"{origin}{AI_TXT}")
            site.ai = None if text is None else parse_ai_txt(text)
        site.consent_known = True
        return site

    async def _text(self, site: _Site, url: str) -> tuple[bytes | None, str]:
        """A consent file, and what came of it; None where there is none, it cannot be had, or robots.txt keeps us from
        it."""
        if not self._may_read(site, url):
            return None, "not asked for, as robots.txt wants"
        file = await self._file(url)
        site.files += _there(file)
        if self._sites.get(origin_of(url)) is site:
            site.weight += _PARSED_FACTOR * len(file.body)
            self._grow(_PARSED_FACTOR * len(file.body))
        return None if file.outcome else file.body, said_of(file)

    def _may_read(self, site: _Site, url: str) -> bool:
        rules = site.rules
        if not self._settings.obey_robots or not isinstance(rules, RobotsRules):
            return True
        return rules.decide(url, self._agent).allowed

    async def _file(self, url: str) -> SiteFile:
        known = None if self._store is None else self._store.file(url)
        if known is not None:
            held = SECONDS if known.outcome in ("", NONE) else FAILED_SECONDS
            if self._clock() < known.fetched + held:
                return known
        file = await load_file(url, self._ask, self._clock())
        if self._store is not None:
            # A Crawl-delay that a kill forgets would let the next process ask too soon.
            self._store.keep_file(file, now=b"delay" in file.body.lower() or b"rate" in file.body.lower())
        return file

    def _read(self, file: SiteFile) -> tuple[Rules, Group | None]:
        if file.outcome == "":
            rules = parse_robots(file.body)
            return rules, rules.group(self._agent)
        if file.outcome == NONE or not self._settings.obey_robots:
            return parse_robots(b""), None
        return Verdict(Outcome(file.outcome), file.detail), None

    def _grow(self, weight: int) -> None:
        self._weight += weight
        while self._weight > _CACHE_BYTES and len(self._sites) > 1:
            self._weight -= self._sites.popitem(last=False)[1].weight


def origin_of(url: str) -> str:
    """Scheme, host and port of a normalised URL: what one robots.txt speaks for."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _there(file: SiteFile) -> tuple[SiteFile, ...]:
    """The file, where the site has it."""
    return () if file.outcome else (file,)
