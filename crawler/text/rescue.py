"""A second look at pages of which the fast rules took little: forums, shops, pages built of bare `div`s.

trafilatura's full cascade compares several extractors on every page, and runs again in recall mode where little of a
page was covered. Nearly all of its gain lies in the latter: of 125 pages with a short text it changed 50, and 45 of
those had a text below a fifth of the page's. So the others are asked only there, and the first that finds much more
text is believed: trafilatura's baseline (embedded JSON, article tags, paragraphs), which costs a quarter of a fast
extraction, then justext, which costs as much as one and a half.

On 409 pages with a reviewed text (F1 of 4-grams, all / the 195 ordinary ones): fast .798 / .915, full cascade where
the text is short .838 / .936, this .842 / .938. justext first would give .845 / .939 at a tenth more time in all.
"""

from __future__ import annotations

from copy import copy

from lxml.html import HtmlElement
from trafilatura.baseline import baseline, basic_cleaning
from trafilatura.external import jt_stoplist_init, try_justext
from trafilatura.htmlprocessing import prune_unwanted_nodes
from trafilatura.xpaths import RAW_TREE_PRUNE_XPATH, REMOVE_COMMENTS_AND_LISTS_XPATH

from webtext.crawler.text.flatten import flatten

# The values lie on a plateau of those 409 pages: shares of .15 to .25 and 2.5 to 3 times as much give the same.
# trafilatura's own escalation stands at 3,000, .2 and 1.5 to 2 (core.py, ESCALATION_*).
SHORT_CHARACTERS = 4_000
PAGE_SHARE = 0.15
MORE = 2.5

# A count of the page's text that costs little comes first, and is mostly larger than the exact one.
_QUICK_SHARE = 0.2
_TEXT_TAGS = ("p", "div", "td", "li", "span", "a")


def rescue(tree: HtmlElement, characters: int) -> str:
    """A text much longer than the `characters` found so far, "" where none is needed or found.

    Args:
        tree: the parsed page; it is left as it is.
    """
    body = tree.find(".//body")
    if body is None or characters >= SHORT_CHARACTERS:
        return ""
    if characters >= _QUICK_SHARE * sum(map(len, body.itertext(*_TEXT_TAGS))):
        return ""
    cleaned = basic_cleaning(copy(tree))
    if characters >= PAGE_SHARE * _text_characters(cleaned):
        return ""
    text = flatten(baseline(tree)[0])
    if len(text) > MORE * characters:
        return text
    for rules in (RAW_TREE_PRUNE_XPATH, REMOVE_COMMENTS_AND_LISTS_XPATH):
        cleaned = prune_unwanted_nodes(cleaned, rules)
    text = flatten(try_justext(cleaned, None, None))
    return text if len(text) > MORE * characters else ""


def warm_up() -> None:
    """Load justext's word lists now (a second), so that no page pays for it."""
    jt_stoplist_init()


def _text_characters(tree: HtmlElement) -> int:
    """Characters of a page's text, a run of blanks as one."""
    body = tree.find(".//body")
    return len(" ".join(str(body.text_content()).split())) if body is not None else 0
