"""The demo's own web: sites with articles, and the tools with which facts are planted into it.

`DemoWeb` is filled once and then only served. What it plants stands in `plants_*`, one file a stage.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from webtext.corpus.files import identity_of, os_errors, write_bytes
from webtext.demo.answers import NOT_FOUND, Answer, Place
from webtext.demo.archive import LittleArchives
from webtext.demo.articles import Article
from webtext.demo.dump import DUMP_NAME, Dump
from webtext.demo.encyclopedia import Beside
from webtext.demo.registry import Check, Registry, all_of, ends_as
from webtext.demo.templates import COMMENTS, READERS, TEMPLATES, Page

LIST_NAME = "reading-list.txt"

FOUND = 10
"""The score of a planted submission where nothing is said: more than the least karma, less than an article has."""

_PLACES = ("harbour", "northfield", "old-mill", "lantern", "riverside", "hilltop", "meadow", "station")
_KINDS = ("gazette", "post", "review", "notebook", "almanac")
_RELATED = 6


@dataclass
class DemoWeb:
    """A web in memory, its dump, and what should become of it.

    `spare` holds articles that no site has, for the facts.
    """

    spare: list[Article]
    chance: random.Random
    answers: dict[tuple[str, str], tuple[Answer, ...]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    dump: Dump = field(default_factory=Dump)
    chosen: list[str] = field(default_factory=list)
    """The lines of a URL list that goes beside the dump."""
    facts: Registry = field(default_factory=Registry)
    archives: LittleArchives = field(default_factory=LittleArchives)
    articles: dict[str, Article] = field(default_factory=dict)
    """The article of each page of an ordinary site, by address."""
    beside: Beside = field(default_factory=Beside)

    def answer(self, host: str, target: str, asked: int) -> Answer:
        """As `Web.answer`. Of several answers each is given once, the last one again and again."""
        if host.endswith(".archive.example") and target != "/robots.txt":
            return self.archives.answer(host, target)
        found = self.answers.get((host, target), (NOT_FOUND,))
        return found[min(asked, len(found) - 1)]

    def places(self) -> Iterator[tuple[str, str]]:
        """As `Web.places`."""
        yield from sorted(self.names.items())

    def serve(self, host: str, target: str, *answers: Answer) -> str:
        """Let a host answer; its address. Of several answers each is given once, the last one ever after."""
        if (host, target) in self.answers:
            raise ValueError(f"{host}{target} answers already")
        self.name(host, Place.HERE)
        self.answers[host, target] = answers
        return f"http://{host}{target}"

    def name(self, host: str, place: str) -> str:
        """Let a host's name lead somewhere; the address of its first page."""
        if self.names.setdefault(host, place) != place:
            raise ValueError(f"{host} leads to {self.names[host]} already")
        return f"http://{host}/"

    def robots(self, host: str, *lines: str) -> None:
        """Give a host a robots.txt."""
        text = "".join(f"{line}\n" for line in lines).encode()
        self.serve(host, "/robots.txt", Answer(text, 200, (("Content-Type", "text/plain"),)))

    def article(self) -> Article:
        """An article that was not used yet."""
        return self.spare.pop()

    def html(self, article: Article, template: str = "newspaper", *, site: str = "A site", head: str = "") -> bytes:
        """A page with an article."""
        comments = [(self.chance.choice(READERS), text) for text in self.chance.sample(COMMENTS, 2)]
        page = Page(article.title, article.paragraphs, site, comments=comments, head=head)
        return TEMPLATES[template](page).encode()

    def page(self, host: str, target: str, article: Article | None = None, *, head: str = "", **headers: str) -> str:
        """Serve an article (a new one where none is given); its address. `X_Robots_Tag="noai"` is a header."""
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        if "Content_Type" not in headers:
            named = (("Content-Type", "text/html; charset=utf-8"), *named)
        return self.serve(host, target, Answer(self.html(article or self.article(), head=head), 200, named))

    def post(self, *urls: str, score: object = FOUND) -> None:
        """Link to addresses, one submission each."""
        for url in urls:
            self.dump.post(url, score)

    def plant(self, name: str, outcome: str, *urls: str, detail: str = "", also: Check | None = None) -> None:
        """Link to addresses, and register that each of them ends with `outcome` (or as a document)."""
        self.post(*urls)
        check = ends_as(outcome, *urls, detail=detail)
        self.expect(name, check if also is None else all_of(check, also), *urls)

    def expect(self, name: str, check: Check, *about: str) -> None:
        """Register a fact."""
        self.facts.add(name, check, *about)

    def identity(self) -> str:
        """The sha256 (hex) of all answers, names and the dump: two webs of one identity give one corpus."""
        answers = [
            [host, target, [[answer.status, answer.headers, answer.body.hex(), answer.manner.name] for answer in given]]
            for (host, target), given in sorted(self.answers.items())
        ]
        beside = {name: data.hex() for name, data in self.beside.files().items()}
        return identity_of(
            [answers, sorted(self.names.items()), self.dump.data().hex(), self.chosen, self.archives.identity(), beside]
        )

    def write_sources(self, folder: Path) -> tuple[Path, Path]:
        """Write the dump, the URL list and what lies beside them, where they do not lie yet; the paths of the two."""
        self.dump.write(folder / DUMP_NAME)
        chosen = "".join(f"{line}\n" for line in self.chosen).encode()
        for name, data in {LIST_NAME: chosen, **self.beside.files()}.items():
            path = folder / name
            with os_errors(path):
                there = path.exists() and path.read_bytes() == data
            if not there:
                write_bytes(path, data)
        return folder / DUMP_NAME, folder / LIST_NAME


