"""The address guard: no request leaves for the machine itself or the local network.

It stands in two places. Literal hosts are refused before a request is made, and again after each redirect. Names are
looked up, and the *result* is checked, by the resolver that makes the connection: what is checked is what is used, so
a name cannot change its mind in between (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from zope.interface import implementer  # type: ignore[import-untyped]

from webtext.crawler.addresses import is_public
from webtext.crawler.fetch.judging import Refused, judge_address

LOOPBACK_SETTING = "WEBTEXT_ALLOW_LOOPBACK"
"""Only for tests and the demo: names that may lead to this machine, with their addresses. No flag reaches it.

`127.0.0.1:PORT` leads there whatever the URL's port is; "" is a name that does not exist."""

_CACHE_NAMES = 10_000
_CACHE_SECONDS = 300.0


def loopback_address(entry: str, port: int) -> tuple[str, int] | None:
    """Address and port of an entry of `LOOPBACK_SETTING`; None where it is neither this machine nor public."""
    if entry.count(":") == 1:  # the connection is made to the port that is given here
        entry, _, own = entry.partition(":")
        port = int(own)
    return (entry, port) if is_public(entry) or ipaddress.ip_address(entry).is_loopback else None


class LiteralGuard:
    """Downloader middleware: refuses literal private addresses and local names, on each request anew."""

    def process_request(self, request: Any) -> None:
        """Raises `Refused` for a host that may not be asked."""
        verdict = judge_address(request.meta["address"])
        if verdict is not None:
            raise Refused(verdict.outcome, verdict.detail)


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Nothing is under way."""


@implementer(IHostnameResolver)
class GuardedResolver:
    """Twisted's resolver behind the guard, with a cache.

    A name that leads to private addresses alone resolves to nothing, and stands in `refused`: that is how the spider
    tells it from a name that does not exist.
    """

    def __init__(self, reactor: Any, allow_loopback: Mapping[str, str] | None = None) -> None:
        self.reactor = reactor
        self.inner = reactor.nameResolver
        self.allow_loopback = dict(allow_loopback or {})
        self.refused: OrderedDict[str, None] = OrderedDict()
        self._cache: OrderedDict[str, tuple[float, list[tuple[type, str]]]] = OrderedDict()

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> GuardedResolver:
        """Scrapy's constructor (TWISTED_DNS_RESOLVER)."""
        return cls(reactor, crawler.settings.getdict(LOOPBACK_SETTING))

    def install_on_reactor(self) -> None:
        """Make it the one resolver of the reactor."""
        self.reactor.installNameResolver(self)

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Look a name up; only public addresses come out."""
        found = self._known(hostName, portNumber)
        if found is not None:
            resolution = _Resolution(hostName)
            resolutionReceiver.resolutionBegan(resolution)
            for address in found:
                resolutionReceiver.addressResolved(address)
            resolutionReceiver.resolutionComplete()
            return resolution
        receiver = _Filter(self, resolutionReceiver, hostName)
        return self.inner.resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)

    def _known(self, name: str, port: int) -> list[IPv4Address | IPv6Address] | None:
        if name in self.allow_loopback:
            return self._allowed(name, port)
        expiry, found = self._cache.get(name, (0.0, []))
        return [kind("TCP", host, port) for kind, host in found] if found and time.monotonic() < expiry else None

    def _allowed(self, name: str, port: int) -> list[IPv4Address | IPv6Address]:
        address = self.allow_loopback[name]
        if not address:
            return []
        found = loopback_address(address, port)
        if found is None:
            self.learn(name, [], private=1)
            return []
        address, port = found
        return [(IPv6Address if ":" in address else IPv4Address)("TCP", address, port)]

    def learn(self, name: str, public: list[tuple[type, str]], private: int) -> None:
        """Remember what a look-up gave: public addresses, and how many were refused."""
        self.refused.pop(name, None)
        if public:
            self._cache[name] = (time.monotonic() + _CACHE_SECONDS, public)
            if len(self._cache) > _CACHE_NAMES:
                self._cache.popitem(last=False)
        elif private:
            self.refused[name] = None
            if len(self.refused) > _CACHE_NAMES:
                self.refused.popitem(last=False)


class _Filter:
    """Between the resolver and who asked: lets public addresses through."""

    def __init__(self, guard: GuardedResolver, receiver: Any, name: str) -> None:
        self._guard = guard
        self._receiver = receiver
        self._name = name
        self._public: list[tuple[type, str]] = []
        self._private = 0

    def resolutionBegan(self, resolution: Any) -> None:
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:
        if is_public(address.host):
            self._public.append((type(address), address.host))
            self._receiver.addressResolved(address)
        else:
            self._private += 1

    def resolutionComplete(self) -> None:
        self._guard.learn(self._name, self._public, self._private)
        self._receiver.resolutionComplete()
