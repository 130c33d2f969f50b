"""Facts about copies: syndicated articles with the one that stays, exact copies, mirrors of an encyclopedia."""

from __future__ import annotations

from webtext.demo.answers import Answer
from webtext.demo.articles import Article
from webtext.demo.finished import DOCUMENT
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import copy_of

_MUCH, _SOME = 400, 30


def plant(web: DemoWeb) -> None:
    """All of them."""
    _syndicated(web)
    _exact(web)
    _mirrors(web)


def _syndicated(web: DemoWeb) -> None:
    story = _long(web)
    original = web.page("wire.example", "/story", story)
    changes = {
        "first": Article(story.title, ("(From our correspondent.)", *story.paragraphs)),
        "second": Article(f"Report: {story.title}", (*story.paragraphs, "This story first appeared elsewhere.")),
        "third": Article(
            story.title, tuple(part for part in story.paragraphs if part != min(story.paragraphs, key=len))
        ),
    }
    copies = [web.page(f"{name}-paper.example", "/wire/1", article) for name, article in changes.items()]
    web.post(*copies, score=_SOME)
    web.post(original, score=_MUCH)
    web.expect(
        "of an article that others print with changes the one with most karma stays",
        copy_of("near-duplicate", original, *copies),
        *copies,
    )
    one, other = _long(web), _long(web)
    half = len(one.paragraphs) // 2
    mixed = Article("Both sides of it", (*one.paragraphs[:half], *other.paragraphs))
    web.plant(
        "pages that share a part are no copies",
        DOCUMENT,
        web.page("parts.example", "/one", one),
        web.page("parts.example", "/other", Article(other.title, other.paragraphs[: len(other.paragraphs) // 2])),
        web.page("parts.example", "/mixed", mixed),
    )


def _exact(web: DemoWeb) -> None:
    page = Answer(web.html(web.article()))
    original = web.serve("origin.example", "/essay", page)
    printed = web.serve("origin.example", "/print/essay", page)
    elsewhere = web.serve("scraper.example", "/p/812", page)
    web.post(printed, elsewhere, score=_SOME)
    web.post(original, score=_MUCH)
    web.expect("the same text twice on one site is a duplicate", copy_of("duplicate", original, printed), printed)
    web.expect(
        "the same text on another site is a near copy", copy_of("near-duplicate", original, elsewhere), elsewhere
    )


def _mirrors(web: DemoWeb) -> None:
    article, second = web.article(), web.article()
    tagged = Article(second.title, ("From Wikipedia, the free encyclopedia", *second.paragraphs))
    web.plant(
        "mirrors of Wikipedia go, by the marks they keep",
        "wikipedia",
        web.page("mirror.example", "/wiki/Umbrella", Article("Umbrella - Wikipedia", article.paragraphs)),
        web.page("mirror.example", "/wiki/Raincoat", tagged),
    )
    about = web.article()
    quoting = Article(
        "What I learned from Wikipedia", (*about.paragraphs, "I read all of this on Wikipedia, and so can you.")
    )
    web.plant("a page that speaks about Wikipedia stays", DOCUMENT, web.page("reader.example", "/wikipedia", quoting))


def _long(web: DemoWeb) -> Article:
    """An article in which a paragraph more or less changes little, and that no other one dwarfs."""
    return next(
        found for found in iter(web.article, None) if len(found.paragraphs) >= 12 and 600 <= found.words <= 1_500
    )
