"""Which addresses a crawler may connect to: the public internet, nothing else.

The guard is applied to literal hosts (here, without a look-up) and again to every result of the resolver, because a
public name may point into a private network.

The networks are written out here: Python's `is_global` gives other answers from one patch release to the next
(CPython's issue 113171: 192.0.0.0/24), and what is public decides which links a corpus has.
"""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

RULES = {"addresses": 1}
"""Rises with any change of what `private_host` answers."""

# IANA's IPv4 Special-Purpose Address Registry (RFC 6890, RFC 8190), its rows that are not globally reachable. Where a
# block is set aside and single addresses of it are reachable, the block stays whole: they are anycast addresses of
# protocols (192.0.0.9 PCP, 192.0.0.10 TURN), and no page is there.
_NOT_PUBLIC_4 = tuple(map(ipaddress.IPv4Network, (
    "0.0.0.0/8",  # this network (RFC 791)
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private use (RFC 1918)
    "100.64.0.0/10",  # shared address space of carriers (RFC 6598); one cloud's metadata, 100.100.100.200
    "127.0.0.0/8",  # loopback (RFC 1122)
    "169.254.0.0/16",  # link local (RFC 3927); most clouds' metadata, 169.254.169.254
    "192.0.0.0/24",  # IETF protocol assignments (RFC 6890); one cloud's metadata, 192.0.0.192
    "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation (RFC 5737)
    "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526), and 6a44 relays (RFC 6751)
    "198.18.0.0/15",  # benchmarking (RFC 2544)
    "240.0.0.0/4",  # reserved (RFC 1112), with the limited broadcast (RFC 919)
    "224.0.0.0/4",  # multicast (RFC 5771): a registry of its own
    "168.63.129.16/32",  # Azure's host, reached from its machines ("What is IP address 168.63.129.16?")
)))  # fmt: skip

# All that IANA has given out of IPv6 for public use ("IPv6 Global Unicast Address Assignments", RFC 4291, 2.4).
# Outside lie loopback, unique local, link and site local, multicast, discard-only (100::/64, RFC 6666), the dummy
# prefix (100:0:0:1::/64, RFC 9780), local NAT64 (64:ff9b:1::/48, RFC 8215), segment routing (5f00::/16, RFC 9602), and
# the old IPv4-compatible and translated forms.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

# What IANA's IPv6 Special-Purpose Address Registry sets aside in it. 2001::/23 stays whole, as 192.0.0.0/24 above.
_NOT_PUBLIC_6 = tuple(map(ipaddress.IPv6Network, (
    "2001::/23",  # IETF protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID, anycast
    "2001:db8::/32", "3fff::/20",  # documentation (RFC 3849, RFC 9637)
)))  # fmt: skip

# Prefixes that carry an IPv4 address inside an IPv6 one, and how many bits lie behind it: mapped (RFC 4291), NAT64
# (RFC 6052) and 6to4 (RFC 3056). What they lead to is the IPv4 address.
_EMBEDDED = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


def is_public(address: str | IPAddress) -> bool:
    """Whether an address (as text or object) belongs to the public internet, seen through embedded IPv4 forms.

    Raises:
        ValueError: the text is no address.
    """
    found = ipaddress.ip_address(address.split("%")[0]) if isinstance(address, str) else address
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_4)
    for network, behind in _EMBEDDED:
        if found in network:
            return is_public(ipaddress.IPv4Address(int(found) >> behind & 0xFFFFFFFF))
    return found in _GLOBAL_UNICAST and not any(found in network for network in _NOT_PUBLIC_6)


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
