"""Which link is next, and what happens to results: bookkeeping without a network."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from webtext.crawler.fetch import dispatcher as dispatching
from webtext.crawler.fetch.dispatcher import Dispatcher
from webtext.crawler.fetch.feeder import Feeder
from webtext.crawler.fetch.hosts import Hosts
from webtext.crawler.fetch.ledger import Ledger, Link
from webtext.crawler.fetch.recorder import Recorder, Result
from webtext.crawler.fetch.warc import Segments
from webtext.crawler.reddit.urls import host_of


class Source:
    """A ledger's claims, host delays, and a clock that a test turns."""

    def __init__(self, *urls: str, delay: float = 1.0) -> None:
        self.links = {number: Link(number, url) for number, url in enumerate(urls)}
        self.claims: list[list[int]] = []
        self.next: dict[str, float] = {}
        self.now = 0.0
        self.delay = delay

    def claim(self, keys: Sequence[int]) -> list[Link]:
        self.claims.append(list(keys))
        return [link for key in keys if (link := self.links.pop(key, None)) is not None]

    def feeder(self, *, one_a_host: bool = True, held: int = 1_000) -> Feeder:
        hosts = Hosts(((key, link.url) for key, link in self.links.items()), self.delay)
        return Feeder(
            hosts,
            self.claim,
            next_allowed=lambda host: self.next.get(host, 0.0),
            one_a_host=one_a_host,
            clock=lambda: self.now,
            held=held,
        )

    def end(self, feeder: Feeder, link: Link, *, page: bool = True) -> None:
        self.next[host_of(link.url)] = self.now + self.delay
        feeder.done(link, page=page)


def drain(feeder: Feeder) -> list[Link]:
    taken = []
    while (link := feeder.take()) is not None:
        taken.append(link)
    return taken


def urls(links: Sequence[Link]) -> list[str]:
    return [link.url.removeprefix("http://") for link in links]


def test_the_longest_queue_is_asked_first_and_each_host_for_one_link_at_a_time() -> None:
    source = Source("http://c/1", "http://b/1", "http://a/1", "http://b/2", "http://a/2", "http://a/3")
    feeder = source.feeder()
    first = drain(feeder)
    assert urls(first) == ["a/1", "b/1", "c/1"]
    assert feeder.wait() is None  # nothing changes until one of them ends
    source.now = 5.0
    source.end(feeder, first[1])
    assert feeder.take() is None
    assert feeder.wait() == 1.0
    source.now = 6.0
    assert urls(drain(feeder)) == ["b/2"]
    assert not feeder.finished  # two of a wait for its first
    source.end(feeder, first[0])
    source.now = 7.0
    (second,) = drain(feeder)
    source.end(feeder, second)
    source.now = 8.0
    assert urls([second, *drain(feeder)]) == ["a/2", "a/3"]
    assert feeder.finished


def test_the_host_that_bounds_the_end_never_waits_for_others() -> None:
    source = Source(*(f"http://small{number}/" for number in range(500)), *(f"http://large/{n}" for n in range(50)))
    feeder = source.feeder()
    for turn in range(50):
        link = feeder.take()
        assert link is not None
        assert link.url == f"http://large/{turn}"
        assert urls([next(iter(drain_some(feeder, 3)))])[0].startswith("small")
        source.end(feeder, link)
        source.now += 1.0


def drain_some(feeder: Feeder, count: int) -> list[Link]:
    return [link for _ in range(count) if (link := feeder.take()) is not None]


def test_only_those_that_the_end_waits_for_are_urgent() -> None:
    sizes = {"large": 20, "middle": 12, "small": 3}
    source = Source(*(f"http://{host}/{n}" for host, size in sizes.items() for n in range(size)))
    feeder = source.feeder()
    assert feeder.take(urgent=True) is None  # nothing is under way yet
    first = drain(feeder)
    for link in first:
        source.end(feeder, link)
    source.now = 1.0
    urgent = [feeder.take(urgent=True) for _ in range(4)]
    assert urls([link for link in urgent if link]) == ["large/1", "middle/1"]
    assert urls(drain(feeder)) == ["small/1"]


def test_a_slow_host_counts_by_its_pace() -> None:
    source = Source(*(f"http://many/{n}" for n in range(6)), *(f"http://slow/{n}" for n in range(4)))
    feeder = source.feeder()
    many, slow = drain(feeder)
    assert urls([many, slow]) == ["many/0", "slow/0"]
    source.now = 1.0
    source.end(feeder, many)
    source.now = 9.0
    source.end(feeder, slow)
    source.now = 20.0
    assert urls(drain(feeder)) == ["slow/1", "many/1"]  # three links at 10 s are more than five at 2 s


