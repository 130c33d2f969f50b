"""The last line of the address guard: this process opens no connection to an address that is not public.

Names and literals are judged before (`guard`, `resolver`), and what is judged is what is connected to. This stands
under all of it, in case a library has a way of its own: an audit hook (PEP 578) sees every connect and every datagram
of the process, whoever makes it, and cannot be taken away again. For crawl processes only; nothing in a setting, an
option or the environment reaches it.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from webtext.crawler.addresses import is_public

_DNS = 53
_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLV_CONF = Path("/etc/resolv.conf")


class ForbiddenAddress(PermissionError):
    """A connection was about to be made to an address that is not public."""


def seal_sockets(allow_loopback: Mapping[str, str] | None = None) -> None:
    """From now on, and until its end, this process connects to public addresses only.

    Besides them: the name servers of this machine on port 53, and its Unix sockets.

    Args:
        allow_loopback: only for tests and the demo, as `guard.LOOPBACK_SETTING`.
    """
    check = checker(allow_loopback or {}, name_servers())

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _EVENTS and arguments[1] is not None:  # a connected socket's sendmsg names no address
            check(*arguments)

    sys.addaudithook(hook)


def checker(allow_loopback: Mapping[str, str], servers: frozenset[str]) -> Callable[[object, object], None]:
    """The check of one socket and the address it is to be connected to; raises `ForbiddenAddress`."""
    places = {entry for entry in allow_loopback.values() if entry}

    def check(connection: object, address: object) -> None:
        assert isinstance(connection, socket.socket)
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            if connection.family == socket.AF_UNIX:
                return
            raise ForbiddenAddress(f"sockets of family {connection.family} are not used")
        host, port = _parts(address)
        stream = connection.type == socket.SOCK_STREAM
        if port == _DNS and host in servers:
            return
        if stream and is_public(host):
            return
        if stream and _is_loopback(host) and not places.isdisjoint({host, f"{host}:{port}"}):
            return
        raise ForbiddenAddress(f"{host} is no public address")

    return check


def name_servers(path: Path = _RESOLV_CONF) -> frozenset[str]:
    """The name servers that this machine asks; without any, one of its own (resolv.conf(5))."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = (line.split() for line in lines)
    found = frozenset(line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver")
    return found or frozenset({"127.0.0.1"})


def _parts(address: object) -> tuple[str, int]:
    """Host and port; a host that is no literal address is none that was judged."""
    if not isinstance(address, tuple) or len(address) < 2:
        raise ForbiddenAddress("no address")
    host = str(address[0]).partition("%")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ForbiddenAddress(f"{host} was not looked up here") from error
    return host, int(address[1])


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
