"""A small web for whole-command tests: a dump and a WARC, made from documentation that ships with Python.

Every kind of fate occurs, with a few pages each: enough to notice what breaks, small enough to walk through in seconds.
The texts are real English (`pydoc_data.topics`); nothing is stored in the repository.
"""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from pydoc_data.topics import topics

import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

DATE = "2025-02-01T12:00:00Z"
GERMAN = (
    "Der Garten hinter dem Haus war an diesem Morgen noch feucht vom Regen der Nacht, und niemand hatte die Stühle "
    "hineingetragen. Meine Schwester öffnete das Fenster und sagte, dass wir heute nicht in die Stadt fahren würden. "
    "Wir setzten uns an den Küchentisch, tranken heißen Kaffee und lasen die Zeitung vom vergangenen Wochenende. "
)


@dataclass
class SmallWeb:
    """Where dump and WARC lie, and what should become of each address (an outcome's word, or "document")."""

    dump: Path
    warc: Path
    expected: dict[str, str] = field(default_factory=dict)


@dataclass
class _Maker:
    random: random.Random
    responses: list[tuple[str, int, list[tuple[str, str]], bytes]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)

    def answer(self, url: str, body: bytes, status: int = 200, **headers: str) -> None:
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if "Content_Type" not in headers:
            named.append(("Content-Type", "text/html; charset=utf-8"))
        self.responses.append((url, status, named, body))

    def post(self, url: str | None, score: object = 10, **more: object) -> None:
        number = len(self.lines)
        record = {
            "id": f"s{number:05}", "url": url, "score": score, "subreddit": "small", "title": f"submission {number}",
            "created_utc": 1_735_700_000 + number, "is_self": False, "over_18": False, "removed_by_category": None,
        }  # fmt: skip
        self.lines.append(json.dumps({**record, **more}).encode())

    def link(self, url: str, fate: str, score: object = 10, **more: object) -> None:
        self.post(url, score, **more)
        self.expected[url] = fate


def make_small_web(folder: Path, *, articles: int = 40, seed: int = 1) -> SmallWeb:
    """Write `dump.zst` and `web.warc.gz` below `folder`."""
    maker = _Maker(random.Random(seed))
    texts = article_texts(maker.random, articles + 8)
    for number, text in enumerate(texts[:articles]):
        url = f"https://site{number % 9}.example/articles/{number}"
        maker.answer(url, page(f"Article {number}", text))
        maker.link(url, "document", score=5 + number)
    _copies(maker, texts, articles)
    _fates_at_links(maker)
    _fates_at_pages(maker, texts[articles:])
    _fates_at_documents(maker)
    folder.mkdir(parents=True, exist_ok=True)
    web = SmallWeb(folder / "dump.zst", folder / "web.warc.gz", maker.expected)
    write_dump(web.dump, maker.lines)
    write_warc(web.warc, maker.responses)
    return web


def article_texts(chance: random.Random, count: int) -> list[list[str]]:
    """`count` different texts, each a list of paragraphs with 250 to 600 words together."""
    paragraphs = [
        " ".join(block.split())
        for name in sorted(topics)
        for block in topics[name].split("\n\n")
        if len(block.split()) > 25 and "::=" not in block and ">>>" not in block
    ]
    chance.shuffle(paragraphs)
    texts: list[list[str]] = []
    while len(texts) < count:
        text: list[str] = []
        wanted = chance.randint(250, 600)
        while sum(len(paragraph.split()) for paragraph in text) < wanted:
            text.append(paragraphs.pop())
        texts.append(text)
    return texts


def page(title: str, paragraphs: list[str], head: str = "") -> bytes:
    """A page with navigation and a footer around its text."""
    menu = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("Home", "News", "About", "Contact"))
    body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    return (
        f"<!doctype html><html><head><meta charset=utf-8><title>{escape(title)}</title>{head}</head><body>"
        f"<nav><ul>{menu}</ul></nav><main><article><h1>{escape(title)}</h1>{body}</article></main>"
        f"<footer><p>All rights reserved.</p></footer></body></html>"
    ).encode()


