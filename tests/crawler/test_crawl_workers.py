"""Several crawl processes of one machine come to what one comes to, whatever is killed, stopped or changed between."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from children import children
from crawling import QUICK, WildServer, children_seconds, crawl, dying, pages_of, says, silent
from small_web import write_warc
from warcio.archiveiterator import ArchiveIterator

from webtext.corpus import faults
from webtext.corpus.errors import Interrupted, WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import read_json
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.crawler.fetch import child
from webtext.crawler.fetch.crawl import verify_pages
from webtext.crawler.fetch.shards import Numbering, Shard, shard_of

COUNT = 120
URLS = [f"http://site{number % 11}.example/{number}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def warc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "web.warc.gz"
    chance = random.Random(1)
    html = [("Content-Type", "text/html")]
    found = [(url, 200, html, f"<p>{url} ".encode() + chance.randbytes(200).hex().encode()) for url in URLS[:-5]]
    found.append((URLS[-5], 404, html, b"gone"))
    write_warc(path, found)
    return path


@pytest.fixture(scope="module")
def whole(warc: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return crawl(tmp_path_factory.mktemp("whole"), URLS, replay=[warc])


def recorded(corpus: Path) -> Counter[str]:
    """How often each address stands in the segments as a response; every record id once."""
    found: Counter[str] = Counter()
    ids: list[str] = []
    for path in sorted((corpus / "pages").glob("segment-*")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                record.raw_stream.read()
                ids.append(record.rec_headers.get_header("WARC-Record-ID"))
                if record.rec_type == "response":
                    found[record.rec_headers.get_header("WARC-Target-URI")] += 1
    assert len(ids) == len(set(ids))
    return found


def assert_equal(corpus: Path, found: Manifest, whole: Manifest) -> None:
    assert found.identity == whole.identity
    assert recorded(corpus) == Counter(URLS[:-5])
    verify_pages(corpus, found)
    assert sorted(path.name for path in corpus.iterdir()) == ["links", "outcomes", "pages"]
    names = [path.name for path in (corpus / "pages").iterdir() if not path.name.startswith("segment-")]
    assert sorted(names) == ["index.cdxj", "ledger.sqlite", "stage.json"]


def test_a_shard_is_known_by_the_registered_domain_alone() -> None:
    # Stored in corpora of several machines: these may never change.
    assert [shard_of(domain, 3) for domain in ("example.com", "bbc.co.uk", "münchen.de", "")] == [1, 2, 3, 2]
    assert Shard.parse("2/3").holds(["example.com", "bbc.co.uk"]).tolist() == [False, True]
    counts = Counter(shard_of(f"site{number}.example", 8) for number in range(8_000))
    assert set(counts) == set(range(1, 9))
    assert max(counts.values()) < 1_150


def test_numbers_of_segments_are_shared_by_no_two_writers() -> None:
    assert [Numbering(2, 3).after(number) for number in (-1, 1, 2, 3, 5)] == [2, 2, 5, 5, 8]
    shares = Numbering.of_shard(Shard(2, 3)).divide(7, 2)
    taken = []
    for share in shares:
        number = 7
        for _ in range(4):
            taken.append(number := share.after(number))
    assert sorted(taken) == [10, 13, 16, 19, 22, 25, 28, 31]


def test_three_processes_come_to_what_one_comes_to(tmp_path: Path, warc: Path, whole: Manifest) -> None:
    found = crawl(tmp_path, URLS, replay=[warc], workers=3)
    assert_equal(tmp_path, found, whole)
    assert len(list((tmp_path / "pages").glob("segment-*"))) == 3


def test_a_process_that_is_killed_is_started_again(
    tmp_path: Path, warc: Path, whole: Manifest, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first that starts, with its twentieth record."""
    start, started = child._Worker._start, itertools.count(1)

    def first_dies(worker: child._Worker) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if next(started) == 1:
                patch.setenv("WEBTEXT_FAULT", "crawl.appended:20")
            start(worker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child._Worker, "_start", first_dies)
        found = crawl(tmp_path, URLS, replay=[warc], workers=2)
    assert next(started) == 4  # two at first, and one again
    assert_equal(tmp_path, found, whole)
    assert "was killed by signal 9 (SIGKILL); it is started again" in capfd.readouterr().err


def _then(before: Callable[..., None], after: Callable[..., None]) -> Callable[..., None]:
    def both(*arguments: Any) -> None:
        before(*arguments)
        after(*arguments)

    return both


