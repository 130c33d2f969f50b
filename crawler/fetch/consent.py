"""What a page says about its own use for training: X-Robots-Tag and meta robots.

The words that keep a page out are a setting (`crawl.opt_out`: noai, noimageai, noml). Not here: robots.txt, which
speaks before a page is asked for (`webtext.crawler.fetch.robots`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable

from webtext.crawler.fetch.decoding import Headers

META_BYTES = 64 * 1024
"""How much of a page is searched for meta elements: they belong into its head."""

# Rules that themselves hold a colon, so that "unavailable_after: 25 Jun 2010" names no crawler (Google Search Central,
# "Robots meta tag specifications").
_RULES_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})

# Bounded, so that 64 KiB of unclosed elements take no quadratic time.
_META = re.compile(rb"<meta\s([^>]{0,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"([a-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_BREAK = re.compile(r"[\s,;]+")


def product_token(user_agent: str) -> str:
    """The name under which a site may address us: the user agent up to its version (RFC 9309, section 2.2.1)."""
    return re.split(r"[/\s]", user_agent.strip(), maxsplit=1)[0]


def header_opt_out(headers: Headers, words: Collection[str], agent: str) -> str | None:
    """The rule in X-Robots-Tag that keeps a page out, None where there is none.

    Args:
        words: the rules that count, lower-case.
        agent: our product token: rules behind another crawler's name ("otherbot: noai") are not meant for us.
    """
    for name, value in headers:
        if name.lower() != "x-robots-tag":
            continue
        meant = True
        for part in value.lower().split(","):
            before, colon, after = part.partition(":")
            if colon and before.strip() not in _RULES_WITH_VALUE:
                # A crawler's name holds for the rest of the field.
                meant = before.strip() in ("*", agent.lower())
                part = after
            if meant and (rule := _first(_BREAK.split(part), words)):
                return rule
    return None


def meta_opt_out(page: bytes, words: Collection[str], agent: str) -> str | None:
    """The rule in `<meta name=robots>` (or one named after our product token) that keeps a page out, None without one.

    Args:
        page: the decoded page; its first 64 KiB are searched, outside of comments.
    """
    head = page[:META_BYTES]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode("ascii", "ignore")
    for meta in _META.finditer(_without_comments(head)):
        lowered = meta[1].lower()
        if b"robots" not in lowered and agent.lower().encode() not in lowered:
            continue  # 17 meta elements a page: most need no parsing
        found = {name.lower(): next((v for v in values if v), b"") for name, *values in _ATTRIBUTE.findall(meta[1])}
        name = found.get(b"name", b"").decode("latin-1").strip().lower()
        if name not in ("robots", agent.lower()):
            continue
        content = html.unescape(found.get(b"content", b"").decode("latin-1")).lower()
        if rule := _first(_BREAK.split(content), words):
            return rule
    return None


def _without_comments(page: bytes) -> bytes:
    parts: list[bytes] = []
    place = 0
    # Not a regular expression: "<!--" without an end, thousands of times, would take quadratic time.
    while (start := page.find(b"<!--", place)) >= 0 and (end := page.find(b"-->", start + 4)) >= 0:
        parts.append(page[place:start])
        place = end + 3
    return b"".join([*parts, page[place:]])


def _first(found: Iterable[str], words: Collection[str]) -> str | None:
    return next((word for word in found if word in words), None)
