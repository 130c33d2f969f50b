"""What we would do at an address, and why: robots.txt, tdmrep.json and ai.txt of its site, as the crawl reads them.

The verdict is `Sites`' own; beside it stands what it came from. Pure: the files are given, whoever fetched them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.ai_txt import AI_TXT
from webtext.crawler.fetch.consent import product_token
from webtext.crawler.fetch.contact import user_agent_of
from webtext.crawler.fetch.judging import Verdict, judge_address
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.robots_rules import RobotsRules, parse_robots
from webtext.crawler.fetch.site_files import NONE, file_of
from webtext.crawler.fetch.site_store import SiteFile
from webtext.crawler.fetch.sites import ROBOTS_TXT, Sites, origin_of
from webtext.crawler.fetch.tdm import TDMREP

NAMES = (ROBOTS_TXT, TDMREP, AI_TXT)
"""The paths of a site's files, in the order in which they are asked for."""


@dataclass(frozen=True)
class Explanation:
    """What we would do at an address. Text of the site is made printable."""

    url: str
    allowed: bool
    outcome: str
    """"" where it is allowed, otherwise the word of `corpus.outcomes`."""
    why: str
    user_agent: str
    agent: str
    """Our product token."""
    group: str
    """The group of robots.txt that binds us; "" for none."""
    group_line: int
    rule: str
    rule_line: int
    crawl_delay: float
    """Seconds that robots.txt asks for."""
    delay: float
    """Seconds that we leave between two requests to the host, at least."""
    agents: tuple[str, ...]
    """Whom robots.txt speaks to."""
    opt_outs: tuple[str, ...]
    """Which settings of consent were looked at."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What came of each of the site's files."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "url": self.url, "allowed": self.allowed, "outcome": self.outcome, "why": self.why,
            "user_agent": self.user_agent, "agent": self.agent, "group": self.group, "group_line": self.group_line,
            "rule": self.rule, "rule_line": self.rule_line, "crawl_delay": self.crawl_delay, "delay": self.delay,
            "agents": list(self.agents), "opt_outs": list(self.opt_outs), "files": dict(self.files),
        }  # fmt: skip

    def __str__(self) -> str:
        group = f"{self.group} (line {self.group_line})" if self.group else "none"
        rule = f"{self.rule} (line {self.rule_line})" if self.rule else "none fits"
        asks = f" (robots.txt asks for {self.crawl_delay:g})" if self.crawl_delay else ""
        verdict = "we would ask for it" if self.allowed else f"we would not ask for it: {self.outcome}"
        rows = [
            ("why", self.why), ("as", self.user_agent), ("our group", group), ("rule", rule),
            ("delay", f"{self.delay:g} s{asks}"), ("speaks to", ", ".join(self.agents) or "nobody"),
            *((name.rpartition("/")[2], told) for name, told in self.files.items()),
            ("opt-outs", ", ".join(self.opt_outs) or "none are looked for"),
        ]  # fmt: skip
        return "\n".join([self.url, verdict, *(f"  {name:<12}{told}" for name, told in rows)])


def explain(url: str, settings: CrawlSettings, files: Mapping[str, SiteFile]) -> Explanation:
    """What we would do at a normalised URL.

    Args:
        files: the site's files by path (`NAMES`); a missing one was not asked for.
    """
    origin = origin_of(url)
    found = judge_address(url)
    verdict = asyncio.run(_judge(url, settings, {f"{origin}{name}": file for name, file in files.items()}, found))
    agent = product_token(settings.user_agent).lower()
    robots = files.get(ROBOTS_TXT)
    rules = parse_robots(robots.body) if robots is not None and not robots.outcome else RobotsRules(())
    group = rules.group(agent)
    decision = rules.decide(url, agent)
    asks = 0.0 if group is None else group.delay
    if isinstance(verdict, Verdict):
        outcome, why = str(verdict.outcome), verdict.detail
    else:
        outcome, why = "", decision.why if robots is None or robots.outcome in ("", NONE) else robots.detail
    return Explanation(
        url=url,
        allowed=not outcome,
        outcome=outcome,
        why=printable(why, 500),
        user_agent=user_agent_of(settings),
        agent=agent,
        group="" if group is None else group.agent,
        group_line=0 if group is None else group.line,
        rule="" if decision.rule is None else str(decision.rule),
        rule_line=0 if decision.rule is None else decision.rule.line,
        crawl_delay=asks,
        delay=max(settings.delay, asks),
        agents=tuple(rules.agents),
        opt_outs=_opt_outs(settings),
        files={name: _told(files.get(name)) for name in NAMES},
    )


def file_given(url: str, body: bytes, now: float) -> SiteFile:
    """A robots.txt that lies on this machine, as if the site of `url` had answered with it."""
    address = f"{origin_of(url)}{ROBOTS_TXT}"
    return file_of(address, StoredResponse(address, 200, [], body, datetime.fromtimestamp(now, UTC)), now)


class _Given:
    """Sites' store, of files that are given; those that are not count as none."""

    def __init__(self, files: Mapping[str, SiteFile], now: float) -> None:
        self._files = files
        self._now = now

    def file(self, url: str) -> SiteFile:
        return self._files.get(url) or SiteFile(url, self._now, NONE)

    def keep_file(self, file: SiteFile, *, now: bool = False) -> None:
        raise AssertionError("every file is given")


async def _judge(url: str, settings: CrawlSettings, files: Mapping[str, SiteFile], refused: Verdict | None) -> object:
    async def ask(address: str) -> StoredResponse | Verdict:
        raise AssertionError("every file is given")

    if refused is not None:
        return refused
    now = min((file.fetched for file in files.values()), default=0.0)
    return await Sites(settings, ask, store=_Given(files, now), clock=lambda: now).judge(url)


def _told(file: SiteFile | None) -> str:
    if file is None:
        return "not asked for"
    when = datetime.fromtimestamp(file.fetched, UTC).strftime("%Y-%m-%d %H:%M UTC") if file.fetched else ""
    if file.outcome == "":
        digest = hashlib.sha256(file.body).hexdigest()[:16]
        return f"{len(file.body):,} bytes, sha256 {digest}…{', of ' + when if when else ''}"
    if file.outcome == NONE:
        return f"none ({printable(file.detail)})" if file.detail else "none"
    return f"cannot be had: {printable(file.detail)}"


def _opt_outs(settings: CrawlSettings) -> tuple[str, ...]:
    looked = [
        f"X-Robots-Tag and meta robots: {' '.join(settings.opt_out)}" if settings.opt_out else "",
        "TDM reservations" if settings.tdm else "",
        "ai.txt" if settings.ai_txt else "",
        f"groups of {len(settings.ai_agents)} crawlers for training" if settings.ai_agents else "",
    ]
    return tuple(entry for entry in looked if entry)
