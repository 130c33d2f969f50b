"""When a host may be asked again: the setting, what it asks for, how it answers, and what an earlier process knew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from webtext.crawler.fetch.delays import ASIDES, FAILURES, LONG_WAIT, HostDelays, HostTurns, retry_after
from webtext.crawler.fetch.site_store import SiteStore

HOST = "a.example"


class Crawl:
    """A process's delays, with a clock that a test turns."""

    def __init__(self, delay: float = 1.0, store: SiteStore | None = None, now: float = 100.0) -> None:
        self.now = now
        self.delays = HostDelays(delay, lambda: self.now, store=store, wall=lambda: 1_000_000.0 + self.now)

    def wait(self, host: str = HOST) -> float:
        return round(max(0.0, self.delays.next_allowed(host) - self.now), 6)

    def answer(self, status: int = 200, latency: float = 0.0, after: float | None = None, host: str = HOST) -> None:
        if status:
            self.delays.heard(host)
        self.delays.answered(host, latency, status, after)


def test_a_host_waits_from_the_beginning_of_an_answer() -> None:
    crawl = Crawl()
    assert crawl.wait() == 0.0
    crawl.delays.heard(HOST)
    crawl.now += 0.4  # the rest of the body
    crawl.delays.answered(HOST, 0.5, 200, None)
    assert crawl.wait() == 0.6
    assert crawl.wait("b.example") == 0.0


def test_without_a_beginning_it_waits_from_the_start_of_the_request() -> None:
    crawl = Crawl()
    crawl.delays.answered(HOST, 0.3, 200, None)
    assert crawl.wait() == 0.7


def test_what_robots_txt_asks_for_counts_where_it_is_more() -> None:
    crawl = Crawl()
    crawl.delays.learned(HOST, 10.0)
    assert crawl.wait() == 10.0  # robots.txt itself was a request
    crawl.delays.learned("b.example", 0.2)
    crawl.answer(host="b.example")
    assert crawl.wait("b.example") == 1.0


def test_a_host_is_never_asked_faster_than_it_answers_and_recovers() -> None:
    crawl = Crawl()
    for _ in range(8):
        crawl.now += 100
        crawl.answer(latency=6.0)
    assert crawl.delays.delay_of(HOST) == pytest.approx(6.0, rel=0.05)
    for _ in range(8):
        crawl.now += 100
        crawl.answer(latency=0.1)
    assert crawl.delays.delay_of(HOST) == 1.0


@pytest.mark.parametrize("status", [429, 503, 0])
def test_a_host_that_is_busy_or_gone_is_asked_half_as_often_each_time(status: int) -> None:
    crawl = Crawl()
    waits = []
    for _ in range(3):
        crawl.answer(status)
        waits.append(crawl.wait())
        crawl.now += 1_000
    assert waits == [2.0, 4.0, 8.0]
    crawl.answer(200)
    assert crawl.delays.delay_of(HOST) == 4.0  # back again step by step


def test_other_errors_are_answers() -> None:
    crawl = Crawl()
    for status in (404, 500, 301):
        crawl.now += 100
        crawl.answer(status)
        assert crawl.wait() == 1.0


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (0.0, 2.0), (1e9, 3_600.0)])
def test_retry_after_is_kept_to_an_hour(asked: float, waited: float) -> None:
    crawl = Crawl()
    crawl.answer(429, after=asked)
    assert crawl.wait() == waited


def test_retry_after_is_kept_without_a_delay_too() -> None:
    crawl = Crawl(delay=0.0)
    crawl.answer(503, after=30.0)
    assert crawl.wait() == 30.0
    other = Crawl(delay=0.0)
    other.answer(503)
    assert other.wait() == 0.0


