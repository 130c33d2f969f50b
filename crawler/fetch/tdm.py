"""Reservations of text and data mining: the W3C's TDM Reservation Protocol (report of 10 May 2024). Pure functions.

Three places speak: /.well-known/tdmrep.json for the whole site, the header fields tdm-reservation and tdm-policy, and
meta elements of these names. The protocol lets the nearer one take a reservation back; here any reservation counts:
what the site reserves is not asked for, only to see whether the page itself says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webtext.crawler.fetch.decoding import Headers
from webtext.crawler.fetch.robots_rules import fits, path_of, pattern_of

TDMREP = "/.well-known/tdmrep.json"
RESERVATION, POLICY = "tdm-reservation", "tdm-policy"

_MAX_BYTES = 500 * 1024  # as of robots.txt
_MAX_RULES = 10_000


@dataclass(frozen=True)
class Reservation:
    """Whether mining is reserved, where a policy says more (empty where none does), and the location rule that says so
    (empty in a header or a page)."""

    reserved: bool
    policy: str = ""
    location: str = ""

    @property
    def why(self) -> str:
        """In words; the policy's address is the server's text."""
        return f"{RESERVATION}: {int(self.reserved)}" + (f", {POLICY}: {self.policy}" if self.policy else "")


@dataclass(frozen=True)
class TdmRule:
    """One object of tdmrep.json."""

    pattern: bytes
    reservation: Reservation


def parse_tdmrep(text: bytes) -> tuple[TdmRule, ...]:
    """The rules of a tdmrep.json in their order; what is damaged, or no rule, says nothing."""
    if len(text) > _MAX_BYTES:
        return ()
    try:
        value = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return ()
    entries: Sequence[Any] = value if isinstance(value, list) else [value]
    rules = []
    for entry in entries[:_MAX_RULES]:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("location"), str):
            continue
        reserved = _reserved(entry.get(RESERVATION))
        if reserved is None:
            continue
        location = entry["location"].strip()
        policy = entry.get(POLICY)
        reservation = Reservation(reserved, policy if isinstance(policy, str) else "", location)
        rules.append(TdmRule(pattern_of(location.encode("utf-8", "replace")), reservation))
    return tuple(rules)


def tdmrep_reservation(rules: Iterable[TdmRule], url: str) -> Reservation | None:
    """What the site says of a normalised URL: the first rule in sequence whose location fits; None where none does."""
    path = path_of(url)
    return next((rule.reservation for rule in rules if rule.pattern and fits(rule.pattern, path)), None)


def header_reservation(headers: Headers) -> Reservation | None:
    """What the header fields say; None where they say nothing. Of several values a reservation counts."""
    found = [value for name, value in headers if name.lower() == RESERVATION]
    policy = next((value.strip() for name, value in headers if name.lower() == POLICY), "")
    return _strictest((value for field in found for value in field.split(",")), policy)


def meta_reservation(metas: Iterable[tuple[str, str]]) -> Reservation | None:
    """What a page's meta elements (name, content) say; None where they say nothing."""
    pairs = list(metas)
    policy = next((content.strip() for name, content in pairs if name == POLICY), "")
    return _strictest((content for name, content in pairs if name == RESERVATION), policy)


def _strictest(values: Iterable[object], policy: str) -> Reservation | None:
    known = [reserved for value in values if (reserved := _reserved(value)) is not None]
    return Reservation(any(known), policy) if known else None


def _reserved(value: object) -> bool | None:
    """1 and 0, as numbers or text, are values; all others count as unset (section 5)."""
    if isinstance(value, str):
        value = {"1": 1, "0": 0}.get(value.strip())
    return bool(value) if value in (0, 1) and value is not None and not isinstance(value, float) else None
