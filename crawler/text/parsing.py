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