def test_a_host_that_keeps_failing_is_put_aside_for_longer_each_time_and_then_given_up() -> None:
    crawl = Crawl()
    waits = []
    for _ in range(ASIDES):
        assert not crawl.delays.given_up(HOST)
        for _ in range(FAILURES):
            crawl.now += 10_000
            crawl.answer(0)
        waits.append(crawl.wait())
    assert waits == [60.0, 120.0, 240.0]
    assert crawl.delays.given_up(HOST)
    crawl.answer(200)
    assert not crawl.delays.given_up(HOST)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0), (" 0 ", 0.0), ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0), ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("soon", None), ("-5", None), ("", None), (None, None), ("9" * 400, 999_999_999.0),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 784_111_740.0) == seconds


def test_hosts_with_nothing_to_remember_are_forgotten() -> None:
    crawl = Crawl()
    for number in range(50_000):
        crawl.now += 0.01
        crawl.answer(host=f"h{number}.example")
    assert len(crawl.delays._hosts) < 20_100
    assert crawl.wait("h49999.example") == 1.0


def test_the_next_process_waits_first_for_it_does_not_know_when_the_last_one_asked(tmp_path: Path) -> None:
    path = tmp_path / "hosts.sqlite"
    with SiteStore.open(path, 0.0) as store:
        first = Crawl(store=store)
        assert first.wait() == 0.0  # nobody was there before
        first.delays.learned("slow.example", 10.0)
        first.answer(429, after=600.0, host="busy.example")
    with SiteStore.open(path, 0.0) as store:
        second = Crawl(store=store, now=103.0)
        assert second.wait() == 1.0
        assert second.wait("slow.example") == 10.0
        assert second.wait("busy.example") == 597.0
        second.now += 50
        assert second.wait("other.example") == 0.0


def test_turns_are_one_at_a_time_and_none_before_its_moment() -> None:
    crawl = Crawl()
    seen: list[tuple[str, float]] = []
    under_way = []

    async def sleep(seconds: float) -> None:
        crawl.now += seconds
        await asyncio.sleep(0)

    turns = HostTurns(crawl.delays, lambda: crawl.now, sleep)

    async def ask(name: str, host: str) -> None:
        async with turns.turn(host):
            assert host not in under_way
            under_way.append(host)
            seen.append((name, crawl.now))
            await asyncio.sleep(0)
            crawl.answer(host=host)
            under_way.remove(host)

    async def run() -> None:
        await asyncio.gather(ask("1", HOST), ask("2", HOST), ask("3", HOST), ask("other", "b.example"))

    asyncio.run(run())
    assert seen == [("1", 100.0), ("other", 100.0), ("2", 101.0), ("3", 102.0)]
    assert not turns._locks


def test_a_long_wait_for_a_host_gives_its_place_to_others() -> None:
    crawl = Crawl()
    resting: list[int] = []

    async def sleep(seconds: float) -> None:
        crawl.now += seconds

    turns = HostTurns(crawl.delays, lambda: crawl.now, sleep, rest=resting.append)

    async def ask() -> None:
        async with turns.turn(HOST):
            pass

    crawl.answer()
    crawl.now += 1.0 - 0.9 * LONG_WAIT
    asyncio.run(ask())
    assert resting == []
    crawl.answer(503, after=60.0)
    asyncio.run(ask())
    assert resting == [1, -1]


def test_many_links_that_lead_to_one_host_give_their_places_to_others() -> None:
    """A thousand dead domains that were sold to one."""
    crawl = Crawl()
    resting: list[int] = []

    async def sleep(seconds: float) -> None:
        crawl.now += seconds
        await asyncio.sleep(0)

    turns = HostTurns(crawl.delays, lambda: crawl.now, sleep, rest=resting.append)

    async def ask() -> None:
        async with turns.turn(HOST):
            await asyncio.sleep(0)
            crawl.answer()

    async def run() -> None:
        await asyncio.gather(*(ask() for _ in range(12)))

    asyncio.run(run())
    assert resting[:11] == [1] * 11  # all but the first, each behind others
    assert (resting.count(1), resting.count(-1)) == (22, 22)  # and then until its moment