def test_a_replay_asks_for_everything_at_once() -> None:
    source = Source("http://a/1", "http://a/2", "http://b/1", "http://a/3", delay=0.0)
    feeder = source.feeder(one_a_host=False)
    assert sorted(urls(drain(feeder))) == ["a/1", "a/2", "a/3", "b/1"]
    assert feeder.finished


def test_every_link_comes_once_whatever_the_order_in_which_they_end() -> None:
    source = Source(*(f"http://h{number % 7}/{number}" for number in range(100)))
    feeder = source.feeder()
    seen: list[Link] = []
    under_way: list[Link] = []
    while not feeder.finished or under_way:
        taken = drain(feeder)
        assert len({link.url.split("/")[2] for link in under_way + taken}) == len(under_way + taken)
        under_way += taken
        seen += taken
        if under_way:
            source.end(feeder, under_way.pop(len(under_way) // 2))
        source.now += 0.4
    assert sorted(link.key for link in seen) == list(range(100))


def test_links_that_are_not_pending_any_more_are_passed_over() -> None:
    source = Source("http://a/1", "http://a/2", "http://b/1", delay=0.0)
    feeder = source.feeder()
    del source.links[0], source.links[2]
    (only,) = drain(feeder)
    assert only.url == "http://a/2"
    assert feeder.finished


def test_what_is_held_for_busy_hosts_is_bounded() -> None:
    source = Source(*(f"http://h{number % 50}/{number}" for number in range(1_000)), delay=0.0)
    feeder = source.feeder(held=60)
    taken = 0
    while (link := feeder.take()) is not None:
        taken += 1
        assert sum(map(len, source.claims)) - taken <= 60 + 64 * 2
        source.end(feeder, link)
    assert taken == 1_000


def crawled_in(sizes: Sequence[int], *, concurrency: int, latency: float, delay: float) -> float:
    """Seconds a crawl of hosts with so many links takes, in a time that only passes where nothing can be done."""
    source = Source(*(f"http://h{host}/{n}" for host, size in enumerate(sizes) for n in range(size)), delay=delay)
    feeder = source.feeder()
    under_way: list[tuple[float, int, Link]] = []
    while not feeder.finished or under_way:
        while len(under_way) < concurrency and (link := feeder.take()) is not None:
            heapq.heappush(under_way, (source.now + latency, link.key, link))
        wait = feeder.wait()
        times = [under_way[0][0]] if under_way else []
        if wait is not None and len(under_way) < concurrency:
            times.append(source.now + wait)
        source.now = max(source.now, min(times))
        while under_way and under_way[0][0] <= source.now:
            _, _, link = heapq.heappop(under_way)
            source.next[host_of(link.url)] = source.now - latency + delay  # from start to start
            feeder.done(link, page=True)
    return source.now


@pytest.mark.parametrize(("concurrency", "latency"), [(64, 0.2), (16, 0.2), (256, 2.0)])
def test_uneven_hosts_end_no_later_than_they_must(concurrency: int, latency: float) -> None:
    sizes = [1 + int(100 / (1 + host) ** 0.6) for host in range(2_000)]
    spent = crawled_in(sizes, concurrency=concurrency, latency=latency, delay=1.0)
    longest = (sizes[0] - 1) * max(1.0, latency) + latency
    assert spent <= 1.15 * max(longest, sum(sizes) * latency / concurrency)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Ledger.writing(tmp_path / "ledger.sqlite") as ledger:
        keys = list(range(20))
        addresses = [f"http://h{key}/" for key in keys]
        ledger.add_links(pa.table({"key": pa.array(keys, pa.uint64()), "url": addresses, "domain": addresses}))
        ledger.claim_keys(keys)
        yield Recorder(ledger, Segments(tmp_path, {}, {}))


def run(recorder: Recorder, source: Source, follow: object, *, stop_after: int | None = None) -> list[int]:
    reports: list[int] = []
    source.delay = 0.0
    feeder = source.feeder()

    async def crawl() -> None:
        dispatcher = Dispatcher(
            feeder,
            recorder,
            follow,
            concurrency=3,
            report=lambda: reports.append(recorder.done),
            grace=0.0,  # type: ignore[arg-type]
        )
        if stop_after is not None:
            source.stop = dispatcher.stop  # type: ignore[attr-defined]
        await dispatcher.run()

    asyncio.run(crawl())
    return reports


def test_every_result_is_committed_at_the_end(recorder: Recorder) -> None:
    async def follow(link: Link) -> Result:
        await asyncio.sleep(0)
        return Result(link.key, "timeout", "late")

    reports = run(recorder, Source(*(f"http://h{key}/" for key in range(20))), follow)
    assert recorder.outcomes == {"timeout": 20}
    assert reports[-1] == 20


def test_no_more_links_are_under_way_than_allowed(recorder: Recorder) -> None:
    under_way, most = set(), 0

    async def follow(link: Link) -> Result:
        nonlocal most
        under_way.add(link.key)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.remove(link.key)
        return Result(link.key, "timeout")

    run(recorder, Source(*(f"http://h{key}/" for key in range(20))), follow)
    assert most == 3


def test_a_crawl_that_lags_begins_only_what_the_end_waits_for(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching.Pressure, "lagged", lambda self, seconds: setattr(self, "limit", 1))
    source = Source(*(f"http://large/{n}" for n in range(14)), *(f"http://small{n}/" for n in range(6)))
    under_way, most, feeder = set[str](), list[set[str]](), source.feeder()

    async def follow(link: Link) -> Result:
        host = host_of(link.url)
        under_way.add(host)
        most.append(set(under_way))
        await asyncio.sleep(0.15 if link.key == 0 else 0.001)  # the first lasts until the loop has been looked at
        under_way.remove(host)
        source.now += 1.0
        source.next[host] = source.now
        return Result(link.key, "timeout")

    dispatcher = Dispatcher(feeder, recorder, follow, concurrency=3, report=lambda: None)
    asyncio.run(dispatcher.run())
    assert recorder.outcomes == {"timeout": 20}
    late = most[most.index({"large"}, 1) :] if {"large"} in most[1:] else most[3:]
    assert all(len(hosts) == 1 or "large" in hosts for hosts in late)


def test_a_full_crawl_sleeps_while_hosts_could_be_asked(recorder: Recorder) -> None:
    """Hosts that are due wake nobody who could not ask them."""
    source, passes = Source(*(f"http://h{key}/" for key in range(20))), [0]

    async def follow(link: Link) -> Result:
        source.next = {f"h{key}": source.now + 0.001 for key in range(20)}
        await asyncio.sleep(0.05)
        source.now += 0.05
        return Result(link.key, "timeout")

    asked = Feeder.take

    def counted(self: Feeder, *, urgent: bool = False) -> Link | None:
        passes[0] += 1
        return asked(self, urgent=urgent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Feeder, "take", counted)
        run(recorder, source, follow)
    assert recorder.outcomes == {"timeout": 20}
    assert passes[0] < 200


def test_one_place_in_sixteen_is_kept_for_those_that_the_end_waits_for(recorder: Recorder) -> None:
    source, under_way, most = Source(*(f"http://h{key}/" for key in range(20))), set[int](), [0]

    async def follow(link: Link) -> Result:
        under_way.add(link.key)
        most[0] = max(most[0], len(under_way))
        await asyncio.sleep(0)
        under_way.remove(link.key)
        return Result(link.key, "timeout")

    asyncio.run(Dispatcher(source.feeder(), recorder, follow, concurrency=16, report=lambda: None).run())
    assert most == [15]
    assert recorder.outcomes == {"timeout": 20}


def test_a_stop_keeps_what_has_ended_and_cancels_the_rest(recorder: Recorder) -> None:
    source = Source(*(f"http://h{key}/" for key in range(20)))

    async def follow(link: Link) -> Result:
        if link.key == 4:
            source.stop()  # type: ignore[attr-defined]
        if link.key > 2:
            await asyncio.Event().wait()  # never
        return Result(link.key, "timeout")

    run(recorder, source, follow, stop_after=4)
    assert recorder.outcomes == {"timeout": 3}
    assert source.links == {}  # one claim; those that were not reached are pending again at the next start


def test_a_fault_of_ours_ends_the_crawl_and_reaches_the_caller(recorder: Recorder) -> None:
    async def follow(link: Link) -> Result:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(recorder, Source("http://h1/"), follow)
    assert recorder.outcomes == {}


def test_a_disk_that_is_full_ends_the_crawl(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def follow(link: Link) -> Result:
        return Result(link.key, "timeout")

    def full() -> dict[int, int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder._segments, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        run(recorder, Source("http://h1/"), follow)
    assert recorder.outcomes == {}
