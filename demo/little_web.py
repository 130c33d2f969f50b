"""A web of any size that is not there: hosts, pages and troubles follow from a seed, pages are made when asked for.

For tests and benchmarks of the crawl: 20,000 hosts with Zipf sizes, latencies from 50 ms to 5 s, dead hosts, unknown
names. Nothing is stored, so a million pages cost no memory. Not for judging text: the demo's own web has real articles.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from webtext.corpus.outcomes import Outcome
from webtext.demo.answers import NOT_FOUND, Answer, Manner, Place
from webtext.demo.articles import topics
from webtext.demo.finished import DOCUMENT
from webtext.demo.templates import COMMENTS, READERS, TEMPLATES, Page

_SILENT = "silent"
_ROBOTS = Answer(b"User-agent: *\nDisallow: /private/\n", 200, (("Content-Type", "text/plain"),))


@dataclass(frozen=True)
class LittleWeb:
    """The shape of a web. Hosts are numbered from 0, the largest first; pages of a host from 0.

    A host has one template, one pace and one fate, which its pages share.
    """

    hosts: int = 20_000
    pages: int = 200_000
    """Of all hosts together, about."""
    seed: int = 1
    exponent: float = 1.0
    """Zipf's: the host of rank r (from 1) has a share of the pages proportional to r ** -exponent, and at least one."""
    fastest: float = 0.05
    slowest: float = 5.0
    """Seconds before an answer. The hosts' paces lie evenly on a logarithmic scale between the two; the pages of a host
    vary around its pace by half."""
    refused: float = 0.04
    """Share of the hosts that refuse connections."""
    unknown: float = 0.08
    """Share of the hosts whose names do not exist."""
    silent: float = 0.02
    """Share of the hosts that take connections and never answer."""
    missing: float = 0.06
    """Share of the pages that answer 404."""
    failing: float = 0.01
    """Share of the pages that answer 503."""

    def __post_init__(self) -> None:
        if not 0 < self.fastest <= self.slowest:
            raise ValueError(f"answers take {self.fastest} to {self.slowest} seconds; that is no range above 0")
        if self.refused + self.unknown + self.silent > 1 or self.missing + self.failing > 1:
            raise ValueError("the shares of hosts, or of pages, are more than the whole")

    def host(self, number: int) -> str:
        """The name of a host."""
        return f"h{number:06}.little.example"

    def size(self, number: int) -> int:
        """How many pages a host has."""
        share = float((number + 1) ** -self.exponent) / self._weight
        return max(1, round(self.pages * share))

    def place(self, number: int) -> Place:
        """Where a host's name leads."""
        fate = self._fate(number)
        return Place.HERE if fate == _SILENT else Place(fate)

    def latency(self, number: int) -> float:
        """The usual seconds before a host answers."""
        return float(self.fastest * (self.slowest / self.fastest) ** self._chance("latency", number).random())

    def url(self, host: int, page: int) -> str:
        """The address of a page."""
        return f"http://{self.host(host)}/{page}"

    def urls(self) -> Iterator[str]:
        """Every page of every host, the hosts mixed as in a dump."""
        left = {number: self.size(number) for number in range(self.hosts)}
        page = 0
        while left:
            yield from (self.url(number, page) for number in left)
            page += 1
            left = {number: size for number, size in left.items() if size > page}

    def expected(self, host: int, page: int) -> str:
        """What should become of a page: an outcome's word, or `DOCUMENT`."""
        fate = self._fate(host)
        if fate != Place.HERE:
            return str(Outcome.TIMEOUT if fate == _SILENT else Outcome.UNREACHABLE)
        return DOCUMENT if self._status(host, page) == 200 else str(Outcome.HTTP_ERROR)

    def places(self) -> Iterator[tuple[str, str]]:
        """As `Web.places`."""
        for number in range(self.hosts):
            yield self.host(number), self.place(number)

    def answer(self, host: str, target: str, asked: int) -> Answer:
        """As `Web.answer`."""
        label = host.partition(".")[0][1:]
        page = target[1:]
        if host != f"h{label}.little.example" or not label.isdecimal() or not int(label) < self.hosts:
            return NOT_FOUND
        number = int(label)
        wait = self._wait(number, target)
        if self._fate(number) == _SILENT:
            return Answer(manner=Manner.SILENT)
        if target == "/robots.txt":
            return Answer(_ROBOTS.body, 200, _ROBOTS.headers, wait=wait)
        if not page.isdecimal() or not int(page) < self.size(number):
            return Answer(NOT_FOUND.body, 404, wait=wait)
        status = self._status(number, int(page))
        return Answer(self._page(number, int(page)) if status == 200 else NOT_FOUND.body, status, wait=wait)

    @cached_property
    def _weight(self) -> float:
        return sum(float(rank**-self.exponent) for rank in range(1, self.hosts + 1))

    @cached_property
    def _paragraphs(self) -> list[str]:
        return list(topics())

    def _chance(self, *what: object) -> random.Random:
        # A text as the seed is hashed with SHA-512: the same everywhere.
        return random.Random(f"{self.seed} {' '.join(map(str, what))}")

    def _fate(self, number: int) -> str:
        drawn = self._chance("fate", number).random()
        shares = ((str(Place.REFUSED), self.refused), (str(Place.UNKNOWN), self.unknown), (_SILENT, self.silent))
        for fate, share in shares:
            if drawn < share:
                return fate
            drawn -= share
        return str(Place.HERE)

    def _status(self, host: int, page: int) -> int:
        drawn = self._chance("status", host, page).random()
        if drawn < self.missing:
            return 404
        return 503 if drawn < self.missing + self.failing else 200

    def _wait(self, host: int, target: str) -> float:
        wait = self.latency(host) * self._chance("wait", host, target).uniform(0.5, 1.5)
        return min(max(wait, self.fastest), self.slowest)

    def _page(self, host: int, page: int) -> bytes:
        chance = self._chance("page", host, page)
        size = self.size(host)
        related = [(f"/{chance.randrange(size)}", f"Page {chance.randrange(size)}") for _ in range(6)]
        template = list(TEMPLATES.values())[self._chance("template", host).randrange(len(TEMPLATES))]
        return template(
            Page(
                f"Page {page} of {self.host(host)}",
                chance.sample(self._paragraphs, min(len(self._paragraphs), chance.randint(3, 12))),
                self.host(host),
                related=related,
                comments=[(chance.choice(READERS), chance.choice(COMMENTS))],
            )
        ).encode()
