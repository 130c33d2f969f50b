"""What keeps a pass over the archives from its end, in whole crawls: stops, deadlines, disks, bans; and its manners."""

from __future__ import annotations

import itertools
import json
import random
import resource
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, fate_of, moved, outcomes_of, pages_of
from dead_web import DeadWeb, old
from web_archives import MACHINE, CommonCrawlServer, Visit, WaybackServer

from webtext.corpus.errors import Interrupted, WebtextError
from webtext.corpus.interrupts import Stop
from webtext.corpus.tombstones import write_tombstones
from webtext.crawler.fetch.archives.passing import ASIDE
from webtext.crawler.fetch.evidence import read_evidence
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.forgotten import tombstones_of
from webtext.crawler.reddit.urls import normalise, url_key
from webtext.trace_text import trace_text
from webtext.tracing import trace_key

WHEN = "20130502000000"
LIVE_ALONE = replace(QUICK, sources=("live",))
WITH_WAYBACK = replace(QUICK, sources=("live", "wayback"))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[DeadWeb]:
    wild = WildServer()
    with wild.running():
        yield DeadWeb(tmp_path / "corpus", wild)


@pytest.mark.slow
def test_after_a_stop_and_a_deadline_the_same_call_goes_on(web: DeadWeb) -> None:
    urls = [web.dead(str(number)) for number in range(3)]
    web.settings = replace(WITH_WAYBACK, timeout=30.0)
    visits = tuple(Visit(url, WHEN, old("then")) for url in urls)
    stop = Stop(raising=False)

    def never_answers() -> None:
        stop.requested = True
        web.wild.over.wait()

    web.machine = WaybackServer(visits, before=never_answers)
    with pytest.raises(Interrupted, match="what was done is kept"):
        web.crawl(stop=stop)
    web.machine = WaybackServer(visits, before=never_answers)
    assert web.crawl(deadline=time.time() + 5).outcomes == {"deferred": 3}
    assert set(outcomes_of(web.folder).values()) == {
        ("deferred", "waits for wayback: the deadline was reached (live: http-error, status 404)")
    }
    web.machine = WaybackServer(visits)
    assert web.crawl().rows_out == 3
    assert {row["source"] for row in pages_of(web.folder).values()} == {"wayback"}
    assert [web.wild.requests[f"dead.test/{number}"] for number in range(3)] == [1, 1, 1]


@pytest.mark.slow
def test_a_low_disk_is_waited_for_and_a_full_one_told_and_nothing_is_lost(web: DeadWeb) -> None:
    chance = random.Random(3)
    urls = [web.dead(str(number)) for number in range(6)]
    web.machine = WaybackServer(tuple(Visit(url, WHEN, old(chance.randbytes(70_000).hex())) for url in urls))
    web.settings = LIVE_ALONE
    assert web.crawl().outcomes == {"http-error": 6}
    web.settings = replace(WITH_WAYBACK, min_free=1 << 60, disk_patience=0.5)
    with pytest.raises(WebtextError, match=r"less than 1,152,921\.5 TB left.*\n.*make room"):
        web.crawl()
    assert not web.machine.asked
    web.settings = WITH_WAYBACK
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(WebtextError, match="File too large"):
            web.crawl()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert web.crawl().rows_out == 6
    assert {visit.url: visit.body for visit in web.machine.visits} == {url: web.body(url) for url in urls}


@pytest.mark.slow
def test_archives_that_ban_us_are_left_alone_and_asked_again_later(web: DeadWeb) -> None:
    here = web.dead("here")
    there = web.wild.add("other.test", "/page", moved("/page"))
    web.urls.append(there)
    web.settings = replace(QUICK, sources=("live", "commoncrawl", "wayback"), host_sources=("other.test = wayback",))
    web.crawls = CommonCrawlServer(
        {"CC-MAIN-2013-20": ("2013-05-10T00:00:00", "2013-05-20T00:00:00", (Visit(here, WHEN, old("here")),))},
        ban=("503 Slow Down", {"Retry-After": "0"}),
    )
    web.machine = WaybackServer((Visit(there, WHEN, old("there")),))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: connections are refused
        refusing = f"http://{MACHINE}:{nobody.getsockname()[1]}"
        assert web.crawl(wayback_api=refusing).outcomes == {"deferred": 2}
    assert len(web.crawls.asked) == 3
    said = {url: detail for url, (_, detail) in outcomes_of(web.folder).items()}
    assert "waits for commoncrawl: put aside (it answers 503: we ask too often)" in said[normalise(here)]
    assert said[normalise(there)] == "waits for wayback: put aside (the connection was refused)"
    # For an hour at least no call asks them.
    web.crawls.ban = None
    assert web.crawl().outcomes == {"deferred": 2}
    assert (len(web.crawls.asked), web.machine.asked) == (3, [])
    with Ledger.writing(web.folder / "pages/ledger.sqlite") as ledger:
        aside = json.loads(ledger.meta(ASIDE) or "")
        assert all(3_000 < until - time.time() <= 3_600 for until, _ in aside.values())
        ledger.set_meta(ASIDE, json.dumps({name: [0.0, why] for name, (_, why) in aside.items()}))
    assert web.crawl().rows_out == 2


@pytest.mark.slow
def test_owners_are_asked_as_politely_as_by_the_crawl_and_what_they_say_is_evidence(web: DeadWeb) -> None:
    """Moments at which requests had come, from the server's side, over two processes."""
    seen: dict[str, list[float]] = defaultdict(list)

    class Noting(dict):  # type: ignore[type-arg]
        def get(self, key: tuple[str, str], default: object = None) -> object:
            seen[key[0]].append(time.monotonic())
            return super().get(key, default)

    web.wild.answers = Noting()
    then, now, led = (web.wild.add("own.test", path, old("live")) for path in ("/then", "/now", "/led"))
    web.wild.add("own.test", "/ai.txt", b"User-Agent: *\nDisallow: *.mp3\n")
    secret = web.wild.url("own.test", "/secret")
    web.urls = [then, now, led]
    web.machine = WaybackServer((
        Visit(then, WHEN, old("then")), Visit(led, WHEN, status=301, headers=(("Location", secret),)),
        Visit(secret, WHEN, old("secret")),
    ))  # fmt: skip
    web.settings = replace(QUICK, delay=0.3, timeout=10.0, host_sources=("own.test = wayback, live",))
    web.folder.mkdir()
    write_tombstones(web.folder, tombstones_of([secret], []))
    web.crawl()
    assert (web.source(then), web.source(now)) == ("wayback", "crawl")
    assert fate_of(web.folder, led) == ("forgotten", "leads to an address that is forgotten")
    row = pages_of(web.folder)[normalise(then)]
    said = dict(read_evidence(web.folder / "pages" / row["segment"], row["offset"]))
    assert said["robots.txt"].startswith("none (status 404), 2")
    assert said["ai.txt"].endswith("; no rule keeps it out")
    told = trace_text(trace_key(web.folder, url_key(then)))
    assert "from wayback, captured 2013-05-02 00:00:00, 1 day from the submission" in told
    assert f"{MACHINE}:{web.wild.port}/web/{WHEN}id_/{normalise(then)}" in told
    assert f"ai.txt: {said['ai.txt']}" in told
    # robots.txt, tdmrep.json, ai.txt once, and the page that the archive does not have.
    assert len(seen["own.test"]) == 4
    assert min(b - a for a, b in itertools.pairwise(seen["own.test"])) >= 0.298