def _copies(maker: _Maker, texts: list[list[str]], articles: int) -> None:
    for number in range(0, articles, 8):
        url = f"http://syndicate.example/story/{number}"
        changed = [*texts[number][:-1], texts[number][-1] + " This story first appeared elsewhere."]
        maker.answer(url, page(f"Article {number}", changed))
        maker.link(url, "near-duplicate", score=4)
    maker.answer("http://copy.example/1", page("Article 1", texts[1]))
    maker.link("http://copy.example/1", "near-duplicate", score=4)
    maker.answer("https://site1.example/print/1", page("Article 1", texts[1]))
    maker.link("https://site1.example/print/1", "duplicate", score=4)
    maker.answer("http://short.example/2", b"", 301, Location="https://site2.example/articles/2")
    maker.link("http://short.example/2", "duplicate-redirect")
    # Another spelling of an address that is there: a further line of the same link.
    maker.post("http://www.site3.example/articles/3/?utm_source=x&amp;utm_medium=y", 3)


def _fates_at_links(maker: _Maker) -> None:
    for number in range(6):
        maker.link(f"https://unloved.example/{number}", "karma", score=number % 3)
    maker.link("https://late.example/", "nsfw", over_18=True)
    maker.link("https://gone.example/", "removed", removed_by_category="moderator")
    maker.link("ftp://files.example/a", "unusable-url")
    maker.link("http://127.0.0.1:8000/admin", "private-address")
    maker.link("https://en.wikipedia.org/wiki/Python", "wikipedia")
    for number in range(5):
        maker.post(f"https://www.reddit.com/r/small/comments/{number}/", is_self=True)
        maker.post(f"https://i.redd.it/{number}.jpg")
    maker.lines += [b"", b"null", b"[1]", b'{"id": "cut", "url": "http://x', b'{"id": "\xff", "score": 3}']


def _fates_at_pages(maker: _Maker, spare: list[list[str]]) -> None:
    maker.answer("https://closed.example/robots.txt", b"User-agent: *\nDisallow: /\n", Content_Type="text/plain")
    maker.answer("https://closed.example/a", page("Closed", spare[0]))
    maker.link("https://closed.example/a", "robots")
    maker.answer("https://optout.example/a", page("No", spare[1]), X_Robots_Tag="noai")
    maker.link("https://optout.example/a", "opt-out")
    maker.answer("https://optout.example/b", page("No", spare[2], '<meta name="robots" content="noai">'))
    maker.link("https://optout.example/b", "opt-out")
    maker.answer("https://broken.example/404", b"gone", 404)
    maker.link("https://broken.example/404", "http-error")
    maker.link("https://dead.example/", "unreachable")
    maker.answer("https://files.example/a.pdf", b"%PDF-1.7", Content_Type="application/pdf")
    maker.link("https://files.example/a.pdf", "content-type")
    maker.answer("https://loop.example/a", b"", 302, Location="https://loop.example/b")
    maker.answer("https://loop.example/b", b"", 302, Location="https://loop.example/a")
    maker.link("https://loop.example/a", "redirect")
    maker.answer("https://inside.example/", b"", 302, Location="http://169.254.169.254/latest/meta-data/")
    maker.link("https://inside.example/", "private-address")
    maker.answer("https://mirror.example/Snakes", page("Snakes - Wikipedia", spare[3]))
    maker.link("https://mirror.example/Snakes", "wikipedia")


def _fates_at_documents(maker: _Maker) -> None:
    maker.answer("https://garten.example/1", page("Garten", [GERMAN] * 3))
    maker.link("https://garten.example/1", "language")
    maker.answer("https://brief.example/1", page("Brief", ["Too short to be worth reading."]))
    maker.link("https://brief.example/1", "too-short")


def write_dump(path: Path, lines: list[bytes]) -> None:
    """A .zst dump, one line each."""
    path.write_bytes(zstandard.ZstdCompressor(level=3).compress(b"\n".join(lines) + b"\n"))


def write_warc(path: Path, responses: list[tuple[str, int, list[tuple[str, str]], bytes]]) -> None:
    """A WARC of responses."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, status, headers, body in responses:
            http = StatusAndHeaders(f"{status} -", [*headers, ("Content-Length", str(len(body)))], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                url, "response", payload=io.BytesIO(body), http_headers=http, warc_headers_dict={"WARC-Date": DATE}
            )
            writer.write_record(record)
