"""HTML to a tree, as trafilatura parses it, with elements that cost less.

lxml.html asks a Python function for the class of every element that is looked at, to give forms and inputs classes of
their own. No extractor here uses those: one class for all saves 8 % of the time a page takes. Not for XML.
"""

from __future__ import annotations

from functools import cache

from lxml import etree
from lxml.html import HtmlComment, HtmlElement, HtmlEntity, HtmlProcessingInstruction, fromstring
from trafilatura.utils import is_dubious_html, repair_faulty_html

_START = 50  # characters in which trafilatura looks for a doctype or an html tag


def parse_html(html: str) -> HtmlElement | None:
    """The root of the page's tree, None where there is none; the same tree that trafilatura's `load_html` gives."""
    start = html[:_START].lower()
    try:
        # "surrogatepass" and then the parser's own mending, as in trafilatura: a lone surrogate is no reason to stop.
        tree = fromstring(repair_faulty_html(html, start).encode("utf-8", "surrogatepass"), parser=_parser())
    except (etree.LxmlError, ValueError):  # no element at all
        return None
    return None if is_dubious_html(start) and len(tree) < 2 else tree


# What every extractor here throws away, without ever reading it; together a tenth of a page's time.
_WEIGHT = (
    "style", "svg", "noscript", "iframe", "select", "button", "canvas", "picture", "textarea", "video", "audio",
    "object", "embed", "map", "input", "link", "template",
)  # fmt: skip


# Attributes that no rule of trafilatura asks for; every one is copied with each of its five copies of a tree.
_UNREAD = (
    "srcset", "sizes", "width", "height", "onclick", "loading", "decoding", "fetchpriority", "tabindex", "datetime",
    "data-src", "data-srcset", "aria-label", "aria-labelledby", "aria-expanded", "aria-controls", "align", "valign",
    "cellpadding", "cellspacing", "border", "bgcolor",
)  # fmt: skip


def lighten(tree: HtmlElement) -> None:
    """Take out of a page's tree what is no text; scripts stay where they hold data (JSON-LD), which is read."""
    etree.strip_elements(tree, *_WEIGHT, with_tail=False)
    etree.strip_attributes(tree, *_UNREAD)
    for script in list(tree.iter("script")):
        if "ld+json" not in (script.get("type") or ""):
            script.drop_tree()


@cache
def _parser() -> etree.HTMLParser:
    """Constant from its first use on; trafilatura's own settings (`utils.HTML_PARSER`)."""
    parser = etree.HTMLParser(
        collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True
    )
    parser.set_element_class_lookup(
        etree.ElementDefaultClassLookup(
            element=HtmlElement, comment=HtmlComment, pi=HtmlProcessingInstruction, entity=HtmlEntity
        )
    )
    return parser
