"""The planted facts: for each a name, the addresses it is about, and a check over the finished corpus.

A check gives "" where the fact holds, otherwise what was found instead. To plant a new fact, see `docs/demo.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from webtext.corpus.outcomes import Outcome, Stage
from webtext.crawler.reddit.urls import url_key
from webtext.demo.finished import DOCUMENT, Finished

Check = Callable[[Finished], str]


@dataclass(frozen=True)
class Fact:
    """Something that must be true of the finished corpus. `about` names what it was planted at."""

    name: str
    about: tuple[str, ...]
    check: Check


@dataclass(frozen=True)
class Broken:
    """A fact that does not hold, and what was found instead."""

    fact: Fact
    found: str

    def __str__(self) -> str:
        about = self.fact.about[0] if self.fact.about else ""
        more = f" and {len(self.fact.about) - 1} more" if len(self.fact.about) > 1 else ""
        return (
            f"{self.fact.name}\n    {about}{more}\n    {self.found}" if about else f"{self.fact.name}\n    {self.found}"
        )


@dataclass
class Registry:
    """All facts of a web, in the order in which they were planted."""

    facts: list[Fact] = field(default_factory=list)

    def add(self, name: str, check: Check, *about: str) -> None:
        """Register a fact.

        Raises:
            ValueError: there is one of this name.
        """
        if any(fact.name == name for fact in self.facts):
            raise ValueError(f"two facts are named {name!r}")
        self.facts.append(Fact(name, about, check))

    def __len__(self) -> int:
        return len(self.facts)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self.facts)

    def broken(self, finished: Finished) -> list[Broken]:
        """Check every fact; those that do not hold. A check that fails itself is a fact that does not hold."""
        found: list[Broken] = []
        for fact in self.facts:
            try:
                problem = fact.check(finished)
            except Exception as error:  # noqa: BLE001 - told beside the fact
                problem = f"could not be checked: {type(error).__name__}: {error}"
            if problem:
                found.append(Broken(fact, problem))
        return found


def ends_as(outcome: str, *urls: str, detail: str = "") -> Check:
    """Each link ends with this outcome (or `DOCUMENT`); its detail contains `detail`."""
    wanted = DOCUMENT if outcome == DOCUMENT else str(Outcome(outcome))

    def check(finished: Finished) -> str:
        for url in urls:
            fate = finished.fate(url)
            if fate.outcome != wanted or detail not in fate.detail:
                return f"{url}: expected {wanted}{f' ({detail})' if detail else ''}, became {fate}"
        return ""

    return check


def never_asked(*targets: tuple[str, str]) -> Check:
    """No request for these (host, target) reached the server."""

    def check(finished: Finished) -> str:
        asked = [f"{host}{target}" for host, target in targets if finished.asked.get((host, target))]
        return f"was asked for: {', '.join(asked)}" if asked else ""

    return check


def asked_times(host: str, target: str, times: int) -> Check:
    """The server was asked for this so many times (a resumed crawl may ask more often)."""
    return lambda finished: _unless(finished.asked.get((host, target), 0) >= times, f"was not asked {times} times")


def one_link(*urls: str, karma: int) -> Check:
    """All spellings are one link with one submission each, and the best of them gives its karma."""

    def check(finished: Finished) -> str:
        row = finished.link(urls[0])
        if row is None:
            return f"{urls[0]} is no link: {finished.fate(urls[0])}"
        apart = [url for url in urls if url_key(url) != row["key"]]
        if apart:
            return f"is a link of its own: {apart[0]}"
        if len(row["submissions"]) != len(urls):
            return f"{len(row['submissions'])} submissions, not {len(urls)}"
        return _unless(row["karma"] == karma, f"karma {row['karma']}, not {karma}")

    return check


def copy_of(outcome: str, keeper: str, *urls: str) -> Check:
    """Each link was removed as a copy, for the document at `keeper`, which stays."""

    def check(finished: Finished) -> str:
        problem = ends_as(DOCUMENT, keeper)(finished) or ends_as(outcome, *urls)(finished)
        for url in urls:
            row = finished.copy_of(url)
            if not problem and (row is None or row["keeper"] != url_key(keeper)):
                problem = f"{url}: its keeper is {row and row['keeper_url']}, not {keeper}"
        return problem

    return check


def counted(stage: Stage, outcome: str, count: int) -> Check:
    """A stage ended so many rows with this outcome."""

    def check(finished: Finished) -> str:
        found = finished.manifests[stage].outcomes.get(str(Outcome(outcome)), 0)
        return _unless(found == count, f"{found} {outcome}, not {count}")

    return check


def all_of(*checks: Check) -> Check:
    """The first problem of several checks."""
    return lambda finished: next((problem for check in checks if (problem := check(finished))), "")


def _unless(holds: bool, problem: str) -> str:
    return "" if holds else problem
