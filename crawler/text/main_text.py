"""HTML to main text, with trafilatura: title, canonical address and the text a reader came for.

Tried on 409 pages with a reviewed text (WCXB dev, Scrapinghub's article benchmark), F1 of multiset 4-grams over the 195
ordinary ones / over all, and milliseconds a page of all:

    fast                          .910 / .795   29.0
    fast, favor_recall            .915 / .798   23.3
    full cascade                  .935 / .831   40.1
    full, favor_recall            .921 / .810   25.9
    trafilatura's default         .932 / .829   38.7
    fast recall and `rescue`      .938 / .843   29.4    (this file: 1.01 of fast in one run)

All but the default without comments (with them .907 where without .910); tables stay (without them .903). Metadata
would cost as much as the text again: title and canonical address are taken from the parsed head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement
from trafilatura import bare_extraction

from webtext.crawler.text.clean import clean_text, one_line
from webtext.crawler.text.flatten import flatten
from webtext.crawler.text.parsing import lighten, parse_html
from webtext.crawler.text.rescue import rescue

TITLE_CHARACTERS = 500
URL_CHARACTERS = 4_096  # the limit for any URL of a corpus

# schema.org's property, in JSON-LD or as microdata, on pages whose article is sold.
_FREE = "isAccessibleForFree"
_CLOSED = re.compile(rf"""{_FREE}["']?\s*(:|content=)\s*["']?([Ff]alse|FALSE|no)\b""")

_WORD_CHARACTER = re.compile(r"\w")


@dataclass(frozen=True)
class MainText:
    """What a page says: `title` in one line, `canonical` the address it names for itself, `text` clean; `closed` where
    it declares that its article is not free to read."""

    title: str
    canonical: str | None
    text: str
    closed: bool = False


def extract_main_text(html: str, url: str | None = None) -> MainText:
    """The main text of an HTML page; empty where there is none.

    Takes unbounded time and memory on hostile input (100,000 attributes on a tag are quadratic): see `isolate`.

    Args:
        url: where the page lies; a relative canonical address is joined to it.
    """
    tree = parse_html(html)
    if tree is None:
        return MainText("", None, "")
    # The head first: the extractors take the tree apart.
    title, canonical = _title(tree), _canonical(tree, url)
    lighten(tree)
    text = _extract(tree)
    text = rescue(tree, len(text)) or text
    cleaned = clean_text(text)
    closed = _FREE in html and _CLOSED.search(html) is not None
    return MainText(title, canonical, cleaned if _WORD_CHARACTER.search(cleaned) else "", closed)


def take_plain_text(text: str) -> MainText:
    """A text/plain page as it is, cleaned."""
    return MainText("", None, clean_text(text))


def _extract(tree: HtmlElement) -> str:
    # deduplicate stays off: it depends on the pages seen before.
    found = bare_extraction(tree, fast=True, favor_recall=True, include_comments=False, output_format="txt")
    return "" if found is None else flatten(found.body)


def _title(tree: HtmlElement) -> str:
    """og:title, which is mostly free of the site's name, otherwise <title>."""
    for meta in tree.iterfind(".//meta[@property='og:title']"):
        if title := one_line(meta.get("content") or "", TITLE_CHARACTERS):
            return title
    found = tree.find(".//title")
    return "" if found is None else one_line(found.text_content(), TITLE_CHARACTERS)


def _canonical(tree: HtmlElement, url: str | None) -> str | None:
    for link in tree.iterfind(".//link[@href]"):
        if "canonical" in (link.get("rel") or "").lower().split():
            return _absolute(link.get("href") or "", url)
    return None


def _absolute(href: str, url: str | None) -> str | None:
    address = clean_text(href).strip()
    if not address:
        return None
    try:
        address = urljoin(url or "", address)
        parts = urlsplit(address)
    except ValueError:  # an invalid IPv6 address
        return None
    usable = parts.scheme in ("http", "https") and parts.hostname and len(address) <= URL_CHARACTERS
    return address if usable else None
