"""What an answer means for its link: a page, a further address, or an outcome with its detail. Pure functions.

The same rules hold for the network and for a replay, and nothing in a detail depends on the moment: no times, no
addresses, no byte counts of a broken transfer.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import ada_url

from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.addresses import private_host
from webtext.crawler.fetch.consent import Terms, header_opt_out, metas_of, metas_opt_out, said_in, terms_of
from webtext.crawler.fetch.decoding import CutShort, Headers, TooLarge, UndecodableBody, decode_body
from webtext.crawler.fetch.printable import printable
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.reddit.urls import UnusableURL, host_of, normalise

PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})  # RFC 9110, section 15.4; 300, 304 and 305 lead nowhere

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
# What a text file does not contain (WHATWG MIME Sniffing, "binary data byte").
_BINARY = frozenset({*range(0x00, 0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)})
_SNIFFED = 1_445  # bytes; the WHATWG standard's resource header
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Verdict:
    """An outcome, and why."""

    outcome: Outcome
    detail: str


GIVEN_UP = Verdict(Outcome.UNREACHABLE, "the host kept failing, also after it was left alone for a while")


class Refused(Exception):
    """Raised by a component where a request must not be made; carries the verdict to the link it was made for."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.verdict = Verdict(outcome, detail)


CUT_SHORT = Verdict(Outcome.UNREACHABLE, "the compressed body was cut short")


def judge_address(url: str) -> Verdict | None:
    """Whether a normalised URL names a host that may not be asked."""
    reason = private_host(host_of(url))
    return None if reason is None else Verdict(Outcome.PRIVATE_ADDRESS, reason)


def judge_headers(status: int, headers: Headers, settings: CrawlSettings, terms: Terms | None = None) -> Verdict | None:
    """What can be said before the body came; None where the body is wanted (or the answer is a redirect).

    Args:
        terms: `terms_of(settings)`, where the caller has it.
    """
    if status in REDIRECTS:
        return None
    if not 200 <= status < 300:
        return Verdict(Outcome.HTTP_ERROR, f"status {status}")
    rule = header_opt_out(headers, terms or terms_of(settings))
    if rule is not None:
        return Verdict(Outcome.OPT_OUT, rule)
    declared = media_type(headers)
    if declared is not None and declared not in PAGE_TYPES:
        return Verdict(Outcome.CONTENT_TYPE, declared)
    if declared_length(headers) > settings.max_bytes:
        return _too_large(settings.max_bytes, "by its Content-Length")
    return None


def judge_page(stored: StoredResponse, settings: CrawlSettings) -> Verdict | None:
    """What the whole answer says; None where it is a page."""
    return examine(stored, settings)[0]


def examine(
    stored: StoredResponse, settings: CrawlSettings, terms: Terms | None = None
) -> tuple[Verdict | None, list[tuple[str, str]]]:
    """What the whole answer says: a verdict, or None where it is a page, with all that the page says of consent."""
    terms = terms or terms_of(settings)
    verdict = judge_headers(stored.status, stored.headers, settings, terms)
    if verdict is not None:
        return verdict, []
    if stored.truncated:
        return judge_truncated(stored.truncated), []
    if len(stored.body) > settings.max_bytes:
        return _too_large(settings.max_bytes, "as sent"), []
    try:
        page = decode_body(stored.headers, stored.body, settings.max_decoded)
    except TooLarge:
        return _too_large(settings.max_decoded, "decoded"), []
    except CutShort:
        return CUT_SHORT, []
    except UndecodableBody:
        return Verdict(Outcome.CONTENT_TYPE, "the Content-Encoding does not decode"), []
    if media_type(stored.headers) is None and not looks_like_text(page):
        return Verdict(Outcome.CONTENT_TYPE, "no Content-Type, and binary data"), []
    metas = metas_of(page, terms)
    rule = metas_opt_out(metas, terms)
    return None if rule is None else Verdict(Outcome.OPT_OUT, rule), said_in(stored.headers, metas)


def judge_truncated(reason: str) -> Verdict:
    """What a body that its record says is not whole (WARC-Truncated; WARC/1.1, section 5.13) means for its link."""
    outcome = {"length": Outcome.TOO_LARGE, "time": Outcome.TIMEOUT}.get(reason, Outcome.UNREACHABLE)
    return Verdict(outcome, f"only the beginning was recorded (WARC-Truncated: {reason})")


def may_be_kept(begun: StoredResponse, settings: CrawlSettings, terms: Terms) -> bool:
    """Whether an answer of which only the beginning came is worth a record: it would have been a page, and nothing that
    can be read of it opts out."""
    if not 200 <= begun.status < 300 or judge_headers(begun.status, begun.headers, settings, terms) is not None:
        return False
    try:
        page = decode_body(begun.headers, begun.body, settings.max_decoded)
    except CutShort as error:
        page = error.begun
    except UndecodableBody:
        return False
    if not page or (media_type(begun.headers) is None and not looks_like_text(page)):
        return False
    return metas_opt_out(metas_of(page, terms), terms) is None


def next_address(stored: StoredResponse, seen: Collection[str], limit: int) -> str | Verdict:
    """Where a redirect leads (normalised), or why it is not followed.

    Args:
        seen: the addresses of this chain so far, `stored.url` among them.
        limit: how many redirects are followed.
    """
    location = stored.header("location")
    if not location:
        return Verdict(Outcome.REDIRECT, f"status {stored.status} without a Location")
    try:
        # Raw bytes in a Location are UTF-8 in practice; headers came in as latin-1.
        text = location.encode("latin-1").decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        text = location
    try:
        target = normalise(ada_url.join_url(stored.url, text))
    except UnusableURL as error:
        return Verdict(Outcome.REDIRECT, f"to an unusable address: {printable(error.reason)}")
    except ValueError:
        return Verdict(Outcome.REDIRECT, "to an unusable address: not a URL")
    if target in seen:
        return Verdict(Outcome.REDIRECT, "leads back to an address of its own chain")
    if len(seen) > limit:
        return Verdict(Outcome.REDIRECT, f"more than {limit} redirects")
    return target


def media_type(headers: Headers) -> str | None:
    """The last valid media type of Content-Type, lower-case without parameters; None where there is none."""
    found = [value.split(";")[0].strip().lower() for name, value in headers if name.lower() == "content-type"]
    return next((value for value in reversed(found) if _MEDIA_TYPE.fullmatch(value)), None)


def declared_length(headers: Headers) -> int:
    """The Content-Length, 0 where there is none."""
    found = [value for name, value in headers if name.lower() == "content-length"]
    return int(found[-1]) if found and found[-1].isascii() and found[-1].isdigit() and len(found[-1]) < 19 else 0


def looks_like_text(page: bytes) -> bool:
    """Whether a body without a Content-Type is HTML or plain text (WHATWG MIME Sniffing, section 5)."""
    return page[:2] in _UTF16 or _BINARY.isdisjoint(page[:_SNIFFED])


def _too_large(limit: int, how: str) -> Verdict:
    return Verdict(Outcome.TOO_LARGE, f"more than {limit:,} bytes {how}")
