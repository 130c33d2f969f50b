"""From a host to the addresses that a connection may be opened to: looked up without threads, cached, guarded.

Twisted's own DNS client asks the name servers of /etc/resolv.conf: a look-up is one datagram and a callback. The
system's resolver would block a thread for each, and tell no TTL. Every answer passes the address guard whenever it is
used, from the cache, too, and the connection is opened to just that address: who changes an answer gains nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webtext.corpus.outcomes import Outcome
from webtext.crawler.addresses import is_public
from webtext.crawler.fetch.guard import loopback_address
from webtext.crawler.fetch.wire import BrokenAnswer

CACHED = 50_000
"""Names remembered (about 20 MB)."""

AT_ONCE = 128
"""Look-ups under way at once: each has a socket of its own, as its port is what keeps answers from being forged."""

SHORTEST, LONGEST, UNKNOWN = 30.0, 3_600.0, 300.0
"""Seconds that an answer counts: its TTL within the first two; a name that does not exist (RFC 2308) counts for so
many."""

_TRIES = (2, 4, 8)  # seconds until a query is sent again, to the next server
_CHAIN = 5  # CNAMEs that a name server leaves to us
# Names that no name server knows (RFC 6761, section 6.4; RFC 7686, section 2).
_NOWHERE = (".invalid", ".onion")


@dataclass(frozen=True)
class Found:
    """What a name leads to, none where it does not exist, and for how many seconds that counts."""

    addresses: tuple[str, ...]
    seconds: float


class LookUpFailed(Exception):
    """The name servers did not say; asking again may help."""


class Names:
    """A cache of look-ups, each name asked for once however many wait for it.

    Args:
        query: asks for a name; raises LookUpFailed.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        query: Callable[[str], Awaitable[Found]],
        *,
        clock: Callable[[], float] = time.monotonic,
        cached: int = CACHED,
        at_once: int = AT_ONCE,
    ) -> None:
        self._query = query
        self._clock = clock
        self._most = cached
        self._free = asyncio.Semaphore(at_once)
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._pending: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def look_up(self, name: str) -> tuple[str, ...]:
        """The addresses of a name, none where it does not exist.

        Raises:
            LookUpFailed: nobody said.
        """
        until, addresses = self._known.get(name, (0.0, ()))
        if self._clock() < until:
            self._known.move_to_end(name)
            return addresses
        task = self._pending.get(name)
        if task is None:
            task = self._pending[name] = asyncio.ensure_future(self._ask(name))
            task.add_done_callback(lambda done: (self._pending.pop(name), done.cancelled() or done.exception()))
        # Who gives up must not take the answer from the others that wait for it.
        return await asyncio.shield(task)

    async def _ask(self, name: str) -> tuple[str, ...]:
        async with self._free:
            found = await self._query(name)
        self._known.pop(name, None)
        self._known[name] = self._clock() + found.seconds, found.addresses
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return found.addresses


class GuardedNames:
    """The look-up that connections use: only addresses that may be connected to come out.

    Args:
        allow_loopback: only for tests and the demo, as `guard.LOOPBACK_SETTING`.
    """

    def __init__(self, names: Names, allow_loopback: Mapping[str, str] | None = None) -> None:
        self._names = names
        self._allow_loopback = dict(allow_loopback or {})

    async def addresses(self, host: str, port: int) -> list[tuple[str, int]]:
        """Addresses and ports for host and port of a URL.

        Raises:
            BrokenAnswer: there is none; the verdict says whether the guard is why.
        """
        if host in self._allow_loopback:
            address = self._allow_loopback[host]
            if not address:
                raise _unknown()
            allowed = loopback_address(address, port)
            if allowed is None:
                raise _private()
            return [allowed]
        literal = host.strip("[]")
        if _is_address(literal):
            found: tuple[str, ...] = (literal,)
        else:
            name = host.rstrip(".")
            if not _is_valid(name):
                raise BrokenAnswer(Outcome.UNREACHABLE, "the host's name is not valid")
            try:
                found = () if name.endswith(_NOWHERE) else await self._names.look_up(name)
            except LookUpFailed as error:
                raise _unknown() from error
        public = [(address, port) for address in found if is_public(address)]
        if not public:
            raise _private() if found else _unknown()
        return public


class DnsClient:
    """Asks name servers through `twisted.names`: for IPv4, and for IPv6 where a name has no IPv4.

    Args:
        servers: addresses and ports of name servers; those of /etc/resolv.conf without any.
    """

    def __init__(self, servers: list[tuple[str, int]] | None = None) -> None:
        self._servers = servers
        self._client: Any = None

    async def query(self, name: str) -> Found:
        """What the name servers say."""
        from twisted.names import dns, error

        seconds = LONGEST
        for _ in range(_CHAIN):
            try:
                records = await self._records("lookupAddress", name)
                found = [record for record in records if record.type == dns.A]
                if not found:
                    aliases = {record.name.name: record for record in records if record.type == dns.CNAME}
                    target = _end_of(aliases, name.encode("ascii"))
                    if target is not None:
                        seconds = min([seconds, *(record.ttl for record in aliases.values())])
                        name = target.decode("ascii")
                        continue
                    records = await self._records("lookupIPV6Address", name)
                    found = [record for record in records if record.type == dns.AAAA]
            except error.DNSNameError:
                return Found((), UNKNOWN)
            except Exception as failure:
                raise LookUpFailed(type(failure).__name__) from failure
            addresses = tuple(_text(record.payload) for record in found)
            if not addresses:
                return Found((), UNKNOWN)
            shortest = min([seconds, *(record.ttl for record in records if record.ttl is not None)])
            return Found(addresses, max(SHORTEST, min(shortest, LONGEST)))
        return Found((), UNKNOWN)

    async def _records(self, method: str, name: str) -> list[Any]:
        if self._client is None:
            from twisted.names import client

            resolv = None if self._servers else "/etc/resolv.conf"
            self._client = client.Resolver(resolv=resolv, servers=self._servers, timeout=_TRIES)
        deferred = getattr(self._client, method)(name, timeout=_TRIES)
        answers, _, _ = await deferred.asFuture(asyncio.get_running_loop())
        return list(answers)


def _end_of(aliases: Mapping[bytes, Any], name: bytes) -> bytes | None:
    """Where a chain of CNAMEs leads, None where it begins nowhere or goes round."""
    lowered = {alias.lower(): record.payload.name.name for alias, record in aliases.items()}
    seen = [name.lower()]
    while (target := lowered.get(seen[-1])) is not None and target.lower() not in seen:
        seen.append(target.lower())
    return seen[-1] if len(seen) > 1 else None


def _text(payload: Any) -> str:
    import socket

    return str(payload.dottedQuad()) if hasattr(payload, "dottedQuad") else socket.inet_ntop(
        socket.AF_INET6, payload.address
    )  # fmt: skip


def _is_address(text: str) -> bool:
    try:
        is_public(text)
    except ValueError:
        return False
    return True


def _is_valid(name: str) -> bool:
    """Whether a name fits into a query (RFC 1035, section 2.3.4)."""
    return name.isascii() and 0 < len(name) <= 253 and all(0 < len(label) <= 63 for label in name.split("."))


def _unknown() -> BrokenAnswer:
    return BrokenAnswer(Outcome.UNREACHABLE, "the host's name is not known")


def _private() -> BrokenAnswer:
    return BrokenAnswer(Outcome.PRIVATE_ADDRESS, "the host's name leads to no public address")
