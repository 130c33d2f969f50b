"""Links that died, taken out of archives: servers on this machine that speak as the two archives do."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, crawl, cut, fate_of, moved, outcomes_of, pages_of, says
from dead_web import PACKED, PAGE, DeadWeb, old
from warcio.archiveiterator import ArchiveIterator
from web_archives import CommonCrawlServer, Visit, WaybackServer, serve

from webtext.api import Corpus
from webtext.corpus.config import store_values
from webtext.corpus.errors import UsageError
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import ArchivesSettings
from webtext.corpus.stages import stage_manifest
from webtext.crawler.fetch.lookup import look_up
from webtext.crawler.reddit.urls import normalise, url_key


@pytest.fixture
def web(tmp_path: Path) -> object:
    wild = WildServer()
    with wild.running():
        yield DeadWeb(tmp_path / "corpus", wild)


def test_a_dead_link_is_had_from_the_first_archive_that_has_it(web: DeadWeb) -> None:
    alive = web.wild.add("alive.test", "/", old("alive"))
    web.urls.append(alive)
    both, common, machine = (web.dead(name) for name in ("both", "common", "machine"))
    web.wild.add("dead.test", "/common", cut)  # whose beginning is recorded, and stands in nobody's way
    web.dead("none")
    packed, led, image, said_no, excluded = (web.dead(n) for n in ("packed", "led", "image", "no", "excluded"))
    refused = web.wild.add("alive.test", "/paid", says(b"pay", status="403 Forbidden"))
    forbidden = web.wild.add("rules.test", "/page", old("forbidden"))
    web.wild.add("rules.test", "/robots.txt", says(b"User-agent: *\nDisallow: /", {"Content-Type": "text/plain"}))
    loop = web.wild.add("dead.test", "/loop", moved("/loop"))
    web.urls += [refused, forbidden, loop]
    many = [web.dead(f"many/{number}") for number in range(9)]
    web.crawls = CommonCrawlServer({
        "CC-MAIN-2013-20": ("2013-05-10T00:00:00", "2013-05-20T00:00:00", (
            Visit(both, "20130512000000", old("2013 in Common Crawl")),
            Visit(common.replace("http://", "https://"), "20130513000000", old("common")),
            Visit(refused, "20130513000000", old("refused")), Visit(forbidden, "20130513000000", old("forbidden")),
            *(Visit(url, "20130514000000", old("many")) for url in many[:8]),
        )),
        "CC-MAIN-2019-04": ("2019-01-15T00:00:00", "2019-01-24T00:00:00", (
            Visit(both, "20190116000000", old("2019")),
        )),
    })  # fmt: skip
    target = led.replace("/led", "/now-here")
    web.machine = WaybackServer(
        (
            Visit(both, "20130430000000", old("nearer, but asked second")),
            Visit(loop, "20130502000000", old("loop")),
            Visit(machine, "20110101000000", old("2011")), Visit(machine, "20130501120000", old("2013")),
            Visit(machine, "20200101000000", old("2020")), Visit(machine, "20130501000000", b"moved", status=404),
            Visit(packed, "20130501000000", PACKED, headers=(("Content-Encoding", "gzip"),)),
            Visit(led, "20130502000000", b"", status=301, headers=(("Location", target),)),
            Visit(target, "20130503000000", old("there")),
            Visit(image, "20130502000000", b"GIF89a", mime="image/gif"),
            Visit(said_no, "20130502000000", PAGE, headers=(("X-Robots-Tag", "noai"),)),
        ),
        excluded=(normalise(excluded),),
    )  # fmt: skip
    # It asks for patience first, and get it.
    web.machine.answers = [("503 Slow Down", {"Retry-After": "0"}), ("429 Too Many Requests", {"Retry-After": "0"})]
    manifest = web.crawl()
    assert {url.rpartition("/")[2]: fate_of(web.folder, url)[0] for url in web.urls if url not in many} == {
        "": "page", "both": "page", "common": "page", "machine": "page", "none": "http-error", "packed": "page",
        "led": "page", "image": "http-error", "no": "opt-out", "excluded": "http-error", "paid": "http-error",
        "page": "robots", "loop": "page",
    }  # fmt: skip
    assert [fate_of(web.folder, url)[0] for url in many] == ["page"] * 8 + ["http-error"]
    assert manifest.rows_out == 7 + 8
    assert web.body(both) == old("2013 in Common Crawl")
    assert web.body(machine) == old("2013")
    assert web.body(packed) == PACKED
    assert fate_of(web.folder, led) == ("page", normalise(target))
    sources = {url.rpartition("/")[2]: web.source(url) for url in (alive, both, common, machine, led)}
    assert sources == {
        "": "crawl",
        "both": "commoncrawl",
        "common": "commoncrawl",
        "machine": "wayback",
        "led": "wayback",
    }
    details = {url.rpartition("/")[2]: detail for url, (_, detail) in outcomes_of(web.folder).items()}
    assert details["none"] == "status 404; commoncrawl: no capture; wayback: no capture"
    assert details["image"] == "status 404; commoncrawl: no capture; wayback: no capture of a whole page"
    assert details["no"] == "noai in X-Robots-Tag of its copy in wayback"
    assert details["excluded"] == (
        "status 404; commoncrawl: no capture; wayback: keeps it to itself, as its owner wants"
    )
    assert details["paid"] == "status 403"  # refused, not dead
    assert not any("paid" in target or "rules.test" in target for target in web.crawls.asked + web.machine.asked)
    # Many links of a host are asked for together: the number of pages of the index, then the pages.
    queries = [target for target in web.crawls.asked if "matchType=host" in target and "CC-MAIN-2013" in target]
    assert len(queries) == 1 + 4
    # What is recorded of a capture: in the ledger, and beside the record.
    torn = look_up(web.folder / "pages/ledger.sqlite", url_key(common))
    assert torn is not None and [answer.fetched.year for answer in torn.answers] == [2013]
    found = look_up(web.folder / "pages/ledger.sqlite", url_key(machine))
    assert found is not None and found.capture is not None
    assert found.capture.source == "wayback"
    assert found.capture.captured == datetime(2013, 5, 1, 12, tzinfo=UTC)
    assert found.capture.days_apart == 0
    assert found.answers[-1].fetched == datetime(2013, 5, 1, 12, tzinfo=UTC)
    with (web.folder / "pages/segment-00000.warc.gz").open("rb") as file:
        told = [
            (record.rec_headers.get_header("WARC-Target-URI"), record.raw_stream.read().decode())
            for record in ArchiveIterator(file)
            if record.rec_type == "metadata"
        ]
    (of_both,) = [text for url, text in told if url == normalise(both) and text.startswith("source")]
    assert of_both.startswith(
        "source: commoncrawl\r\ncaptured: 2013-05-12T00:00:00Z\r\nposted: 2013-05-01T00:00:00Z\r\n"
        "days-apart: 11\r\nvia: "
    )
    # Every link has its outcome: the same call again asks nobody anything.
    asked = len(web.machine.asked)
    assert web.crawl().identity == manifest.identity
    assert len(web.machine.asked) == asked


def test_a_ban_puts_the_archive_aside_and_its_links_wait(web: DeadWeb) -> None:
    first, second = web.dead("first"), web.dead("second")
    web.machine = WaybackServer((Visit(second, "20130502000000", old("second")),))
    web.machine.answers = [("403 Forbidden", {})] * 9
    manifest = web.crawl()
    assert manifest.outcomes == {"deferred": 2}
    assert outcomes_of(web.folder)[normalise(first)] == (
        "deferred",
        "waits for wayback: put aside (it answers 403: we are banned) (live: http-error, status 404)",
    )
    assert len(web.machine.asked) == 1
    # While it is put aside it is not asked, and the live web is not asked again either.
    web.crawl()
    assert len(web.machine.asked) == 1
    assert web.wild.requests["dead.test/first"] == 1


@pytest.mark.slow
def test_links_that_waited_for_an_archive_go_on_where_they_were(web: DeadWeb) -> None:
    first, second = web.dead("first"), web.dead("second")
    # Whichever is asked for first (the order of the keys, which the port is in): its one request finds a capture.
    web.machine = WaybackServer(tuple(Visit(url, "20130502000000", old("then")) for url in (first, second)))
    assert web.crawl(max_requests=1).outcomes == {"deferred": 2}
    assert outcomes_of(web.folder)[normalise(first)] == (
        "deferred",
        "waits for wayback: its one request of this run is made (live: http-error, status 404)",
    )
    web.machine = WaybackServer((Visit(second, "20130502000000", old("second")),))
    manifest = web.crawl()
    assert manifest.outcomes == {"http-error": 1}
    assert fate_of(web.folder, second)[0] == "page"
    assert web.wild.requests["dead.test/first"] == 1


@pytest.mark.slow
def test_archives_come_first_where_a_host_has_many_links_or_an_order_of_its_own(web: DeadWeb) -> None:
    many = [web.wild.add("many.test", f"/{number}", old(f"live {number}")) for number in range(4)]
    own = web.wild.add("www.own.test", "/page", old("live"))
    few = web.wild.add("few.test", "/page", old("live"))
    no = web.wild.add("no.test", "/page", old("live"))
    web.wild.add("no.test", "/robots.txt", says(b"User-agent: *\nDisallow: /", {"Content-Type": "text/plain"}))
    gone = web.wild.add("www.own.test", "/gone", says(b"", status="404 Not Found"))
    web.urls = [*many, own, few, no, gone]
    web.machine = WaybackServer(tuple(Visit(url, "20130502000000", old("then")) for url in (*many[:3], own, few, no)))
    web.settings = replace(
        QUICK, archive_first=3, host_sources=("own.test = wayback, live", "no.test = wayback"),
        sources=("live", "wayback"),
    )  # fmt: skip
    web.crawl()
    assert [web.source(url) for url in many] == ["wayback"] * 3 + ["crawl"]
    assert (web.source(own), web.source(few)) == ("wayback", "crawl")
    assert fate_of(web.folder, no) == (
        "robots",
        "disallowed by robots.txt, line 2: Disallow: / (for *) (asked for its copy in wayback)",
    )
    assert fate_of(web.folder, gone) == ("http-error", "status 404; wayback: no capture")
    assert not any(web.wild.requests[f"many.test/{number}"] for number in range(3))


@pytest.mark.slow
def test_further_sources_are_asked_for_what_had_died_before(web: DeadWeb) -> None:
    url = web.dead("page")
    web.machine = WaybackServer((Visit(url, "20130502000000", old("page")),))
    web.settings = replace(QUICK, sources=("live",))
    assert web.crawl().outcomes == {"http-error": 1}
    web.settings = replace(QUICK, sources=("live", "wayback"))
    assert web.crawl().rows_out == 1
    assert web.wild.requests["dead.test/page"] == 1


@pytest.mark.slow
def test_without_archives_among_its_names_a_crawl_asks_none(web: DeadWeb) -> None:
    """What the demo and the tests give names for is a web of their own."""
    url = web.dead("page")
    manifest = crawl(
        web.folder, [url], settings=QUICK, allow_loopback=web.wild.hosts(), archives=ArchivesSettings()
    )  # fmt: skip
    assert manifest.outcomes == {"http-error": 1}
    assert outcomes_of(web.folder)[normalise(url)] == ("http-error", "status 404")


@pytest.mark.slow
def test_after_a_merge_of_shards_archives_are_asked_by_one(web: DeadWeb, tmp_path: Path) -> None:
    urls = [web.dead(f"{n}") for n in range(3)]
    urls += [web.wild.add(f"alive{n}.test", "/", old(str(n))) for n in range(5)]
    many = [web.wild.add("many.test", f"/{n}", old(f"live {n}")) for n in range(4)]
    urls += many
    web.machine = WaybackServer(tuple(Visit(url, "20130502000000", old("then")) for url in (*urls[:2], *many)))
    serve(web.wild, crawls=web.crawls, machine=web.machine)
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    whole = Corpus(tmp_path / "whole")
    chosen = web.archives()
    names = ("commoncrawl_api", "commoncrawl_data", "wayback_api", "commoncrawl_delay", "wayback_delay")
    store_values(whole.path / "webtext.toml", "archives", {name: getattr(chosen, name) for name in names})
    whole.links(tmp_path / "urls.txt", workers=1)
    store_values(whole.path / "webtext.toml", "crawl", {"archive_first": 3})
    how = {"contact": "me@example.org", "delay": 0.0, "timeout": 5.0, "_little_web": web.wild.hosts()}
    shards = [Path(shutil.copytree(whole.path, tmp_path / f"shard-{n}")) for n in (1, 2)]
    for number, shard in enumerate(shards, start=1):
        Corpus(shard).crawl(shard=f"{number}/2", **how)
    assert not web.machine.asked
    assert whole.merge(*shards).outcomes == {"http-error": 3, "deferred": 4}
    with pytest.raises(UsageError, match="contact"):
        whole.crawl(delay=0.0, _little_web=web.wild.hosts())
    assert whole.crawl(**how).outcomes == {"http-error": 1}
    found = pages_of(whole.path)
    assert {row["source"] for row in found.values()} == {"crawl", "wayback"}
    # The large host was left by its shard, and was not asked live.
    assert {found[normalise(url)]["source"] for url in many} == {"wayback"}
    assert not any(web.wild.requests[f"many.test/{n}"] for n in range(4))
    # Both commands may be repeated, as jobs do.
    identity = stage_manifest(whole.path, Stage.PAGES)
    whole.merge(*shards)
    assert whole.crawl(**how).outcomes == {"http-error": 1}
    assert stage_manifest(whole.path, Stage.PAGES) == identity