def test_a_process_that_never_gets_further_ends_the_command_and_says_what_to_do(
    tmp_path: Path, warc: Path, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_RESTARTS", 2)
    monkeypatch.setenv("WEBTEXT_FAULT", "crawl.claimed:1")
    with pytest.raises(WebtextError, match=r"2 times without getting further\n.*the same command goes on"):
        crawl(tmp_path, URLS, replay=[warc], workers=2)
    assert not children()
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert_equal(tmp_path, crawl(tmp_path, URLS, replay=[warc], workers=2), whole)


def test_processes_that_cannot_all_be_started_are_ended(
    tmp_path: Path, warc: Path, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = child._Worker._start, itertools.count(1)

    def no_third(worker: child._Worker) -> None:
        if next(started) == 3:
            raise WebtextError("no memory for one more process")
        start(worker)

    monkeypatch.setattr(child._Worker, "_start", no_third)
    with pytest.raises(WebtextError, match="no memory"):
        crawl(tmp_path, URLS, replay=[warc], workers=3)
    assert not children()
    monkeypatch.undo()
    assert_equal(tmp_path, crawl(tmp_path, URLS, replay=[warc], workers=3), whole)


@pytest.mark.parametrize(("point", "workers"), [("merge.divided:1", 2), ("merge.moved:2", 1), ("merge.folded:1", 3)])
def test_broken_off_while_ledgers_are_divided_or_joined_loses_nothing(
    tmp_path: Path, warc: Path, whole: Manifest, monkeypatch: pytest.MonkeyPatch, point: str, workers: int
) -> None:
    """With the same number of processes the next time, with another, or with one."""
    monkeypatch.setattr(faults, "_passed", Counter())  # of this test alone
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:raise")
    with pytest.raises(InjectedFault):
        crawl(tmp_path, URLS, replay=[warc], workers=2)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert_equal(tmp_path, crawl(tmp_path, URLS, replay=[warc], workers=workers), whole)


def test_a_stop_reaches_all_and_the_next_call_goes_on_with_another_number(tmp_path: Path) -> None:
    server, stop = WildServer(), Stop(raising=False)

    def stopping(connection: Any, wild: WildServer) -> None:
        stop.requested = True
        says(b"<p>x")(connection, wild)

    with server.running():
        urls = [server.add(f"host{number % 12}.test", f"/{number}", b"<p>x") for number in range(60)]
        held = server.add("held.test", "/", stopping)
        with pytest.raises(Interrupted):
            crawl(tmp_path, [*urls, held], settings=QUICK, workers=3, stop=stop, allow_loopback=server.hosts())
        assert not children()
        asked = server.requests
        found = crawl(tmp_path, [*urls, held], settings=QUICK, workers=2, allow_loopback=server.hosts())
    assert found.rows_out == 61
    pages = {name: count for name, count in server.requests.items() if not name.endswith("robots.txt")}
    # What had been fetched before the stop was not asked for again.
    assert all(pages[name] == 1 for name in asked if name in pages)
    assert asked
    assert len(pages_of(tmp_path)) == 61


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_all_processes_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    server = WildServer()
    with server.running():
        urls = [server.add(f"host{number}.test", "/", silent) for number in range(8)]
        code = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
            "from pathlib import Path; from crawling import QUICK, crawl; from dataclasses import replace\n"
            "from webtext.corpus.interrupts import stop_signals\n"
            "with stop_signals(raising=False) as stop:\n"
            f"    crawl(Path({str(tmp_path)!r}), {urls!r}, settings=replace(QUICK, timeout=600.0), "
            f"workers=2, stop=stop, allow_loopback={server.hosts()!r})"
        )
        parent = psutil.Process(subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL).pid)
        while sum(count for name, count in server.requests.items() if name.endswith("/")) < 8:
            assert parent.status() != psutil.STATUS_ZOMBIE
            time.sleep(0.01)
        processes = parent.children()
        assert len(processes) == 2
        parent.send_signal(how)
        parent.wait(120)
        assert psutil.wait_procs(processes, timeout=60)[1] == []
        for number in range(8):
            server.add(f"host{number}.test", "/", b"<p>quick")
        assert crawl(tmp_path, urls, settings=QUICK, workers=2, allow_loopback=server.hosts()).rows_out == 8


def test_one_view_over_all_is_in_progress_json(tmp_path: Path, warc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    from webtext.crawler.fetch import view

    monkeypatch.setattr(view, "FILE_SECONDS", 0.0)

    def keep(shown: view.CrawlView) -> None:
        if (tmp_path / "progress.json").exists():
            seen.append(read_json(tmp_path / "progress.json"))

    monkeypatch.setattr(view.CrawlView, "show", _then(view.CrawlView.show, keep))
    crawl(tmp_path, URLS, replay=[warc], workers=3)
    last = seen[-1]
    assert (last["label"], last["total"], last["unit"], last["note"]) == ("crawl", COUNT, "links", "3 processes")
    assert last["done"] == last["crawl"]["done"] <= COUNT
    assert sum(last["crawl"]["outcomes"].values()) == last["done"]
    assert json.dumps(last)
    assert not (tmp_path / "progress.json").exists()


@pytest.mark.kill
def test_killed_at_random_moments_with_several_processes(tmp_path: Path, warc: Path, whole: Manifest) -> None:
    """Workers, all of them, again and again: the crawl goes on by itself or by the next call."""
    before = children_seconds()
    crawl(tmp_path / "alone", URLS, replay=[warc])
    alone = children_seconds() - before
    chance = random.Random(5)
    for number in range(3):
        corpus = tmp_path / str(number)
        with dying(lambda: alone * chance.uniform(0.3, 0.9), most=6) as killed:
            while True:
                try:
                    found = crawl(corpus, URLS, replay=[warc], workers=chance.choice([2, 3]))
                    break
                except WebtextError as error:
                    assert "SIGKILL" in str(error)
        assert killed
        assert_equal(corpus, found, whole)
