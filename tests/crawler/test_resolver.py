"""Names to addresses: cached by TTL, each asked for once, guarded at every use; with resolvers that are no network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from twisted.names import dns, error

from webtext.crawler.fetch.resolver import DnsClient, Found, GuardedNames, LookUpFailed, Names
from webtext.crawler.fetch.wire import BrokenAnswer

PUBLIC, OTHER = "93.184.216.34", "8.8.8.8"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Fake:
    """A resolver with a table, whose answers a test may hold back."""

    def __init__(self, **table: tuple[str, ...]) -> None:
        self.table = {name.replace("_", "."): addresses for name, addresses in table.items()}
        self.asked: list[str] = []
        self.now = 0.0
        self.under_way = self.most = 0

    async def query(self, name: str) -> Found:
        self.asked.append(name)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if name not in self.table:
            raise LookUpFailed(name)
        return Found(self.table[name], 60.0)

    def names(self, **more: int) -> Names:
        return Names(self.query, clock=lambda: self.now, **more)


def test_a_name_is_looked_up_once_until_its_answer_is_too_old() -> None:
    async def work() -> None:
        fake = Fake(a_example=(PUBLIC,))
        names = fake.names()
        for fake.now in (0.0, 59.0):
            assert await names.look_up("a.example") == (PUBLIC,)
        assert fake.asked == ["a.example"]
        fake.now = 60.0
        fake.table["a.example"] = (OTHER,)
        assert await names.look_up("a.example") == (OTHER,)
        assert fake.asked == ["a.example"] * 2

    run(work())


def test_many_that_wait_for_a_name_ask_once_and_who_gives_up_takes_it_from_nobody() -> None:
    async def work() -> None:
        fake = Fake(a_example=(PUBLIC,))
        names = fake.names()
        waiting = [asyncio.ensure_future(names.look_up("a.example")) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert found[1:] == [(PUBLIC,)] * 4
        assert fake.asked == ["a.example"]

    run(work())


def test_look_ups_at_once_and_names_remembered_are_bounded_and_no_thread_is_made() -> None:
    async def work() -> None:
        fake = Fake(**{f"h{number}_example": (PUBLIC,) for number in range(200)})
        names = fake.names(at_once=7, cached=50)
        before = set(threading.enumerate())  # those of earlier tests may be ending
        await asyncio.gather(*(names.look_up(f"h{number}.example") for number in range(200)))
        assert fake.most == 7
        assert len(names._known) == 50
        assert set(threading.enumerate()) <= before

    run(work())


def test_what_nobody_said_is_not_remembered() -> None:
    async def work() -> None:
        fake = Fake()
        names = fake.names()
        for _ in range(2):
            with pytest.raises(LookUpFailed):
                await names.look_up("a.example")
        assert fake.asked == ["a.example"] * 2

    run(work())


def test_a_name_that_changes_its_mind_is_checked_at_every_use() -> None:
    async def work() -> None:
        fake = Fake(a_example=(PUBLIC, "10.0.0.8"))
        guarded = GuardedNames(fake.names())
        assert await guarded.addresses("a.example", 80) == [(PUBLIC, 80)]
        for address in ("127.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1"):
            fake.now += 60.0
            fake.table["a.example"] = (address,)
            for _ in range(2):  # from the cache, too
                with pytest.raises(BrokenAnswer, match=r"private-address: the host's name leads to no public address"):
                    await guarded.addresses("a.example", 80)
        fake.now += 60.0
        fake.table["a.example"] = (OTHER,)
        assert await guarded.addresses("a.example", 443) == [(OTHER, 443)]

    run(work())


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("gone.example", "unreachable: the host's name is not known"), ("x.invalid", "the host's name is not known"),
        ("x.onion", "the host's name is not known"), ("a..b", "the host's name is not valid"),
        (f"{'a' * 64}.example", "the host's name is not valid"),
        (".".join(["abc"] * 80), "the host's name is not valid"),
        ("10.0.0.8", "private-address"), ("[::1]", "private-address"), ("[::ffff:127.0.0.1]", "private-address"),
    ],
)  # fmt: skip
def test_hosts_that_lead_nowhere(host: str, message: str) -> None:
    async def work() -> None:
        fake = Fake()
        with pytest.raises(BrokenAnswer, match=message):
            await GuardedNames(fake.names()).addresses(host, 80)
        assert fake.asked == ([host] if host == "gone.example" else [])

    run(work())


def test_literal_addresses_are_not_looked_up_and_a_last_dot_does_not_count() -> None:
    async def work() -> None:
        fake = Fake(a_example=(PUBLIC,))
        guarded = GuardedNames(fake.names(), {"shop.test": "127.0.0.1:8123"})
        assert await guarded.addresses(PUBLIC, 80) == [(PUBLIC, 80)]
        assert await guarded.addresses("[2606:4700::1]", 80) == [("2606:4700::1", 80)]
        assert await guarded.addresses("a.example.", 80) == [(PUBLIC, 80)]
        assert await guarded.addresses("shop.test", 443) == [("127.0.0.1", 8123)]
        assert fake.asked == ["a.example"]

    run(work())


class Records(DnsClient):
    """A DNS client whose name servers say what a test wants."""

    def __init__(self, said: dict[tuple[str, str], Any]) -> None:
        super().__init__()
        self.said = said
        self.asked: list[tuple[str, str]] = []

    async def _records(self, method: str, name: str) -> list[Any]:
        self.asked.append((method, name))
        found = self.said.get((method, name), [])
        if isinstance(found, Exception):
            raise found
        return list(found)


def record(name: str, payload: Any, ttl: int) -> Any:
    return dns.RRHeader(name.encode(), type=payload.TYPE, payload=payload, ttl=ttl)


def test_the_name_servers_ttl_counts_within_bounds() -> None:
    for ttl, seconds in ((120, 120.0), (1, 30.0), (1_000_000, 3_600.0)):
        client = Records({("lookupAddress", "a.example"): [record("a.example", dns.Record_A(PUBLIC), ttl)]})
        assert run(client.query("a.example")) == Found((PUBLIC,), seconds)


def test_aliases_are_followed_and_ipv6_is_asked_for_where_there_is_no_ipv4() -> None:
    alias = record("a.example", dns.Record_CNAME(b"b.example"), 50)
    client = Records({("lookupAddress", "a.example"): [alias, record("b.example", dns.Record_A(PUBLIC), 300)]})
    assert run(client.query("a.example")) == Found((PUBLIC,), 50.0)
    client = Records({
        ("lookupAddress", "a.example"): [alias],
        ("lookupIPV6Address", "b.example"): [record("b.example", dns.Record_AAAA("2606:4700::1"), 300)],
    })  # fmt: skip
    assert run(client.query("a.example")) == Found(("2606:4700::1",), 50.0)
    assert client.asked == [
        ("lookupAddress", "a.example"), ("lookupAddress", "b.example"), ("lookupIPV6Address", "b.example"),
    ]  # fmt: skip
    round_about = Records({
        ("lookupAddress", "a.example"): [alias],
        ("lookupAddress", "b.example"): [record("b.example", dns.Record_CNAME(b"a.example"), 50)],
    })  # fmt: skip
    assert run(round_about.query("a.example")).addresses == ()


def test_a_name_that_does_not_exist_is_told_from_servers_that_do_not_answer() -> None:
    assert run(Records({("lookupAddress", "a"): error.DNSNameError()}).query("a")) == Found((), 300.0)
    assert run(Records({}).query("a")) == Found((), 300.0)
    with pytest.raises(LookUpFailed, match="DNSServerError"):
        run(Records({("lookupAddress", "a"): error.DNSServerError()}).query("a"))
