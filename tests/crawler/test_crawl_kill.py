"""Killed at every point where it could hurt, the same call again loses nothing and records nothing twice."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, children_seconds, crawl, dying, moved, outcomes_of, pages_of
from small_web import write_warc
from warcio.archiveiterator import ArchiveIterator

from webtext.corpus.errors import WebtextError
from webtext.corpus.manifests import Manifest
from webtext.crawler.fetch.crawl import verify_pages

COUNT = 500  # of which each fifth is moved once; three batches of results
URLS = [f"http://site{number % 17}.example/{number}" for number in range(COUNT)]

# The quick run has one turn of each point, in the middle of the crawl; `make kill` has them all.
QUICK_CASES = ["crawl.claimed:2", "crawl.appended:250", "crawl.synced:2", "crawl.committed:1"]
KILL_CASES = [
    "crawl.claimed:1", "crawl.claimed:3", "crawl.appended:1", "crawl.appended:199", "crawl.appended:500",
    "crawl.synced:1", "crawl.synced:3", "crawl.committed:2", "crawl.committed:3",
]  # fmt: skip


@pytest.fixture(scope="module")
def warc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "web.warc.gz"
    chance = random.Random(1)
    html = [("Content-Type", "text/html")]
    responses = []
    for number, url in enumerate(URLS):
        if number % 5 == 0:
            responses.append((url, 301, [("Location", f"/moved/{number}")], b""))
            url = url.rpartition("/")[0] + f"/moved/{number}"
        responses.append((url, 200, html, f"<p>page {number} ".encode() + chance.randbytes(300).hex().encode()))
    write_warc(path, responses)
    return path


@pytest.fixture(scope="module")
def whole(warc: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """What an uninterrupted crawl comes to."""
    return crawl(tmp_path_factory.mktemp("whole"), URLS, replay=[warc])


def recorded(corpus: Path) -> Counter[str]:
    """How often each address stands in the segments as a response."""
    found: Counter[str] = Counter()
    for path in sorted((corpus / "pages").glob("segment-*")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                record.raw_stream.read()
                if record.rec_type == "response":
                    found[record.rec_headers.get_header("WARC-Target-URI")] += 1
    return found


def assert_nothing_lost_and_nothing_twice(corpus: Path, found: Manifest, whole: Manifest) -> None:
    assert found.identity == whole.identity
    assert len(pages_of(corpus)) == COUNT
    assert set(recorded(corpus).values()) == {1}
    assert len(recorded(corpus)) == COUNT + COUNT // 5
    verify_pages(corpus, found)
    assert sorted(path.name for path in corpus.iterdir()) == ["links", "outcomes", "pages"]


def killed_once(corpus: Path, warc: Path, whole: Manifest, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTEXT_FAULT", fault)
    with pytest.raises(WebtextError, match=r"killed by signal 9 \(SIGKILL\).*\n.*goes on where it was"):
        crawl(corpus, URLS, replay=[warc])
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert_nothing_lost_and_nothing_twice(corpus, crawl(corpus, URLS, replay=[warc]), whole)


@pytest.mark.parametrize("fault", QUICK_CASES)
def test_killed_at_a_fault_point(
    tmp_path: Path, warc: Path, whole: Manifest, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_once(tmp_path, warc, whole, fault, monkeypatch)


@pytest.mark.kill
@pytest.mark.parametrize("fault", KILL_CASES)
def test_killed_at_every_turn_of_a_fault_point(
    tmp_path: Path, warc: Path, whole: Manifest, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_once(tmp_path, warc, whole, fault, monkeypatch)


@pytest.mark.kill
def test_killed_again_and_again(tmp_path: Path, warc: Path, whole: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time a little later, and in a segment of its own."""
    kills = 0
    for fault in ("crawl.appended:100", "crawl.synced:1", "crawl.appended:210", "crawl.committed:1", "crawl.claimed:1"):
        monkeypatch.setenv("WEBTEXT_FAULT", fault)
        with contextlib.suppress(WebtextError):
            crawl(tmp_path, URLS, replay=[warc], segment_bytes=20_000)
            continue
        kills += 1
    assert kills == 5
    monkeypatch.delenv("WEBTEXT_FAULT")
    found = crawl(tmp_path, URLS, replay=[warc], segment_bytes=20_000)
    assert_nothing_lost_and_nothing_twice(tmp_path, found, whole)
    assert len(list((tmp_path / "pages").glob("segment-*"))) > 5


