"""Which hosts a crawler may connect to."""

from __future__ import annotations

import ipaddress
import random

import pytest

from webtext.crawler.addresses import is_public, private_host
from webtext.crawler.reddit.urls import host_of, normalise


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
        # the last address before and the first one after each network that is set aside
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
        "191.255.255.255", "192.0.1.0", "192.0.1.255", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255",
        "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
        "223.255.255.255",
        "2000::", "2000:ffff::1", "2001:200::", "2001:db7:ffff::1", "2001:db9::", "2001:ffff::1", "2003::",
        "3ffe:ffff::1", "3fff:1000::", "3fff:ffff::1", "2620:4f:8000::1", "64:ff9b::b00:0", "2002:b00:0::1",
    ],
)  # fmt: skip
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.8", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "192.0.2.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "fec0::1", "2001:db8::1", "3fff::1", "100::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1",
        "2001::1", "fe80::1%eth0",
        # the first and the last address of each network that is set aside
        "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.127.255.255", "127.255.255.255", "169.254.0.0",
        "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.255", "192.0.2.255",
        "192.88.99.0", "192.88.99.2", "192.88.99.255", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
        "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0",
        "1fff:ffff::1", "2001:1ff:ffff::1", "2001:2::1", "2001:db8:ffff::1", "3fff:fff:ffff::1", "4000::", "5f00::1",
        "100:0:0:1::1", "fdff::1", "febf::1",
        # what clouds tell their machines: Alibaba, Azure, Oracle, Amazon
        "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254",
        "::ffff:192.0.0.192", "64:ff9b::c000:c0", "2002:c000:c0::1", "::ffff:0:10.0.0.1",
    ],
)  # fmt: skip
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


def test_all_that_python_calls_no_global_address_is_refused() -> None:
    # Whatever release of Python this is. Embedded IPv4 forms aside: newer ones refuse 6to4 whatever it leads to.
    draw = random.Random(0)
    tops = [top << 112 for top in range(0, 1 << 16, 16) if top != 0x2002]
    sample: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [
        *(ipaddress.IPv4Address(block << 20 | draw.getrandbits(20)) for block in range(1 << 12)),
        *(ipaddress.IPv4Address(0xC0000000 | low) for low in range(1 << 10)),  # 192.0.0.0/22
        *(ipaddress.IPv6Address(top | draw.getrandbits(112)) for top in tops),
        *(
            ipaddress.IPv6Address(0x2001 << 112 | draw.getrandbits(12) << 96 | draw.getrandbits(96))
            for _ in range(2_000)
        ),
    ]
    refused = [address for address in sample if not address.is_global]
    assert len(refused) > 500
    assert [address for address in refused if is_public(address)] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/admin", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::7f00:1]/", "http://10.0.0.8/x", "http://localhost/x",
        "http://LOCALHOST./", "http://a.localhost/", "http://printer.local/", "http://db.internal/", "http://x.home.arpa/",
        "http://169.254.169.254/latest/meta-data/", "http://192.0.0.192/", "http://168.63.129.16/", "http://\uff11\uff12\uff17.0.0.1/",
    ],
)  # fmt: skip
def test_a_url_of_a_private_host_is_refused_in_every_spelling(url: str) -> None:
    assert private_host(host_of(normalise(url))) is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://8.8.8.8/",
        "http://[2606:4700::1]/",
        "http://web1/",
        "http://a.b2/",
        "http://xn--p1b/",
    ],
)
def test_other_hosts_are_left_to_the_resolver(url: str) -> None:
    assert private_host(host_of(normalise(url))) is None
