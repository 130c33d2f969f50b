"""From the captures of a link to its page, or to why an archive has none: the same rules as for a page that lives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.archives.asking import Archive, Copy, Excluded, TooMuch
from webtext.crawler.fetch.archives.captures import Capture, days_apart, nearest
from webtext.crawler.fetch.archives.ends import DeadLink, Missed, Ruled
from webtext.crawler.fetch.evidence import with_evidence
from webtext.crawler.fetch.forgetting import LEADS_TO_FORGOTTEN
from webtext.crawler.fetch.judging import REDIRECTS, Verdict, examine, judge_address, next_address
from webtext.crawler.fetch.records import Provenance, ResponseRecords, StoredResponse, response_records
from webtext.crawler.fetch.site_store import SiteFile
from webtext.crawler.fetch.sites import Permission
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.urls import UnusableURL, key_of_normalised, normalise

Consent = Callable[[str, bool], Awaitable[Permission | Verdict]]
"""What the site of an address says of it today, or why it cannot be had; asked for it where need be (True), or only by
what is remembered of it (False)."""

EXCLUDED = "keeps it to itself, as its owner wants"
_FORBIDS = frozenset({Outcome.ROBOTS, Outcome.OPT_OUT, Outcome.PRIVATE_ADDRESS})


@dataclass(frozen=True)
class Taken:
    """A page out of an archive, before it is on disk."""

    key: int
    source: str
    final_key: int
    hops: tuple[ResponseRecords, ...]
    captured: datetime
    days_apart: int | None
    address: str
    site_files: tuple[SiteFile, ...]
    """Of the page's site as it is today: its evidence speaks of them."""


class Taker:
    """Takes pages out of one archive.

    Args:
        source: the archive's name.
        max_days: as the setting.
        consent: asks the sites that the live crawl has not asked: those of links that archives are asked for first,
            and where redirects of then lead.
        forgotten: no redirect of then is followed to what is forgotten.
        now: the time of taking.
    """

    def __init__(
        self, source: str, archive: Archive, settings: CrawlSettings, max_days: int, consent: Consent,
        forgotten: Forgotten, now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._source = source
        self._archive = archive
        self._settings = settings
        self._max_days = max_days
        self._consent = consent
        self._forgotten = forgotten
        self._now = now

    async def take(self, link: DeadLink, captures: Sequence[Capture] | None) -> Taken | Missed | Ruled:
        """The end of a link, given its captures."""
        try:
            return await self._take(link, captures)
        except Excluded:
            return self._missed(link, EXCLUDED)
        except TooMuch:
            return self._missed(link, f"more than {self._settings.max_bytes:,} bytes")

    async def _take(self, link: DeadLink, captures: Sequence[Capture] | None) -> Taken | Missed | Ruled:
        url, seen = link.url, [link.url]
        hops: list[tuple[StoredResponse, str]] = []
        while True:
            if captures is None:
                return self._missed(link, EXCLUDED)
            capture = nearest(captures, link.posted, max_days=self._max_days)
            if capture is None:
                return self._missed(link, self._without(captures, link.posted))
            said = await self._consent(url, len(seen) > 1 or not link.asked_live)
            if isinstance(said, Verdict) and said.outcome in _FORBIDS:
                why = f"{said.detail} (asked for its copy in {self._source})"
                return Ruled(link.key, self._source, said.outcome, why)
            copy = await self._archive.fetch(capture)
            if copy is None:
                return self._missed(link, f"the capture of {capture.when:%Y-%m-%d} cannot be had")
            stored = replace(copy.stored, url=_spelled(copy.stored.url, url))
            hops.append((stored, copy.address))
            if stored.status not in REDIRECTS:
                permission = said if isinstance(said, Permission) else Permission(())
                return self._end(link, stored, copy, hops, permission)
            target = next_address(stored, seen, self._settings.max_redirects)
            if isinstance(target, str):
                target = judge_address(target) or target
            if isinstance(target, Verdict):
                return self._missed(link, f"{target.outcome}: {target.detail}")
            if self._forgotten.address(target):
                return Ruled(link.key, self._source, Outcome.FORGOTTEN, LEADS_TO_FORGOTTEN)
            seen.append(target)
            url = target
            captures = await self._archive.captures(url, link.posted)

    def _end(
        self, link: DeadLink, stored: StoredResponse, copy: Copy, hops: Sequence[tuple[StoredResponse, str]],
        permission: Permission,
    ) -> Taken | Missed | Ruled:  # fmt: skip
        verdict, said = examine(stored, self._settings)
        if verdict is not None and verdict.outcome is Outcome.OPT_OUT:
            return Ruled(link.key, self._source, verdict.outcome, f"{verdict.detail} of its copy in {self._source}")
        if verdict is not None:
            return self._missed(link, f"{verdict.outcome}: {verdict.detail}")
        apart = days_apart(stored.fetched, link.posted)
        records = [
            response_records(link.key, hop, one, None, self._provenance(link, one, address))
            for hop, (one, address) in enumerate(hops)
        ]
        records[-1] = with_evidence(records[-1], link.key, len(hops) - 1, [*permission.evidence, *said])
        key = key_of_normalised(stored.url)
        return Taken(link.key, self._source, key, tuple(records), stored.fetched, apart, copy.address, permission.files)

    def _provenance(self, link: DeadLink, stored: StoredResponse, address: str) -> Provenance:
        return Provenance(self._source, address, self._now(), link.posted, days_apart(stored.fetched, link.posted))

    def _missed(self, link: DeadLink, said: str) -> Missed:
        return Missed(link.key, self._source, said)

    def _without(self, captures: Sequence[Capture], posted: datetime | None) -> str:
        if not captures:
            return "no capture"
        if nearest(captures, posted) is not None:
            return f"no capture within {self._max_days:,} days"
        return "no capture of a whole page"


def _spelled(captured: str, url: str) -> str:
    """The address as it was captured, where that is another spelling of the link; else as it was asked for."""
    try:
        normalised = normalise(captured)
    except UnusableURL:
        return url
    return normalised if key_of_normalised(normalised) == key_of_normalised(url) else url
