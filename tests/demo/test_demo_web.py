"""The demo's web and dump are the same each time, and hold what the demo promises."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
import zstandard
from small_demo import SMALL

from webtext.crawler.reddit.submissions import parse_block
from webtext.crawler.text.main_text import extract_main_text
from webtext.demo.answers import NOT_FOUND, Answer, Place
from webtext.demo.articles import Article
from webtext.demo.build import Size, build_web
from webtext.demo.dump import Dump
from webtext.demo.pages import DemoWeb, build_sites
from webtext.demo.templates import COMMENTS, FURNITURE, TEMPLATES, Page

TEXT = tuple(
    f"This is paragraph {number} of an article that says something about umbrellas and the people who carry them "
    f"through {number} streets of an old town, where it rains more often than the visitors had been told."
    for number in ("one", "two", "three", "four", "five", "six")
)


def empty_web() -> DemoWeb:
    return DemoWeb([Article(f"Title {number}", TEXT) for number in range(9)], random.Random(1))


def test_the_same_machine_gives_the_same_web_and_dump(demo_web: DemoWeb) -> None:
    again = build_web(SMALL)
    assert again.identity() == demo_web.identity()
    assert again.dump.data() == demo_web.dump.data()
    again.serve("one-more.example", "/", Answer(b"x"))
    assert again.identity() != demo_web.identity()


def test_it_is_as_large_as_it_promises() -> None:
    size = Size()
    assert size.pages >= 400
    assert size.hosts == 40
    articles = [Article(f"Title {number}", TEXT) for number in range(size.pages)]
    web = empty_web()
    build_sites(web, articles, size.hosts)
    assert len(web.articles) == size.pages
    sites = Counter(host for host, _ in web.answers)
    assert len(sites) == 40
    assert max(sites.values()) > 3 * min(sites.values())


def test_every_template_is_used_and_every_page_is_linked_to(demo_web: DemoWeb) -> None:
    lines = zstandard.ZstdDecompressor().stream_reader(demo_web.dump.data()).read()
    posted = {entry.url.replace("&amp;", "&") for entry in parse_block(lines).entries if hasattr(entry, "url")}
    assert set(demo_web.articles) <= posted
    bodies = [demo_web.answers[tuple_of(url)][0].body.decode() for url in demo_web.articles]
    for mark in ("cookie-banner", "entry-content", "newsletter-signup", "prevnext", "BGCOLOR"):
        assert any(mark in body for body in bodies), mark


@pytest.mark.parametrize(
    ("promised", "fact"),
    [
        ("URL spellings", "six spellings of one address are one link"),
        ("syndicated near-copies", "of an article that others print with changes the one with most karma stays"),
        ("foreign pages", "pages in German, French and Spanish are not English"),
        ("encyclopedia mirrors", "mirrors of Wikipedia go, by the marks they keep"),
        ("robots rules", "what robots.txt forbids is not asked for"),
        ("opt-outs", "X-Robots-Tag and meta robots keep a page out"),
        ("redirects", "redirects to a link that is there are no further documents"),
        ("dead answers", "a host that refuses connections"),
        ("slow answers", "answers that take too long"),
        ("endless answers", "pages without an end, announced giants and gzip bombs"),
        ("self posts", "posts of text are counted, every one"),
        ("media posts", "pictures and videos are counted, every one"),
        ("low karma", "links with less are not asked for"),
    ],
)
def test_every_kind_of_fact_that_is_promised_is_planted(demo_web: DemoWeb, promised: str, fact: str) -> None:
    assert [found.name for found in demo_web.facts if found.name == fact], promised


def tuple_of(url: str) -> tuple[str, str]:
    host, _, target = url.partition("://")[2].partition("/")
    return host, f"/{target}"


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_article_comes_out_of_its_template_without_what_stands_around_it(template: str) -> None:
    page = Page(
        "Umbrellas & Rain", TEXT, "A <site>", related=[("/a", "Another")] * 6,
        comments=[("reader", text) for text in COMMENTS],
    )  # fmt: skip
    html = TEMPLATES[template](page)
    main = extract_main_text(html)
    assert main.title == "Umbrellas & Rain"
    assert all(paragraph in main.text for paragraph in TEXT)
    assert not [sentence for sentence in (*FURNITURE, *COMMENTS) if sentence in main.text]
    assert any(sentence in html for sentence in FURNITURE)


def test_a_host_answers_as_it_was_told() -> None:
    web = empty_web()
    url = web.serve("a.example", "/x?y=1", Answer(b"first", 503), Answer(b"second"))
    assert url == "http://a.example/x?y=1"
    assert [web.answer("a.example", "/x?y=1", asked).body for asked in range(3)] == [b"first", b"second", b"second"]
    assert web.answer("a.example", "/z", 0) == NOT_FOUND
    web.name("gone.example", Place.UNKNOWN)
    assert dict(web.places()) == {"a.example": "here", "gone.example": "unknown"}


def test_nothing_is_planted_twice() -> None:
    web = empty_web()
    url = web.page("a.example", "/")
    web.plant("a fact", "document", url)
    with pytest.raises(ValueError, match="two facts are named 'a fact'"):
        web.plant("a fact", "document", url)
    with pytest.raises(ValueError, match="answers already"):
        web.page("a.example", "/")
    with pytest.raises(ValueError, match="leads to here already"):
        web.name("a.example", Place.REFUSED)
    with pytest.raises(ValueError, match="no-such-outcome"):
        web.plant("another fact", "no-such-outcome", url)


def test_the_dump_has_the_layout_of_its_year() -> None:
    dump = Dump()
    dump.post("http://a.example/?b=1&c=2", 7)
    dump.self_post()
    dump.media_post("https://i.redd.it/x.jpg")
    dump.broken_line(b"null")
    dump.blank_line()
    assert json.loads(dump.lines[0])["url"] == "http://a.example/?b=1&amp;c=2"
    block = parse_block(b"\n".join(dump.lines) + b"\n")
    first, text, picture, broken = block.entries
    assert (first.score, first.nsfw, first.is_self, first.created) == (7, False, False, 1_735_689_600)  # type: ignore[union-attr]
    assert text.is_self  # type: ignore[union-attr]
    assert picture.url == "https://i.redd.it/x.jpg"  # type: ignore[union-attr]
    assert broken.reason == "no JSON object"  # type: ignore[union-attr]
    assert block.blank == 1
    assert dump.planted == {"self-post": 1, "media": 1, "unreadable": 1}
