"""From what a person asks for (an address in any spelling, a key as text) to a trace; and the pair behind a removal.

An address that was never seen may be a near miss: other ways to write a page's address that are links of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from webtext.corpus.errors import UsageError
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import key_text
from webtext.traces import ENDED, PASSED, UNFINISHED, Trace
from webtext.tracing import text_of, trace_key
from webtext.word_diff import word_diff

LEDGER_BYTES = 1 << 30
"""A larger ledger is not searched for links that led to an address: that reads all of it."""


def trace_address(corpus: Path, url: str) -> Trace:
    """The way of the link with this address, whatever its spelling."""
    from webtext.crawler.reddit.urls import url_key

    key = url_key(url)
    trace = trace_key(corpus, key, url)
    if not trace.known and "://" not in url:  # as people say an address
        key = url_key(f"http://{url.strip()}")
        trace = trace_key(corpus, key, url)
    if trace.known:
        return trace
    return replace(trace, near=tuple(_near(corpus, url, key)), leading_here=tuple(_leading(corpus, trace, key)))


def trace_key_text(corpus: Path, text: str) -> Trace:
    """The way of the link with this key, as 16 hex digits.

    Raises:
        UsageError: it is no key.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{16}", text):
        raise UsageError(f"{text!r} is no key", hint="a key is 16 hex digits; for an address there is --url")
    return trace_key(corpus, int(text, 16), text)


def with_diff(corpus: Path, trace: Trace) -> Trace:
    """The trace with the diff from the document that stays to the one removed for it, where there is a pair."""
    clean = trace.of(Stage.CLEAN)
    if clean.state == ENDED and clean.facts.get("keeper"):
        kept, kept_url = clean.facts["keeper"], clean.facts["keeper_url"]
        removed, removed_url = trace.key, trace.url
    elif clean.state == PASSED and clean.facts.get("removed_for_it"):
        kept, kept_url = trace.key, trace.url
        removed, removed_url = (clean.facts["removed_for_it"][0][name] for name in ("key", "url"))
    else:
        return trace
    before, after = (text_of(corpus, int(key, 16)) for key in (kept, removed))
    if before is None or after is None:
        return trace  # documents/ was made again since
    names = f"kept {kept_url} (key {kept})", f"removed {removed_url} (key {removed})"
    same = ("the texts are equal, character by character",)
    return replace(trace, diff=tuple(word_diff(before, after, *names)) or same)


def _near(corpus: Path, url: str, key: int) -> Iterator[tuple[str, str]]:
    from webtext.crawler.reddit.urls import url_key

    seen = {key}
    for spelling in _spellings(url):
        other = url_key(spelling)
        if other not in seen:
            seen.add(other)
            found = trace_key(corpus, other)
            if found.known:
                yield found.key, found.url or spelling


def _spellings(url: str) -> Iterator[str]:
    """Addresses that often name the same page, but are links of their own."""
    plain = url.strip() if "://" in url else f"http://{url.strip()}"
    head, _, fragment = plain.partition("#")
    bare, _, query = head.partition("?")
    if query:
        yield bare
        parts = query.split("&")
        yield from (f"{bare}?{'&'.join([*parts[:n], *parts[n + 1 :]])}" for n in range(len(parts)) if len(parts) > 1)
    if fragment.startswith(("!", "/")):  # pages of one address that scripts tell apart
        yield f"{bare.rstrip('/')}/{fragment.lstrip('!/')}"
    yield re.sub(r"/(index|default)\.(html?|php|aspx?)$", "/", bare)
    yield f"{bare.rstrip('/')}/index.html"
    yield re.sub(r"\.html?$", "", bare)
    yield f"{bare.rstrip('/')}.html"
    yield re.sub(r"/amp/?$", "", bare)
    yield f"{bare.rstrip('/')}/amp"
    yield re.sub(r"^(\w+://)(m|mobile|amp)\.", r"\1", head)
    yield re.sub(r"^(\w+://)(www\.)?", r"\1m.", head)
    yield head.lower()
    yield re.sub(r"[.,;:!?)\]}'\"]+$", "", plain)  # what is copied along out of a sentence


def _leading(corpus: Path, trace: Trace, key: int) -> Iterator[tuple[str, str]]:
    from webtext.crawler.fetch.ledger_file import LEDGER_NAME
    from webtext.crawler.fetch.lookup import leading_to

    ledger = corpus / Stage.PAGES / LEDGER_NAME
    if trace.of(Stage.PAGES).state != UNFINISHED and ledger.is_file() and ledger.stat().st_size <= LEDGER_BYTES:
        yield from ((key_text(found), url) for found, url in leading_to(ledger, key))
