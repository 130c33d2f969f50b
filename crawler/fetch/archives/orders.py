"""Which sources a link is looked for in, and in which order: the settings `crawl.sources`, `crawl.host_sources` and
`crawl.archive_first`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from webtext.corpus.errors import UsageError
from webtext.corpus.outcomes import Outcome
from webtext.corpus.settings import CrawlSettings

LIVE, COMMON_CRAWL, WAYBACK = "live", "commoncrawl", "wayback"
ARCHIVES = (COMMON_CRAWL, WAYBACK)

Order = tuple[str, ...]

_ENTRY = re.compile(r"\s*([^\s=]+)\s*=\s*([a-z, ]+)")
_DEAD = frozenset({Outcome.HTTP_ERROR, Outcome.UNREACHABLE, Outcome.TIMEOUT, Outcome.REDIRECT})
# Statuses with which a living site says that the page is not for us (or not for now): no page that died.
_REFUSED = frozenset(f"status {status}" for status in (401, 402, 403, 407, 429, 451))


def is_dead(outcome: str, detail: str) -> bool:
    """Whether a live outcome says that the page is gone, so that an archive may be asked.

    What robots.txt or an opt-out keeps out, and what a site refuses to show, is not dead and is taken from nowhere.
    """
    return outcome in _DEAD and detail not in _REFUSED


class Orders:
    """The order of the sources for each host.

    Args:
        large: hosts with more than `archive_first` links.
        usable: the archives that can be asked at all; others are left out of every order.

    Raises:
        UsageError: a source is named twice, or an entry of `host_sources` is none.
    """

    def __init__(
        self, settings: CrawlSettings, *, large: Collection[str] = (), usable: Sequence[str] = ARCHIVES
    ) -> None:
        self._usable = frozenset({LIVE, *usable})
        self._default = self._kept(_once(settings.sources, "crawl.sources"))
        archives = tuple(source for source in self._default if source != LIVE)
        # What no archive has is then asked for, where the live web is a source at all.
        self._first = (*archives, LIVE) if LIVE in self._default else self._default
        self._large = frozenset(large)
        self._hosts = {host: self._kept(order) for host, order in map(_entry, settings.host_sources)}

    @property
    def asks_archives(self) -> bool:
        """Whether any host's order has an archive."""
        return any(source in ARCHIVES for order in (self._default, *self._hosts.values()) for source in order)

    @property
    def differs_by_host(self) -> bool:
        """Whether some hosts have an order of their own."""
        return bool(self._large or self._hosts) or self._default[:1] != (LIVE,)

    def of(self, host: str) -> Order:
        """The order for a host: its own, that of the domain it belongs to, or that of all."""
        name = host
        while True:
            if name in self._hosts:
                return self._hosts[name]
            _, dot, rest = name.partition(".")
            if not dot:
                return self._first if host in self._large else self._default
            name = rest

    def describe(self) -> list[str]:
        """The orders in words, for a manifest and for whoever compares two of them."""
        hosts = [f"{host} = {', '.join(order)}" for host, order in sorted(self._hosts.items())]
        return [", ".join(self._default), *hosts, *(f"{host}: archives first" for host in sorted(self._large))]

    def _kept(self, order: Order) -> Order:
        return tuple(source for source in order if source in self._usable)


def following(order: Order, tried: Collection[str]) -> str:
    """The next source of an order, "" where each has been tried."""
    return next((source for source in order if source not in tried), "")


def _entry(text: str) -> tuple[str, Order]:
    found = _ENTRY.fullmatch(text)
    order = tuple(word.strip() for word in found[2].split(",")) if found else ()
    if not found or not set(order) <= {LIVE, *ARCHIVES}:
        raise UsageError(
            f"crawl.host_sources has {text!r}",
            where="webtext crawl",
            hint='an entry is a host or domain and its sources: "github.com = commoncrawl, wayback, live"',
        )
    return found[1].lower().strip("."), _once(order, f"crawl.host_sources for {found[1]}")


def _once(order: Sequence[str], label: str) -> Order:
    if len(set(order)) != len(order):
        raise UsageError(f"{label} names a source twice: {', '.join(order)}", where="webtext crawl")
    return tuple(order)
