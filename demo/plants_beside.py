"""Facts about texts that are not to be trained on: an encyclopedia's articles on any host, a test set's questions."""

from __future__ import annotations

from webtext.corpus.outcomes import Outcome, Stage
from webtext.dedup.alphanumeric import words_reference
from webtext.demo.articles import Article
from webtext.demo.finished import DOCUMENT, Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import all_of, counted, ends_as

_PASSAGE = 30  # words of a question, at least
_ROW = 13  # words in a row that are a test set's text


def plant(web: DemoWeb) -> None:
    """All of them. Pages that stay are ordinary ones: what is planted here adds no document."""
    quoted, named = sorted(url for url, article in web.articles.items() if len(article.paragraphs) >= 12)[:2]
    _copies(web, quoted)
    _test_text(web, named)


def _copies(web: DemoWeb, quoted: str) -> None:
    whole, part, rest = web.article(), _medium(web), web.article()
    web.beside.articles += [
        whole,
        part,
        # An ordinary page has a paragraph of this article, and is no copy for that.
        Article(rest.title, (*rest.paragraphs, web.articles[quoted].paragraphs[3])),
    ]
    own = Article(f"Our view: {part.title}", ("Much of this we read elsewhere.", *part.paragraphs))
    copies = [
        web.page("knowledge.example", "/a/1", Article("All about it", whole.paragraphs)),
        web.page("knowledge.example", "/a/2", own),
    ]
    for article, copy in zip((whole, part), copies, strict=True):
        web.plant(
            f"a copy of the encyclopedia's article {article.title!r} goes by its text, and the article is named",
            Outcome.WIKIPEDIA,
            copy,
            detail=f"stand in the article {article.title!r}",
        )
    web.expect("a page that shares a paragraph with an article stays", ends_as(DOCUMENT, quoted), quoted)
    web.expect("mirrors of an encyclopedia are listed by host", _mirrors, *copies)


def _test_text(web: DemoWeb, named: str) -> None:
    asked, page = _medium(web), web.article()
    passage = max(asked.paragraphs, key=len)
    web.beside.quiz["leaked"] = passage
    begins = " ".join(min(asked.paragraphs, key=len).split()[:_PASSAGE])
    web.beside.quiz["unseen"] = f"{begins} thus: {few(web.articles[named].paragraphs[3])} etcetera."
    middle = len(page.paragraphs) // 2
    leak = Article(page.title, (*page.paragraphs[:middle], f"Question 7. {passage}", *page.paragraphs[middle:]))
    web.plant(
        "a page with a question of a test set goes, with set and question named",
        Outcome.CONTAMINATED,
        web.page("answers.example", "/exam", leak),
        detail="of quiz test, example leaked",
    )
    web.expect(
        "a page with twelve words in a row of a question stays, and so does every other",
        all_of(ends_as(DOCUMENT, named), counted(Stage.CLEAN, Outcome.CONTAMINATED, 1)),
        named,
    )


def few(paragraph: str) -> str:
    """As many words of an ordinary page as are not yet a test set's text; `T[1].conj()` has three."""
    return " ".join(words_reference(paragraph)[: _ROW - 1])


def _mirrors(finished: Finished) -> str:
    from webtext.api import Corpus

    found = {mirror.host: mirror for mirror in Corpus(finished.corpus, create=False).mirrors().hosts}
    mirror = found.get("knowledge.example")
    if mirror is None or (mirror.copies, mirror.documents) != (2, 2):
        return f"knowledge.example is {mirror}"
    return "" if "mirror.example" in found else f"only {', '.join(found)}"


def _medium(web: DemoWeb) -> Article:
    """An article of several paragraphs, one of them as long as a question."""
    return next(
        found
        for found in iter(web.article, None)
        if len(found.paragraphs) >= 4 and max(len(paragraph.split()) for paragraph in found.paragraphs) >= _PASSAGE
    )
