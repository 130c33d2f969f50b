"""Several processes of a machine, and hosts that redirects of one lead to while another asks them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, crawl, moved, pages_of, says

from webtext.crawler.fetch.delays import HostDelays, HostTurns
from webtext.crawler.fetch.shards import Shard, shard_of
from webtext.crawler.fetch.shared_turns import POLL_SECONDS, SharedTurns, taking_turns

HOST = "a.example"


@pytest.fixture
def path(tmp_path: Path) -> object:
    with taking_turns(tmp_path / "hosts.sqlite", 2) as path:
        yield path
    assert not list(tmp_path.iterdir())


def test_one_process_alone_needs_none_and_removes_what_a_kill_left(tmp_path: Path) -> None:
    (tmp_path / "hosts.turns").write_bytes(b"of another day")
    with taking_turns(tmp_path / "hosts.sqlite", 1) as path:
        assert path is None
        assert not list(tmp_path.iterdir())


def in_another_process(path: Path, do: Callable[[SharedTurns], None]) -> int:
    """Do it there; the id of the process, which then waits for its end."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            with SharedTurns.open(path, hold=30.0) as turns:
                do(turns)
                os.write(tell, b"done")
                signal.pause()
        finally:
            os._exit(1)
    assert os.read(told, 4) == b"done"
    os.close(told)
    os.close(tell)
    return child


def end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_one_process_has_a_hosts_turn_and_the_next_waits_for_its_moment(path: Path) -> None:
    now = time.monotonic()
    with SharedTurns.open(path, hold=30.0) as turns:
        assert turns.take(HOST, 1.0) == 0.0
        assert turns.take(HOST, 1.0) == POLL_SECONDS  # nor within one process
        child = in_another_process(path, lambda other: _expect(other.take(HOST, 1.0) == POLL_SECONDS))
        assert turns.take("b.example", 1.0) == 0.0
        end(child)
        turns.give_back(HOST, now + 5_000.0)
        child = in_another_process(path, lambda other: _expect(4_000.0 < other.take(HOST, 1.0) <= 5_000.0))
        end(child)
        turns.give_back("b.example", now)
        assert turns.take("b.example", 1.0) == 0.0


def _expect(what: bool) -> None:
    if not what:
        os._exit(1)  # nothing is told, and the test fails


def test_a_process_that_dies_in_a_request_leaves_its_host_alone_for_as_long_as_it_may_take(path: Path) -> None:
    child = in_another_process(path, lambda other: _expect(other.take(HOST, 2_000.0) == 0.0))
    with SharedTurns.open(path, hold=30.0) as turns:
        assert turns.take(HOST, 1.0) == POLL_SECONDS
        end(child)
        assert 1_000.0 < turns.take(HOST, 1.0) <= 2_030.0


def test_turns_wait_for_other_processes_and_tell_them(path: Path) -> None:
    clock, slept = [1_000.0], list[float]()

    async def sleep(seconds: float) -> None:
        clock[0] += seconds
        slept.append(round(seconds, 3))

    delays = HostDelays(2.0, lambda: clock[0])
    with SharedTurns.open(path, hold=30.0) as file:
        shared = SharedTurns(file._file, 30.0, lambda: clock[0])
        shared.take(HOST, 2.0)
        shared.give_back(HOST, 1_003.5)  # as if another had
        turns = HostTurns(delays, lambda: clock[0], sleep, shared=shared)

        async def ask() -> None:
            async with turns.turn(HOST):
                delays.heard(HOST)

        async def cancelled() -> None:
            async with turns.turn(HOST):
                raise asyncio.CancelledError

        asyncio.run(ask())
        assert (slept, clock[0]) == ([3.5], 1_003.5)
        assert shared.take(HOST, 2.0) == 2.0
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled())
        assert shared.take(HOST, 2.0) == 2.0  # the request may have come


def test_what_other_machines_ask_is_asked_as_much_more_slowly_as_they_are_many() -> None:
    mine, others = (next(d for d in map("site{}.example".format, range(99)) if shard_of(d, 4) == n) for n in (2, 3))
    shard, clock = Shard(2, 4), [0.0]
    delays = HostDelays(1.0, lambda: clock[0], times=shard.times)
    for host, seconds in ((mine, 1.0), (others, 4.0)):
        delays.heard(host)
        assert (delays.delay_of(host), delays.next_allowed(host)) == (seconds, seconds)
    delays.learned(others, 3.0)
    assert delays.delay_of(others) == 12.0
    delays.answered(others, 0.1, 503, None)
    assert delays.delay_of(others) == 24.0  # twice, not four times and twice


@pytest.mark.slow
def test_no_host_sees_two_requests_closer_than_its_delay_from_several_processes(tmp_path: Path) -> None:
    """From the moment an answer is sent, which the process cannot know before, to the next request."""
    server, sent, gaps = WildServer(), dict[str, float](), list[float]()

    def timed(connection: socket.socket, wild: WildServer) -> None:
        now = time.monotonic()
        if "busy" in sent:
            gaps.append(now - sent["busy"])
        if len(gaps) == 1:  # the first page: long under way, until the other process has been led here and would ask
            while not all(wild.requests[f"{host}/"] for host in away) and not wild.over.wait(0.02):
                pass
            wild.over.wait(0.5)
        sent["busy"] = time.monotonic()
        says(b"<p>x")(connection, wild)

    busy = next(d for d in map("busy{}.test".format, range(99)) if shard_of(d, 2) == 1)
    away = [d for d in map("away{}.test".format, range(99)) if shard_of(d, 2) == 2][:4]
    with server.running():
        urls = [server.add(busy, f"/{number}", timed) for number in range(6)]
        urls += [server.add(host, "/", moved(urls[number])) for number, host in enumerate(away)]
        server.add(busy, "/robots.txt", timed)
        settings = replace(QUICK, delay=0.2, timeout=30.0, tdm=False, ai_txt=False)
        crawl(tmp_path, urls, settings=settings, workers=2, allow_loopback=server.hosts())
    assert len(pages_of(tmp_path)) == 10
    assert server.most[busy] == 1
    assert len(gaps) >= 10
    assert min(gaps) >= 0.2
