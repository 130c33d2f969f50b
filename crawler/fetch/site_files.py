"""What an answer for a site's own file means (robots.txt above all): the file, none, or that it cannot be had.

RFC 9309, section 2.3.1: 4xx is "none", 5xx and no answer forbid everything, up to five redirects are followed, to other
hosts too. A 429 is no "none": who asks for fewer requests has not said that everything is free.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.decoding import UndecodableBody, decode_body
from webtext.crawler.fetch.judging import REDIRECTS, Verdict, next_address
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.robots_rules import PARSED_BYTES
from webtext.crawler.fetch.site_store import SiteFile

NONE = "none"
"""The outcome of a file that a site does not have."""

_REDIRECTS = 5  # RFC 9309, section 2.3.1.2
MAX_DECODED = 10_000_000
HELD_BYTES = 2 * PARSED_BYTES
"""Of a file as it is kept: in UTF-16 a character has two bytes."""


Ask = Callable[[str], Awaitable[StoredResponse | Verdict]]
"""Gives the answer for an address, or why there is none."""


async def load_file(url: str, ask: Ask, now: float) -> SiteFile:
    """Ask for a site's file, through its redirects, and say what came of it.

    Args:
        now: seconds since 1970, for the file's age.
    """
    seen = [url]
    while True:
        answer = await ask(seen[-1])
        if isinstance(answer, Verdict):
            return _failed(url, now, answer, redirected=len(seen) > 1)
        if answer.status not in REDIRECTS:
            return file_of(url, answer, now)
        target = next_address(answer, seen, _REDIRECTS)
        if isinstance(target, Verdict):
            when = answer.fetched.timestamp()
            return SiteFile(url, now, NONE, target.detail, answered=when)  # "unavailable", section 2.3.1.2
        seen.append(target)


def file_of(url: str, answer: StoredResponse, now: float) -> SiteFile:
    """What an answer that is no redirect says of the file `url`."""
    name = url.rpartition("/")[2]
    when = answer.fetched.timestamp()
    if answer.status >= 500 or answer.status == 429:
        return SiteFile(url, now, Outcome.ROBOTS, f"{name} has status {answer.status}", answered=when)
    if not 200 <= answer.status < 300:
        return SiteFile(url, now, NONE, f"status {answer.status}", answered=when)  # section 2.3.1.3
    try:
        # What a limit cuts off is not read anyway; a bomb is no reason to take the file for unreachable.
        text = decode_body(answer.headers, answer.body, MAX_DECODED)
    except UndecodableBody:
        return SiteFile(url, now, Outcome.ROBOTS, f"{name} does not decode", answered=when)
    return SiteFile(url, now, body=text[:HELD_BYTES], answered=when)


def _failed(url: str, now: float, verdict: Verdict, *, redirected: bool) -> SiteFile:
    """A file that cannot be had forbids everything; a host that cannot be had says so itself."""
    name = url.rpartition("/")[2]
    if redirected or verdict.outcome not in (Outcome.UNREACHABLE, Outcome.TIMEOUT, Outcome.PRIVATE_ADDRESS):
        return SiteFile(url, now, Outcome.ROBOTS, f"{name} cannot be had")
    if verdict.outcome is Outcome.PRIVATE_ADDRESS:
        return SiteFile(url, now, verdict.outcome, verdict.detail)
    return SiteFile(url, now, verdict.outcome, f"{name}: {verdict.detail}")
