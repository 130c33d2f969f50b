"""Facts about the text of pages: languages, encodings, pages that say nothing, and what stands around an article."""

from __future__ import annotations

import re
from html import escape

from webtext.demo.answers import Answer
from webtext.demo.articles import Article
from webtext.demo.finished import DOCUMENT, Finished
from webtext.demo.foreign import FOREIGN
from webtext.demo.pages import DemoWeb
from webtext.demo.templates import COMMENTS, FURNITURE

_NEEDED = 0.99
"""Of the words of all articles, those that must be found in their documents."""

_MARK = 40
"""Characters of a sentence by which it is recognised."""


def plant(web: DemoWeb) -> None:
    """All of them."""
    _languages(web)
    _encodings(web)
    _empty(web)
    _ordinary(web)


def _languages(web: DemoWeb) -> None:
    web.plant(
        "pages in German, French and Spanish are not English",
        "language",
        *(web.page(f"{code}.example", "/", article) for code, article in FOREIGN.items()),
    )
    article = web.article()
    quoted = Article(article.title, (*article.paragraphs, FOREIGN["de"].paragraphs[0]))
    web.plant("an English page with one German paragraph is English", DOCUMENT, web.page("quoted.example", "/", quoted))


def _encodings(web: DemoWeb) -> None:
    sentence = "The café’s menu — “naïve”, as its owner says — costs 3 €, and nothing on it is déjà vu."  # noqa: RUF001
    pages = []
    for charset, declared in (("cp1252", "; charset=iso-8859-1"), ("utf-8", ""), ("utf-16", "; charset=utf-16")):
        article = web.article()
        text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in (sentence, *article.paragraphs))
        body = f"<!doctype html><html><head><title>{escape(article.title)}</title></head><body>{text}</body></html>"
        headers = (("Content-Type", f"text/html{declared}"),)
        pages.append(web.serve("charsets.example", f"/{charset}", Answer(body.encode(charset, "ignore"), 200, headers)))

    def readable(finished: Finished) -> str:
        spoilt = [url for url in pages if sentence not in finished.text(url)]
        return f"{spoilt[0]}: the text has other characters" if spoilt else ""

    web.plant("quotes, dashes and accents survive windows-1252, UTF-8 and UTF-16", DOCUMENT, *pages, also=readable)
    plain = "\n\n".join(web.article().paragraphs).encode()
    answer = Answer(plain, 200, (("Content-Type", "text/plain; charset=utf-8"),))
    web.plant("a page of plain text is a document", DOCUMENT, web.serve("plain.example", "/readme.txt", answer))


def _empty(web: DemoWeb) -> None:
    def small(host: str, title: str, *paragraphs: str) -> str:
        return web.page(host, "/", Article(title, paragraphs))

    shell = b'<!doctype html><html><head><title>App</title></head><body><div id="root"></div></body></html>'
    web.plant("a page that only scripts would fill is empty", "empty", web.serve("app.example", "/", Answer(shell)))
    web.plant(
        "a page of a few words is too short", "too-short", small("brief.example", "Brief", "There is little to say.")
    )
    web.plant(
        "a page that says it is not there is no document, whatever its status",
        "soft-404",
        small(
            "soft.example",
            "Page not found | Soft",
            "We are sorry, but we could not find what you asked for. Please try the search.",
        ),
    )
    web.plant(
        "a domain that is for sale is no document",
        "parked",
        small(
            "parked.example",
            "parked.example",
            "The domain parked.example is for sale. This domain is for sale at a good price; ask us.",
        ),
    )
    web.plant(
        "the teaser of an article that is sold is no document",
        "paywall",
        small(
            "press.example",
            "Harbour to close for the winter",
            "The harbour will be closed for the whole winter, the council decided on Monday after a long debate about "
            "what the new wall will cost, who is to pay for it, and whether the boats of the town can stay where they "
            "are until the spring comes.",
            "Subscribe to continue reading. Already a subscriber? Sign in.",
        ),
    )
    closed = '<script type="application/ld+json">{"@type": "NewsArticle", "isAccessibleForFree": false}</script>'
    web.plant(
        "an article that is there in whole stays, although it says that it is sold",
        DOCUMENT,
        web.page("open.example", "/", head=closed),
    )
    web.plant(
        "sixty words are enough for the paper and too few for OpenWebText's rule",
        "quality",
        small(
            "note.example",
            "A note on the lamp",
            "The lamp of the old lighthouse was lit by hand until the year of the great storm. Since then a motor "
            "does it, and nobody climbs the two hundred steps in the evening any more. The keeper, who had done so for "
            "thirty years, now shows the tower to visitors and tells them about the ships that he has seen.",
        ),
        detail="openwebtext_min_tokens",
    )
    web.plant(
        "a consent dialogue is no document",
        "consent-wall",
        small(
            "consent.example",
            "Before you continue",
            "Before you continue: we and our partners use cookies to show you personalised ads and to measure them.",
            "We use cookies on the ground of your consent or of legitimate interest. Accept all, reject all, or manage "
            "options. You can withdraw consent at any time in the cookie settings.",
        ),
    )


def _ordinary(web: DemoWeb) -> None:
    addresses = tuple(web.articles)

    def all_documents(finished: Finished) -> str:
        others = [url for url in addresses if finished.fate(url).outcome != DOCUMENT]
        first = f"the first is {others[0]}: {finished.fate(others[0])}" if others else ""
        return f"{len(others)} of {len(addresses)} did not; {first}" if others else ""

    def without_furniture(finished: Finished) -> str:
        for url in addresses:
            text = finished.text(url)
            for sentence in (*FURNITURE, *COMMENTS):
                if sentence[:_MARK] in text:
                    return f"{url}: {sentence!r}"
        return ""

    def whole(finished: Finished) -> str:
        found = sum(_words_found(article, finished.text(url)) for url, article in web.articles.items())
        share = found / sum(article.words for article in web.articles.values())
        return "" if share >= _NEEDED else f"{share:.1%} of the words"

    web.expect(f"all {len(addresses)} articles of the sites become documents", all_documents, *addresses)
    web.expect("no banner, newsletter, advertisement or comment is in their text", without_furniture)
    web.expect(f"{_NEEDED:.0%} of the words of the articles are there, in their order", whole)


def _words_found(article: Article, text: str) -> int:
    """The words of those paragraphs of an article that stand in the text as they are."""
    line = re.sub(r"\s+", " ", text)
    return sum(len(paragraph.split()) for paragraph in article.paragraphs if paragraph in line)
