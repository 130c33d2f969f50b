"""No link is begun after the deadline or on a disk that runs low; what is left is deferred, or waits for room."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, crawl, outcomes_of, pages_of, says

from webtext.corpus.config import shaping
from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import file_sha256
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import CrawlSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.crawl import make_pages, pages_inputs, pages_rules
from webtext.crawler.fetch.deadline import parse_deadline
from webtext.crawler.fetch.gate import Gate
from webtext.crawler.fetch.ledger import Link
from webtext.crawler.fetch.room import Room, free_bytes

NOW = datetime(2026, 11, 24, 18, 30, tzinfo=timezone(timedelta(hours=2)))


class Links:
    """A source of so many links."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.ended = 0

    @property
    def finished(self) -> bool:
        return not self.left

    def take(self, *, urgent: bool = False) -> Link | None:
        if not self.left:
            return None
        self.left -= 1
        return Link(self.left, f"http://a.example/{self.left}")

    def done(self, link: Link, *, page: bool = True) -> None:
        self.ended += 1

    def wait(self) -> float | None:
        return None


class World:
    """A clock and a disk."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.free = 10_000

    def gate(self, source: Links, *, floor: int = 1_000, patience: float = 60, deadline: float | None = None) -> Gate:
        room = Room(lambda: self.free, floor=floor, patience=patience, clock=lambda: self.seconds)
        return Gate(source, room=room, deadline=deadline, now=lambda: 1e9 + self.seconds)


def test_a_low_disk_is_waited_for_until_there_is_room_again() -> None:
    world, links = World(), Links(9)
    gate = world.gate(links)
    assert gate.take() is not None
    world.seconds, world.free = 2, 999
    assert gate.take() is None
    assert (gate.low, gate.finished, gate.wait()) == (True, False, 1.0)
    world.seconds, world.free = 4, 1_050  # not for a page or two: it would be low again at once
    assert gate.take() is None
    world.seconds, world.free = 6, 1_100
    assert gate.take() is not None
    assert (gate.low, links.left) == (False, 7)


def test_a_disk_that_stays_low_stops_the_crawl_and_says_what_to_do() -> None:
    world, links = World(), Links(9)
    gate = world.gate(links, floor=2_000_000_000, patience=60)
    world.free = 1_200_000_000
    assert gate.take() is None
    world.seconds = 59
    gate.look()
    assert not gate.finished
    world.seconds = 60
    gate.look()
    assert gate.finished
    assert str(gate.failure) == (
        "the disk has had less than 2.0 GB left for 60 s (1.2 GB now), which the crawl keeps free\n"
        "  make room, or set crawl.min_free lower in webtext.toml; the same command goes on where it was"
    )


def test_a_floor_of_nothing_never_looks_at_the_disk() -> None:
    world = World()
    gate = world.gate(Links(2), floor=0)
    world.free = 0
    assert gate.take() is not None


def test_the_disk_is_looked_at_once_a_second_not_for_every_link() -> None:
    world, looks = World(), []
    room = Room(lambda: looks.append(1) or 10_000, floor=1, patience=1, clock=lambda: world.seconds)  # type: ignore[func-returns-value]
    gate = Gate(Links(500), room=room, deadline=None)
    for _ in range(300):
        gate.take()
        world.seconds += 0.01
    assert len(looks) == 3


def test_nothing_is_begun_after_the_deadline() -> None:
    world, links = World(), Links(3)
    gate = world.gate(links, deadline=1e9 + 10)
    assert gate.take() is not None
    world.seconds = 10
    assert gate.take() is None
    assert (gate.over, gate.finished, links.left) == (True, True, 2)


def test_a_crawl_that_ends_in_time_is_not_over() -> None:
    world, links = World(), Links(1)
    gate = world.gate(links, deadline=1e9 + 10)
    gate.take()
    world.seconds = 10
    gate.look()
    assert not gate.over


def test_free_is_what_the_fullest_disk_has(tmp_path: Path) -> None:
    alone = free_bytes([tmp_path])
    assert 0 < free_bytes([tmp_path, Path("/dev/shm")]) <= max(alone, free_bytes([Path("/dev/shm")]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6h", NOW + timedelta(hours=6)),
        ("90m", NOW + timedelta(minutes=90)),
        ("1d12h30m", NOW + timedelta(hours=36, minutes=30)),
        ("0.5s", NOW + timedelta(seconds=0.5)),
        ("20:15", datetime(2026, 11, 24, 20, 15, tzinfo=NOW.tzinfo)),
        ("6:00", datetime(2026, 11, 25, 6, 0, tzinfo=NOW.tzinfo)),
        ("2026-11-25 06:00", datetime(2026, 11, 25, 6, 0, tzinfo=NOW.tzinfo)),
        ("2026-11-25T06:00:00+00:00", datetime(2026, 11, 25, 6, 0, tzinfo=UTC)),
    ],
)
def test_deadlines_are_a_stretch_of_time_or_a_moment(text: str, expected: datetime) -> None:
    assert parse_deadline(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "6", "6x", "1.2.3h", "25:00", "12:60", "2026-11-24 18:30", "0h", "9e9d"])
def test_other_deadlines_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="deadline"):
        parse_deadline(text, NOW)


def go_on(corpus: Path, urls: list[str], server: WildServer, settings: CrawlSettings) -> Manifest:
    """The next call, as the command makes it where links are deferred."""
    path = corpus / "links" / "part-00000.parquet"
    run = StageRun.begin(
        corpus, Stage.PAGES, settings=shaping(settings), rules=pages_rules(settings),
        inputs=pages_inputs(file_sha256(path)), resume=True,
    )  # fmt: skip
    return make_pages(
        run, corpus, [path], settings, accept_loss=True, stop=Stop(raising=False), allow_loopback=server.hosts()
    )


def pages_asked(server: WildServer) -> int:
    asked = server.requests
    return sum(asked[f"{host}{path}"] for host, path in server.answers)


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file: once it is there, it is two hours later, here and in the crawl's processes."""
    flag = tmp_path / "late"
    shifted = (
        "import os, time\n"
        "def shifted(now=time.time):\n"
        f"    return now() + (7_200 if os.path.exists({str(flag)!r}) else 0)\n"
        "time.time = shifted\n"
    )
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(shifted)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "clock"))
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + (7_200 if flag.exists() else 0))
    return flag


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_the_deadline_leaves_is_deferred_and_taken_up_by_the_next_call(
    tmp_path: Path, workers: int, late: Path
) -> None:
    server, corpus = WildServer(), tmp_path / "corpus"

    pages = itertools.count(1)

    def queued(connection: socket.socket, wild: WildServer) -> None:
        if next(pages) == 4:
            late.touch()  # the deadline comes while this page is under way
        says(b"<p>in time")(connection, wild)

    with server.running():
        # One host with a queue longer than the time there is, others that end at once.
        urls = [server.add("long.test", f"/{number}", queued) for number in range(20)]
        urls += [server.add(f"host{number}.test", "/", b"<p>short") for number in range(5)]
        urls.append(server.add("host1.test", "/404", says(b"", status="404 Not Found")))
        deadline = time.time() + 3_600
        first = crawl(corpus, urls, settings=QUICK, workers=workers, deadline=deadline, allow_loopback=server.hosts())
        left = first.outcomes["deferred"]
        assert 16 <= left <= 16 + 6
        assert first.rows_in == 26 == first.rows_out + sum(first.outcomes.values())
        assert {detail for outcome, detail in outcomes_of(corpus).values() if outcome == "deferred"} == {
            "not begun before the deadline"
        }
        asked = pages_asked(server)
        assert asked == 26 - left
        second = go_on(corpus, urls, server, QUICK)
        assert (second.rows_out, second.outcomes) == (25, {"http-error": 1})
        assert len(pages_of(corpus)) == 25
        # Only what had been deferred was asked for.
        assert pages_asked(server) - asked == left


