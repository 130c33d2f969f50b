"""Pages that look like documents and are none: error pages, parked domains, consent dialogues, paywalls.

Each rule looks only at short texts, so that an article about such pages stays: a wall says little else. No rule reads
the status, which was 200, or the address. None of them took any of 409 reviewed pages away (docs/documents.md).
"""

from __future__ import annotations

import re

from webtext.corpus.outcomes import Outcome
from webtext.crawler.text.results import Rejection

WALL_WORDS = 150  # the shortest reviewed article has 53 words, the longest wall seen 120
_FIRST_LINE_WORDS = 80  # of an error page that says so not in its title but in its first line

# A part of the title that says nothing but that the page is missing.
_MISSING = re.compile(
    r"(error[ :]*)?(404|410)([ :]*error)?([ :\u2013-]*((page|file|content) )?(not found|gone))?"
    r"|(error[ :]*)?(oops!? *)?(the |this )?(requested )?(page|file|url|content|article|document)"
    r"( you (requested|are looking for|were looking for))?( was| is| could| can)?( ?not|n[\u2019']t)( be)? found"
    r"|(this |the |that )?(page|article|content|link) (does not|doesn['\u2019]t) exist( any ?more)?"
    r"|(this |the |that )?(page|article|content) (is )?(no longer|not|isn['\u2019]t) available"
    r"|(this |the )?(page|article|content) has been (removed|deleted)"
    r"|nothing found|not found",
    re.IGNORECASE,
)
_TITLE_PARTS = re.compile(r"\s+[-\u2013\u2014|\u00b7\u2022\u00bb\u00ab:]+\s+|\s*[|\u00bb\u00ab]\s*")


def reject_missing(title: str, text: str, words: int) -> Rejection | None:
    """An error page that was sent with status 200: a short text, and a part of the title, or the whole first line of a
    very short one, says nothing else."""
    if words >= WALL_WORDS:
        return None
    for part in _TITLE_PARTS.split(title):
        if _MISSING.fullmatch(part.strip(" .!")):
            return Rejection(Outcome.SOFT_404, f"title: {part.strip()[:80]}")
    first = text.partition("\n")[0].strip(" .!-")
    if words < _FIRST_LINE_WORDS and _MISSING.fullmatch(first):
        return Rejection(Outcome.SOFT_404, f"first line: {first[:80]}")
    return None


_PARKED = re.compile(
    r"\b(this|the) (web )?(domain|site)( name)? ([\w.-]+\.[a-z]{2,} )?(is|may be) (currently )?for sale\b"
    r"|\bbuy this domain\b|\bdomain (name )?(is )?parked (free|by|with|at|on)\b"
    r"|\bthis domain( name)? (has expired|is parked|was recently registered|has been registered|has recently been)\b"
    r"|\bfuture home of something\b|\bthis account has been suspended\b"
    r"|\bwelcome to nginx!|\bapache2? (ubuntu |debian |http server )?(default|test) page\b|\bdefault web ?site page\b",
    re.IGNORECASE,
)


def reject_parked(text: str, words: int) -> Rejection | None:
    """A page of a domain's seller or registrar, or of a web server that nobody has given a page yet."""
    found = _PARKED.search(text) if words < WALL_WORDS else None
    return None if found is None else Rejection(Outcome.PARKED, found.group())


# What the buttons and the boilerplate of consent dialogues say.
_CONSENT = (
    "we use cookies", "we and our partners", "our partners", "legitimate interest", "accept all", "reject all",
    "manage options", "manage preferences", "manage cookies", "cookie settings", "cookie policy", "your consent",
    "withdraw consent", "personalised ads", "personalized ads", "before you continue", "privacy choices",
    "store and access information", "store and/or access information", "withdraw your consent",
)  # fmt: skip
CONSENT_PHRASES = 4


def reject_consent(text: str, words: int) -> Rejection | None:
    """A short text made of a consent dialogue: several of its phrases at once."""
    if words >= WALL_WORDS:
        return None
    lower = text.lower()
    found = [phrase for phrase in _CONSENT if phrase in lower]
    return Rejection(Outcome.CONSENT_WALL, ", ".join(found)) if len(found) >= CONSENT_PHRASES else None


_DOOR = (
    r"(subscribe|log ?in|sign ?in|sign up|register|join|upgrade|create (a|an|your) (free )?account"
    r"|become a (member|subscriber))"
)
_PAYWALL = re.compile(
    rf"\b{_DOOR}( now| today| here)?( to| and)( continue reading| keep reading| unlock| view the full"
    r"| read (on|more|the (full|rest|whole|entire)|this (article|story))"
    r"| get (full |unlimited )?access| access (this|the full))\b"
    r"|\bto (continue|keep) reading( this (article|story))?,? (please )?(subscribe|log ?in|sign ?in|register|create)\b"
    r"|\b(this|the) (article|story|content|post|page) is (only )?(available |reserved )?(only )?(for|to) "
    r"(paid |paying |premium |registered )?(subscribers|members)\b"
    r"|\byou have (reached|read|used) (your|all( of)? your) (limit of )?([\w-]+ )?free (articles|stories)\b"
    r"|\b(subscribers?|members?)[ -]only (article|content|story|post)\b",
    re.IGNORECASE,
)
_QUOTE = "\"'\u2018\u2019\u201c\u201d\u00ab\u00bb"
_WEAK = (
    "already a subscriber", "already a member", "already have an account", "subscribe now", "start your free trial",
    "cancel any time", "cancel anytime", "free articles", "unlimited digital access", "subscription options",
    "choose your plan", "for just $1", "per month", "sign in", "log in",
)  # fmt: skip
WEAK_PHRASES = 2


def reject_paywall(text: str, words: int, *, closed: bool) -> Rejection | None:
    """The teaser of an article that is sold: a short text with an invitation to pay or to register, or the phrases
    around one, or which the page itself declares not free (`closed`: schema.org `isAccessibleForFree`)."""
    if words >= WALL_WORDS:
        return None
    for found in _PAYWALL.finditer(text):
        if text[max(0, found.start() - 1) : found.start()] not in tuple(_QUOTE):  # said, not quoted
            return Rejection(Outcome.PAYWALL, " ".join(found.group().split())[:80])
    lower = text.lower()
    weak = [phrase for phrase in _WEAK if phrase in lower]
    if closed:
        return Rejection(Outcome.PAYWALL, "the page says it is not free to read")
    return Rejection(Outcome.PAYWALL, ", ".join(weak)) if len(weak) > WEAK_PHRASES else None
