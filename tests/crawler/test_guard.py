"""The address guard: what a name leads to is checked where it is used, with resolvers that are no network."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver
from zope.interface.verify import verifyObject

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.guard import GuardedResolver, LiteralGuard
from webtext.crawler.fetch.judging import Refused

PUBLIC = "93.184.216.34"


class FakeResolver:
    """Answers from a table and counts the look-ups."""

    def __init__(self, table: dict[str, Sequence[str]]) -> None:
        self.table = table
        self.asked: list[str] = []

    def resolveHostName(
        self, receiver: Any, name: str, port: int = 0, types: Any = None, semantics: str = "TCP"
    ) -> Any:
        self.asked.append(name)
        receiver.resolutionBegan(self)
        for host in self.table.get(name, ()):
            receiver.addressResolved((IPv6Address if ":" in host else IPv4Address)("TCP", host, port))
        receiver.resolutionComplete()
        return self


class Receiver:
    def __init__(self) -> None:
        self.addresses: list[tuple[str, int]] = []
        self.complete = False

    def resolutionBegan(self, resolution: Any) -> None:
        pass

    def addressResolved(self, address: Any) -> None:
        self.addresses.append((address.host, address.port))

    def resolutionComplete(self) -> None:
        self.complete = True


def guarded(table: dict[str, Sequence[str]], **loopback: str) -> tuple[GuardedResolver, FakeResolver]:
    inner = FakeResolver(table)
    allowed = {name.replace("_", "."): address for name, address in loopback.items()}
    return GuardedResolver(SimpleNamespace(nameResolver=inner), allowed), inner


def ask(resolver: GuardedResolver, name: str, port: int = 80) -> list[tuple[str, int]]:
    receiver = Receiver()
    resolver.resolveHostName(receiver, name, port)
    assert receiver.complete
    return receiver.addresses


def test_it_is_a_resolver_as_twisted_wants_it() -> None:
    assert verifyObject(IHostnameResolver, guarded({})[0])


def test_public_addresses_pass() -> None:
    resolver, _ = guarded({"a.example": [PUBLIC, "2606:2800:220:1::1"]})
    assert ask(resolver, "a.example") == [(PUBLIC, 80), ("2606:2800:220:1::1", 80)]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.8", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_a_name_that_leads_inside_resolves_to_nothing_and_is_remembered(address: str) -> None:
    resolver, _ = guarded({"inside.example": [address]})
    assert ask(resolver, "inside.example") == []
    assert "inside.example" in resolver.refused


def test_of_several_addresses_the_public_ones_are_used() -> None:
    resolver, _ = guarded({"mixed.example": ["10.0.0.1", PUBLIC, "::1"]})
    assert ask(resolver, "mixed.example") == [(PUBLIC, 80)]
    assert "mixed.example" not in resolver.refused


def test_a_name_that_does_not_exist_is_not_refused() -> None:
    resolver, _ = guarded({})
    assert ask(resolver, "nowhere.example") == []
    assert "nowhere.example" not in resolver.refused


def test_a_look_up_is_made_once_whatever_the_port() -> None:
    resolver, inner = guarded({"a.example": [PUBLIC]})
    assert ask(resolver, "a.example", 80) == [(PUBLIC, 80)]
    assert ask(resolver, "a.example", 8443) == [(PUBLIC, 8443)]
    assert inner.asked == ["a.example"]


def test_a_name_that_changes_its_mind_is_checked_again() -> None:
    resolver, inner = guarded({"rebind.example": ["127.0.0.1"]})
    assert ask(resolver, "rebind.example") == []
    inner.table["rebind.example"] = [PUBLIC]
    assert ask(resolver, "rebind.example") == [(PUBLIC, 80)]
    assert "rebind.example" not in resolver.refused


def test_only_the_names_a_test_allows_lead_to_this_machine() -> None:
    resolver, inner = guarded({"other.test": ["127.0.0.1"]}, shop_test="127.0.0.1", six_test="::1")
    assert ask(resolver, "shop.test", 8123) == [("127.0.0.1", 8123)]
    assert ask(resolver, "six.test", 8123) == [("::1", 8123)]
    assert ask(resolver, "other.test", 8123) == []
    assert inner.asked == ["other.test"]


def test_what_a_test_allows_is_this_machine_and_no_other() -> None:
    resolver, _ = guarded({}, corp_test="10.0.0.8")
    assert ask(resolver, "corp.test") == []
    assert "corp.test" in resolver.refused


def test_an_allowed_name_may_have_a_port_of_its_own_whatever_the_url_says() -> None:
    resolver, _ = guarded({}, shop_test="127.0.0.1:8123", corp_test="10.0.0.8:80")
    assert ask(resolver, "shop.test", 80) == [("127.0.0.1", 8123)]
    assert ask(resolver, "shop.test", 443) == [("127.0.0.1", 8123)]
    assert ask(resolver, "corp.test") == []
    assert "corp.test" in resolver.refused


def test_an_allowed_name_without_an_address_does_not_exist() -> None:
    resolver, inner = guarded({"gone.test": [PUBLIC]}, gone_test="")
    assert ask(resolver, "gone.test") == []
    assert "gone.test" not in resolver.refused
    assert inner.asked == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/", "http://[::1]/", "http://localhost/x", "http://router.local/"]
)
def test_literal_hosts_are_refused_before_any_look_up(url: str) -> None:
    with pytest.raises(Refused) as caught:
        LiteralGuard().process_request(SimpleNamespace(meta={"address": url}))
    assert caught.value.verdict.outcome is Outcome.PRIVATE_ADDRESS


def test_public_hosts_are_not_refused() -> None:
    LiteralGuard().process_request(SimpleNamespace(meta={"address": f"http://{PUBLIC}/"}))
    LiteralGuard().process_request(SimpleNamespace(meta={"address": "https://example.org/"}))
