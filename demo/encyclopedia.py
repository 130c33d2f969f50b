"""What the little web's pages may not hold: an encyclopedia, as a pages-articles dump, and a test set.

Both lie beside the dump of Reddit, and `dedup` is told of them. Not for what is planted about them: `plants_beside`.
"""

from __future__ import annotations

import bz2
import json
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from webtext.demo.articles import Article

ENCYCLOPEDIA_NAME = "encyclopedia-pages-articles.xml.bz2"
INDEX_NAME = "encyclopedia"
"""The folder that `webtext wikipedia index` makes of the dump."""
QUIZ_NAME = "quiz.jsonl"

_HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en"><siteinfo>'
    "<sitename>Encyclopedia</sitename><namespaces>"
    '<namespace key="0"/><namespace key="1">Talk</namespace><namespace key="6">File</namespace>'
    '<namespace key="14">Category</namespace></namespaces></siteinfo>'
)


@dataclass
class Beside:
    """`articles` are the encyclopedia's; `quiz` has the text of each question of the test set, by its id."""

    articles: list[Article] = field(default_factory=list)
    quiz: dict[str, str] = field(default_factory=dict)

    def dump(self) -> bytes:
        """The encyclopedia as MediaWiki exports it, in wikitext, with a talk page and a redirect."""
        pages = [_page(article.title, 0, _wikitext(article)) for article in self.articles]
        if self.articles:
            title = self.articles[0].title
            pages.append(_page(f"Talk:{title}", 1, "Is this true? ~~~~"))
            pages.append(_page(f"{title} (old)", 0, f"#REDIRECT [[{title}]]", f'<redirect title="{escape(title)}"/>'))
        return bz2.compress("\n".join([_HEAD, *pages, "</mediawiki>\n"]).encode())

    def questions(self) -> bytes:
        """The test set, one question a line."""
        rows = ({"id": name, "text": text} for name, text in self.quiz.items())
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    def files(self) -> dict[str, bytes]:
        """What lies in the demo's folder, by name."""
        return {ENCYCLOPEDIA_NAME: self.dump(), QUIZ_NAME: self.questions()}


def _wikitext(article: Article) -> str:
    text = "\n\n".join(f"{paragraph}<ref>{{{{cite web|title=A source}}}}</ref>" for paragraph in article.paragraphs)
    return f"{{{{Infobox|name=x}}}}\n{text}\n\n== See also ==\n* [[Umbrella|umbrellas]]\n[[Category:Things]]"


def _page(title: str, space: int, wikitext: str, more: str = "") -> str:
    return (
        f"<page><title>{escape(title)}</title><ns>{space}</ns>{more}<revision>"
        f'<text xml:space="preserve">{escape(wikitext)}</text></revision></page>'
    )