def build_sites(web: DemoWeb, articles: list[Article], hosts: int) -> None:
    """Give every article a page, on `hosts` sites of very different sizes, each with a template of its own; post them.

    The first site has the most pages: the sizes fall as the square root of the rank.
    """
    sites = [f"www.{place}-{kind}.example" for kind in _KINDS for place in _PLACES][:hosts]
    weights = [(rank + 1) ** -0.5 for rank in range(len(sites))]
    # Every site has a page, the others are drawn.
    drawn = sites + web.chance.choices(sites, weights, k=max(0, len(articles) - len(sites)))
    addresses = [
        f"http://{site}/{number}/{_slug(article)}"
        for number, (site, article) in enumerate(zip(drawn, articles, strict=False))
    ]
    by_site: dict[str, list[int]] = {site: [] for site in sites}
    for number, site in enumerate(drawn[: len(articles)]):
        by_site[site].append(number)
    for rank, (site, numbers) in enumerate(by_site.items()):
        template = list(TEMPLATES)[rank % len(TEMPLATES)]
        for number in numbers:
            article = articles[number]
            near = [other for other in numbers if other != number]
            related = [
                (addresses[other], articles[other].title) for other in web.chance.sample(near, min(_RELATED, len(near)))
            ]
            comments = [
                (web.chance.choice(READERS), text) for text in web.chance.sample(COMMENTS, web.chance.randint(0, 5))
            ]
            title = site.removeprefix("www.").removesuffix(".example").replace("-", " ").title()
            page = Page(article.title, article.paragraphs, title, related=related, comments=comments)
            target = addresses[number].partition(site)[2]
            web.serve(site, target, Answer(TEMPLATES[template](page).encode()))
            web.articles[addresses[number]] = article
    for address in addresses:
        # Karma as on Reddit: most links have little, a few very much.
        web.dump.post(address, 20 + int(web.chance.paretovariate(0.9)))


def _slug(article: Article) -> str:
    words = "".join(character if character.isalnum() else " " for character in article.title.lower()).split()
    return "-".join(words[:6]).encode("ascii", "ignore").decode()