@pytest.mark.kill
def test_killed_at_twenty_random_moments_over_http(tmp_path: Path) -> None:
    """Each kill falls on what is under way: from the start of the process on to the middle of its batches.

    Moments are processor time of the process, as parts of what the whole crawl took here: a busy machine changes none.
    """
    count, chance, kills = 2_000, random.Random(7), 0
    server = WildServer()
    with server.running():
        urls, expected = [], Counter[str]()
        for number in range(count):
            host = f"host{number % 40}.test"
            if number % 20 == 0:
                urls.append(server.add(host, f"/old{number}", moved(f"/{number}")))
            elif number % 20 == 1:
                urls.append(server.url(host, f"/gone{number}"))
                continue
            else:
                urls.append(server.url(host, f"/{number}"))
            page = server.add(host, f"/{number}", f"<p>page {number} ".encode() + b"of words " * 40)
            expected[page] += 1
            if number % 20 == 0:
                expected[urls[-1]] += 1
        calls = {
            "settings": replace(QUICK, concurrency=8),
            "allow_loopback": {f"host{n}.test": "127.0.0.1" for n in range(40)},
            "segment_bytes": 40_000,
        }
        before = children_seconds()
        whole = crawl(tmp_path / "whole", urls, **calls)
        alone = children_seconds() - before
        corpus = tmp_path / "killed"
        while kills < 20:
            with dying(lambda: alone * chance.uniform(0.15, 0.6)):
                try:
                    crawl(corpus, urls, **calls)
                except WebtextError as error:
                    assert "SIGKILL" in str(error)
                    kills += 1
                    continue
            # It came to its end between two kills: the rest of them fall on another crawl.
            assert outcomes_of(corpus) == outcomes_of(tmp_path / "whole")
            assert recorded(corpus) == expected
            shutil.rmtree(corpus)
        found = crawl(corpus, urls, **calls)
    assert found.outcomes == whole.outcomes == {"http-error": 100}
    assert found.rows_out == whole.rows_out == 1_900
    assert found.identity == whole.identity
    assert outcomes_of(corpus) == outcomes_of(tmp_path / "whole")
    assert set(pages_of(corpus)) == set(pages_of(tmp_path / "whole"))
    assert recorded(corpus) == expected  # nothing lost, nothing twice
    verify_pages(corpus, found)


@pytest.mark.kill
def test_killed_on_a_real_connection_each_page_is_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = WildServer()
    with server.running():
        urls = []
        for number in range(300):
            host = f"host{number % 25}.test"
            if number % 10 == 0:
                urls.append(server.add(host, f"/old{number}", moved(f"/{number}")))
                server.add(host, f"/{number}", f"<p>{number}".encode())
            else:
                urls.append(server.add(host, f"/{number}", f"<p>{number}".encode()))
        for fault in ("crawl.appended:120", "crawl.synced:1"):
            monkeypatch.setenv("WEBTEXT_FAULT", fault)
            with pytest.raises(WebtextError, match="killed by signal 9"):
                crawl(tmp_path, urls, settings=QUICK, allow_loopback=server.hosts())
        monkeypatch.delenv("WEBTEXT_FAULT")
        manifest = crawl(tmp_path, urls, settings=QUICK, allow_loopback=server.hosts())
    assert manifest.rows_out == 300
    assert set(recorded(tmp_path).values()) == {1}
    assert len(recorded(tmp_path)) == 330
