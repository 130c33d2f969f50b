"""Which link is next, and what happens to results: bookkeeping without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from webtext.crawler.fetch.dispatcher import Dispatcher
from webtext.crawler.fetch.feeder import Feeder
from webtext.crawler.fetch.ledger import Ledger, Link
from webtext.crawler.fetch.recorder import Recorder, Result
from webtext.crawler.fetch.warc import Segments


class Source:
    """A ledger's claims, and a clock that a test turns."""

    def __init__(self, *urls: str) -> None:
        self.links = [Link(number, url) for number, url in enumerate(urls)]
        self.claims: list[int] = []
        self.now = 0.0

    def claim(self, count: int) -> list[Link]:
        self.claims.append(count)
        taken, self.links = self.links[:count], self.links[count:]
        return taken

    def feeder(self, *, delay: float = 1.0, one_a_host: bool = True, batch: int = 200, parked: int = 1_000) -> Feeder:
        return Feeder(
            self.claim, delay=delay, one_a_host=one_a_host, clock=lambda: self.now, batch=batch, parked=parked
        )


def drain(feeder: Feeder) -> list[Link]:
    taken = []
    while (link := feeder.take()) is not None:
        taken.append(link)
    return taken


def urls(links: Sequence[Link]) -> list[str]:
    return [link.url.removeprefix("http://") for link in links]


def test_hosts_take_turns_and_each_is_asked_for_one_link_at_a_time() -> None:
    source = Source("http://a/1", "http://a/2", "http://a/3", "http://b/1", "http://b/2", "http://c/1")
    feeder = source.feeder()
    first = drain(feeder)
    assert urls(first) == ["a/1", "b/1", "c/1"]
    assert feeder.wait() is None  # nothing changes until one of them ends
    source.now = 5.0
    feeder.done(first[1])
    assert feeder.take() is None
    assert feeder.wait() == 1.0
    source.now = 6.0
    assert urls(drain(feeder)) == ["b/2"]


def test_a_replay_asks_for_everything_at_once() -> None:
    source = Source("http://a/1", "http://a/2", "http://b/1", "http://a/3")
    feeder = source.feeder(delay=0.0, one_a_host=False)
    assert urls(drain(feeder)) == ["a/1", "b/1", "a/2", "a/3"]
    assert feeder.finished


def test_every_link_comes_once_whatever_the_order_in_which_they_end() -> None:
    source = Source(*(f"http://h{number % 7}/{number}" for number in range(100)))
    feeder = source.feeder(batch=9)
    seen: list[Link] = []
    under_way: list[Link] = []
    while not feeder.finished or under_way:
        taken = drain(feeder)
        assert len({link.url.split("/")[2] for link in under_way + taken}) == len(under_way + taken)
        under_way += taken
        seen += taken
        if under_way:
            feeder.done(under_way.pop(len(under_way) // 2))
        source.now += 0.4
    assert sorted(link.key for link in seen) == list(range(100))


def test_a_large_host_does_not_keep_the_others_waiting() -> None:
    source = Source(*(f"http://large/{number}" for number in range(300)), "http://small/1")
    feeder = source.feeder(batch=50)
    assert urls(drain(feeder)) == ["large/0", "small/1"]


def test_what_is_held_for_busy_hosts_is_bounded() -> None:
    source = Source(*(f"http://large/{number}" for number in range(300)))
    feeder = source.feeder(batch=50, parked=100)
    assert urls(drain(feeder)) == ["large/0"]
    assert sum(source.claims) <= 101
    assert not feeder.finished


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Ledger.writing(tmp_path / "ledger.sqlite") as ledger:
        keys = list(range(20))
        addresses = [f"http://h{key}/" for key in keys]
        ledger.add_links(pa.table({"key": pa.array(keys, pa.uint64()), "url": addresses, "domain": addresses}))
        ledger.claim(20)
        yield Recorder(ledger, Segments(tmp_path, {}, {}))


def run(recorder: Recorder, source: Source, follow: object, *, stop_after: int | None = None) -> list[int]:
    reports: list[int] = []
    feeder = source.feeder(delay=0.0)

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
    assert source.links == []  # one claim; those that were not reached are pending again at the next start


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
