"""Which addresses a crawler may connect to: the public internet, nothing else.

The guard is applied to literal hosts (here, without a look-up) and again to every result of the resolver, because a
public name may point into a private network.
"""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Prefixes that carry an IPv4 address inside an IPv6 one: NAT64 (RFC 6052) and 6to4 (RFC 3056).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_6TO4 = ipaddress.ip_network("2002::/16")

# All that IANA has given out of IPv6 for public use ("IPv6 Global Unicast Address Assignments"). Python calls more
# public, among it ::127.0.0.1 (the old IPv4-compatible form).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_DOCUMENTATION = ipaddress.ip_network("3fff::/20")  # RFC 9637: younger than the lists of Python 3.11


def is_public(address: str | IPAddress) -> bool:
    """Whether an address (as text or object) belongs to the public internet, seen through embedded IPv4 forms."""
    found = ipaddress.ip_address(address.split("%")[0]) if isinstance(address, str) else address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(found.ipv4_mapped)
        if found in _NAT64:
            return is_public(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        if found in _6TO4:
            return is_public(ipaddress.IPv4Address((int(found) >> 80) & 0xFFFFFFFF))
        if found not in _GLOBAL_UNICAST or found in _DOCUMENTATION:
            return False
    return found.is_global and not found.is_multicast


def private_host(host: str) -> str | None:
    """Why a URL's host (lower-case, as ada gives it) may not be asked, None where only the resolver can tell.

    Literal addresses outside the public internet, and names that RFC 6761 and RFC 6762 keep for the machine itself or
    the local network.
    """
    bare = host.removeprefix("[").removesuffix("]").rstrip(".")
    # A name's last label is no number (WHATWG URL standard, "ends in a number checker"): most hosts need no parse.
    if ":" in bare or bare[-1:].isdigit():
        try:
            return None if is_public(bare) else f"{bare} is no public address"
        except ValueError:
            pass  # web1 is a name
    if bare == "localhost" or bare.endswith((".localhost", ".local", ".internal", ".home.arpa")):
        return f"{bare} is a name of the local network"
    return None