def test_a_low_disk_stops_a_crawl_cleanly_and_the_next_call_goes_on(tmp_path: Path) -> None:
    server = WildServer()
    with server.running():
        urls = [server.add(f"host{number}.test", "/", b"<p>x") for number in range(5)]
        low = replace(QUICK, min_free=1 << 60, disk_patience=0.5)
        with pytest.raises(WebtextError, match=r"less than 1,152,921\.5 TB left.*\n.*make room"):
            crawl(tmp_path, urls, settings=low, allow_loopback=server.hosts())
        assert not server.requests
        assert crawl(tmp_path, urls, settings=QUICK, allow_loopback=server.hosts()).rows_out == 5


def test_the_dispatcher_goes_on_by_itself_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    from webtext.crawler.fetch import gate, room
    from webtext.crawler.fetch.dispatcher import Dispatcher
    from webtext.crawler.fetch.recorder import Result

    for module in (gate, room):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    looks = iter([10, 0, 0, 0, 10, *[10] * 1_000])
    links, ended = Links(30), []

    class Recording:
        def add(self, result: Result) -> None:
            ended.append(result.key)

        def flush(self) -> None:
            pass

    async def follow(link: Link) -> Result:
        await asyncio.sleep(0.005)
        return Result(link.key, "timeout")

    opening = Gate(links, room=Room(lambda: next(looks), floor=5, patience=60), deadline=None)
    report: Callable[[], None] = lambda: None  # noqa: E731
    dispatcher = Dispatcher(opening, Recording(), follow, concurrency=2, report=report)  # type: ignore[arg-type]
    asyncio.run(dispatcher.run())
    assert sorted(ended) == list(range(30))
    assert next(looks) == 10  # it was low for three looks, and went on
