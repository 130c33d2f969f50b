"""Every way of writing or reaching an address that is nobody's business: none passes, whoever names it and how."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.judging import Verdict, judge_address, next_address
from webtext.crawler.fetch.records import StoredResponse
from webtext.crawler.fetch.resolver import Found, GuardedNames, Names
from webtext.crawler.fetch.wire import BrokenAnswer
from webtext.crawler.reddit.urls import UnusableURL, host_of, normalise

LITERALS = [
    # loopback, in every spelling that a URL parser turns into an address
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0x7f000001", "0x7f.0.0.1", "0x7F.1", "2130706433",
    "017700000001", "0177.0.0.1", "0177.0x0.1", "127.0.0.1.", "%31%32%37.0.0.1", "127%2E0%2E0%2E1",
    "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "127.0.0.1:80", "0", "0.0.0.0",
    "0x0", "00000177.0.0.1",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::0001]",
    # IPv4 inside of IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:FFFF:127.0.0.1]", "[::127.0.0.1]", "[::7f00:1]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
    "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2002:0a00:0001::]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    # private, shared, link local, unique local, site local
    "10.0.0.1", "10.255.255.255", "0xa000001", "167772161", "012.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "192.168.1", "0xc0a80001", "100.64.0.1", "100.127.255.255", "169.254.0.1", "[fe80::1]", "[febf::1]", "[fc00::1]",
    "[fd12:3456:789a::1]", "[fec0::1]",
    # what clouds tell their machines
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "[fd00:ec2::254]",
    "metadata.google.internal", "metadata.google.internal.",
    # multicast, broadcast, documentation, benchmarks, reserved
    "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[ff0e::1]", "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9", "198.18.0.1", "192.88.99.1", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[2001:2::1]", "[5f00::1]",
    # names of the machine and the local network
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local", "db.internal", "router.home.arpa",
    "\uff4cocalhost", "loc\u00adalhost",
]  # fmt: skip

# What no parser takes for a URL of ours.
UNUSABLE = [
    "http://user@127.0.0.1/", "http://user:secret@10.0.0.1/", "http://example.org@127.0.0.1/", "http://[fe80::1%25eth0]/",
    "http://[::1%25lo]/", "http://[::1", "http://127.0.0.1:99999/", "http://256.256.256.256/", "http://0x7f.0.0.0.1/",
    "http://127.0.0.1%00.example.org/", "http://4294967296/", "file:///etc/passwd", "ftp://127.0.0.1/",
    "s3://bucket/key", "data:text/html,x", "gopher://127.0.0.1/", "javascript:alert(1)", "blob:http://127.0.0.1/x",
    "ws://127.0.0.1/", "view-source:http://127.0.0.1/",
]  # fmt: skip

REDIRECTS = [
    "http://{}/", "//{}/", "https://{}/", "http:{}/x", "http:\\\\{}\\x", "http:/{}/", "\thttp://{}/", "HTTP://{}/",
    "http://{}/#@example.org", "http://{}?@example.org/", "http://{}\\@example.org/",
]  # fmt: skip


def test_the_table_has_as_many_forms_as_it_should() -> None:
    assert len(set(LITERALS)) >= 60


@pytest.mark.parametrize("host", LITERALS)
def test_a_literal_is_refused_as_a_link(host: str) -> None:
    verdict = judge_address(normalise(f"http://{host}/latest/meta-data/"))
    assert verdict is not None
    assert verdict.outcome is Outcome.PRIVATE_ADDRESS
    assert verdict.detail.isprintable()


@pytest.mark.parametrize("url", UNUSABLE)
def test_other_schemes_credentials_and_half_addresses_are_no_links(url: str) -> None:
    with pytest.raises(UnusableURL):
        normalise(url)


def redirect(location: str, start: str = "http://a.example/x") -> str | Verdict:
    from datetime import UTC, datetime

    headers = [("Location", location.encode("utf-8").decode("latin-1"))]
    stored = StoredResponse(start, 302, headers, b"", datetime(2025, 1, 1, tzinfo=UTC))
    return next_address(stored, [start], 10)


@pytest.mark.parametrize("form", REDIRECTS)
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "[::ffff:7f00:1]", "169.254.169.254", "localhost", "\uff11\uff10.1"]
)
def test_a_redirect_to_one_ends_there(form: str, host: str) -> None:
    target = redirect(form.format(host))
    if isinstance(target, str):  # it is a URL: then it is refused, unless it stays on its own public host
        assert judge_address(target) is not None or host_of(target) == "a.example"


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_redirect_to_another_scheme_ends_there(url: str) -> None:
    target = redirect(url)
    assert isinstance(target, Verdict)
    assert target.outcome is Outcome.REDIRECT
    assert target.detail.isprintable()


class Resolver:
    """Answers that change from one look-up to the next."""

    def __init__(self, *answers: Sequence[str], seconds: float = 0.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.asked = 0

    async def query(self, name: str) -> Found:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return Found(tuple(answer), self.seconds)


def connects_to(resolver: Resolver, times: int = 1, host: str = "rebind.example") -> list[object]:
    async def run() -> list[object]:
        names = GuardedNames(Names(resolver.query))
        found: list[object] = []
        for _ in range(times):
            try:
                found.append(await names.addresses(host, 80))
            except BrokenAnswer as error:
                found.append(error.verdict.outcome)
        return found

    return asyncio.run(run())


PUBLIC = "93.184.216.34"
ADDRESSES = [
    "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.0.0.8", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
    "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001::1", "2001:db8::1", "3fff::1", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_that_leads_there_leads_nowhere(address: str) -> None:
    assert connects_to(Resolver([address])) == [Outcome.PRIVATE_ADDRESS]
    assert connects_to(Resolver([address, PUBLIC])) == [[(PUBLIC, 80)]]


def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    changing = Resolver([PUBLIC], ["127.0.0.1"], ["10.0.0.8", "::1"], [PUBLIC, "169.254.169.254"])
    assert connects_to(changing, 4) == [
        [(PUBLIC, 80)], Outcome.PRIVATE_ADDRESS, Outcome.PRIVATE_ADDRESS, [(PUBLIC, 80)],
    ]  # fmt: skip


def test_what_a_cache_holds_is_checked_when_it_is_used() -> None:
    remembered = Resolver(["127.0.0.1"], seconds=3_600.0)
    assert connects_to(remembered, 3) == [Outcome.PRIVATE_ADDRESS] * 3
    assert remembered.asked == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"])
def test_a_literal_that_came_so_far_is_refused_by_the_resolver_too(host: str) -> None:
    assert connects_to(Resolver([PUBLIC]), host=host) == [Outcome.PRIVATE_ADDRESS]
