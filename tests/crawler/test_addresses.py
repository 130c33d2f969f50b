"""Which hosts a crawler may connect to."""

from __future__ import annotations

import pytest

from webtext.crawler.addresses import is_public, private_host
from webtext.crawler.reddit.urls import host_of, normalise


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
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
    ],
)  # fmt: skip
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/admin", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::7f00:1]/", "http://10.0.0.8/x", "http://localhost/x",
        "http://LOCALHOST./", "http://a.localhost/", "http://printer.local/", "http://db.internal/", "http://x.home.arpa/",
        "http://169.254.169.254/latest/meta-data/", "http://\uff11\uff12\uff17.0.0.1/",
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
