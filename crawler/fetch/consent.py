"""What an answer says about its own use for training: X-Robots-Tag, meta robots, TDM header fields and meta elements.

Which words keep a page out is a setting (`crawl.opt_out`), and what was said is kept as evidence, whether it decided or
not. Not here: what speaks before a page is asked for (`webtext.crawler.fetch.sites`: robots.txt, tdmrep.json, ai.txt).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.decoding import Headers
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.tdm import POLICY, RESERVATION, header_reservation, meta_reservation

META_BYTES = 64 * 1024
"""How much of a page is searched for meta elements, in decoded bytes: they belong into its head."""

Statements = Sequence[tuple[str, str]]
"""What was said, as (where, what): ("X-Robots-Tag", "noai, noindex"), ("meta robots", "noml")."""

# Rules that themselves hold a colon, so that "unavailable_after: 25 Jun 2010" names no crawler (Google Search Central,
# "Robots meta tag specifications").
_RULES_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})

# Bounded, so that 64 KiB of unclosed elements take no quadratic time.
_META = re.compile(rb"<meta[\s/]([^>]{0,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"([a-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_NAME = re.compile(rb"name\s*=\s*[\"']?\s*([^\s\"'>]+)", re.IGNORECASE)  # finds all that _ATTRIBUTE finds, and more
_BREAK = re.compile(r"[\s,;]+")
_STATEMENTS = 20  # of one answer; who says more says it to hurt


@dataclass(frozen=True)
class Terms:
    """What decides for us: `words` of X-Robots-Tag and meta robots, the `names` behind which they are meant for us
    (lower-case), and whether TDM reservations count."""

    words: frozenset[str]
    names: frozenset[str]
    tdm: bool

    def first(self, text: str) -> str | None:
        """The first word of a list that keeps a page out. `none` is noindex and nofollow in one word."""
        for word in _BREAK.split(text):
            if word in self.words or (word == "none" and "noindex" in self.words):
                return word
        return None


def terms_of(settings: CrawlSettings) -> Terms:
    """The terms that a crawl's settings make: once a crawl, not once an answer."""
    names = (product_token(settings.user_agent), *settings.ai_agents)
    return Terms(frozenset(map(str.lower, settings.opt_out)), frozenset(map(str.lower, names)), settings.tdm)


def product_token(user_agent: str) -> str:
    """The name under which a site may address us: the user agent up to its version (RFC 9309, section 2.2.1)."""
    return re.split(r"[/\s]", user_agent.strip(), maxsplit=1)[0]


def header_opt_out(headers: Headers, terms: Terms) -> str | None:
    """What in the header fields keeps a page out, with its source; None where nothing does.

    Rules behind another crawler's name ("otherbot: noai") are not meant for us.
    """
    for name, value in headers:
        if len(name) == 12 and name.lower() == "x-robots-tag" and (rule := _tagged(value, terms)):
            return f"{rule} in X-Robots-Tag"
    if terms.tdm and (found := header_reservation(headers)) is not None and found.reserved:
        return f"{printable(found.why)} in the header"
    return None


def page_opt_out(page: bytes, terms: Terms) -> str | None:
    """What in a page's meta elements keeps it out, with its source; None where nothing does.

    Args:
        page: decoded; its first 64 KiB are searched, outside of comments.
    """
    return metas_opt_out(metas_of(page, terms), terms)


def metas_opt_out(metas: Statements, terms: Terms) -> str | None:
    """As `page_opt_out`, of the elements that `metas_of` found."""
    for name, content in metas:
        if name not in (RESERVATION, POLICY) and (rule := terms.first(content.lower())):
            return f"{rule} in meta {name}"
    if terms.tdm and (found := meta_reservation(metas)) is not None and found.reserved:
        return f"{printable(found.why)} in meta"
    return None


def metas_of(page: bytes, terms: Terms) -> list[tuple[str, str]]:
    """The meta elements (lower-case name, content) that speak of consent: robots, our names, TDM."""
    head = page[:META_BYTES]
    if b"\0" in head[:64]:  # UTF-16 or UTF-32, with or without a mark: what counts is ASCII
        head = head.replace(b"\0", b"")
    metas: list[tuple[str, str]] = []
    for meta in _META.finditer(_without_comments(head)):
        # A page has 17 meta elements: most need no parsing.
        if not any(_is_sought(name.lower().decode("latin-1"), terms) for name in _NAME.findall(meta[1])):
            continue
        found = {name.lower(): next((v for v in values if v), b"") for name, *values in _ATTRIBUTE.findall(meta[1])}
        name = found.get(b"name", b"").decode("latin-1").strip().lower()
        if _is_sought(name, terms):
            metas.append((name, html.unescape(found.get(b"content", b"").decode("latin-1"))))
            if len(metas) == _STATEMENTS:
                break
    return metas


def _is_sought(name: str, terms: Terms) -> bool:
    return name in ("robots", RESERVATION, POLICY) or name in terms.names


def said_in(headers: Headers, metas: Statements) -> list[tuple[str, str]]:
    """All that an answer says of consent, for its evidence: printable, bounded, whether it decides or not."""
    found = [
        (_WHERE[name.lower()], value) for name, value in headers if len(name) < 16 and name.lower() in _WHERE
    ]  # fmt: skip
    found += [(f"meta {name}", content) for name, content in metas]
    return [(where, printable(what)) for where, what in found[:_STATEMENTS]]


_WHERE = {"x-robots-tag": "X-Robots-Tag", RESERVATION: RESERVATION, POLICY: POLICY}


def _tagged(value: str, terms: Terms) -> str | None:
    """The rule of one X-Robots-Tag field that is meant for us."""
    meant = True
    for part in value.lower().split(","):
        before, colon, after = part.partition(":")
        if colon and before.strip() not in _RULES_WITH_VALUE:
            # A crawler's name holds for the rest of the field.
            meant = before.strip() == "*" or before.strip() in terms.names
            part = after
        if meant and (rule := terms.first(part)):
            return rule
    return None


def _without_comments(page: bytes) -> bytes:
    if b"<!--" not in page:
        return page
    parts: list[bytes] = []
    place = 0
    # Not a regular expression: "<!--" without an end, thousands of times, would take quadratic time.
    while (start := page.find(b"<!--", place)) >= 0 and (end := page.find(b"-->", start + 4)) >= 0:
        parts.append(page[place:start])
        place = end + 3
    return b"".join([*parts, page[place:]])
