"""The crawl stage, mostly over a replayed archive: one outcome a link, however it came about, stopped or damaged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from crawling import crawl, fate_of, outcomes_of, pages_of
from small_web import write_warc
from warcio.archiveiterator import ArchiveIterator

from webtext.corpus.errors import ChangedSettings, DamagedFile
from webtext.corpus.files import file_sha256
from webtext.corpus.manifests import Manifest, verify_files
from webtext.corpus.outcomes import LossAlarm
from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.crawl import check_conditions, verify_pages
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.warc import read_record

HTML = [("Content-Type", "text/html")]
RESPONSES = [
    ("http://a.example/1", 200, HTML, b"<p>one"),
    ("http://a.example/2", 200, HTML, b"<p>two"),
    ("http://b.example/moved", 301, [("Location", "http://a.example/1")], b""),
    ("http://c.example/gone", 404, HTML, b"gone"),
    ("http://d.example/x", 200, [*HTML, ("X-Robots-Tag", "noai")], b"<p>no"),
    ("http://e.example/x", 200, HTML, b"<p>closed"),
    ("http://e.example/robots.txt", 200, [("Content-Type", "text/plain")], b"User-agent: *\nDisallow: /\n"),
    ("https://f.example/x", 200, HTML, b"<p>six"),
]
URLS = [
    "http://a.example/1", "http://a.example/2", "http://b.example/moved", "http://c.example/gone", "http://d.example/x",
    "http://e.example/x", "https://f.example/x", "http://nowhere.example/",
]  # fmt: skip
FATES = {
    "http://a.example/1": ("page", "http://a.example/1"),
    "http://a.example/2": ("page", "http://a.example/2"),
    "http://b.example/moved": ("page", "http://a.example/1"),
    "http://c.example/gone": ("http-error", "status 404"),
    "http://d.example/x": ("opt-out", "noai in X-Robots-Tag"),
    "http://e.example/x": ("robots", "disallowed by robots.txt, line 2: Disallow: / (for *)"),
    "https://f.example/x": ("page", "https://f.example/x"),
    "http://nowhere.example/": ("unreachable", "no WARC holds it"),
}


@pytest.fixture(scope="module")
def warc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "web.warc.gz"
    write_warc(path, RESPONSES)
    return path


@pytest.fixture(scope="module")
def once(warc: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """One uninterrupted crawl, for reading only."""
    corpus = tmp_path_factory.mktemp("once")
    return corpus, crawl(corpus, URLS, replay=[warc])


@pytest.fixture
def copied(once: tuple[Path, Manifest], tmp_path: Path) -> Path:
    """A copy of it, to spoil or to grow."""
    subprocess.run(["cp", "-r", f"{once[0]}/.", str(tmp_path / "corpus")], check=True)
    return tmp_path / "corpus"


def test_each_link_ends_once(once: tuple[Path, Manifest]) -> None:
    corpus, manifest = once
    assert {url: fate_of(corpus, url) for url in URLS} == FATES
    assert pages_of(corpus).keys().isdisjoint(outcomes_of(corpus))
    assert (manifest.rows_in, manifest.rows_out) == (8, 4)
    assert manifest.outcomes == {"http-error": 1, "opt-out": 1, "robots": 1, "unreachable": 1}


def test_a_replayed_page_has_the_date_of_its_recording(once: tuple[Path, Manifest]) -> None:
    row = pages_of(once[0])["http://a.example/2"]
    assert row["fetched"].isoformat() == "2025-02-01T12:00:00+00:00"
    stored = read_record(once[0] / "pages" / row["segment"], row["offset"], row["length"])
    assert (stored.body, stored.fetched) == (b"<p>two", row["fetched"])


def test_the_index_leads_to_each_response(once: tuple[Path, Manifest]) -> None:
    pages = once[0] / "pages"
    lines = (pages / "index.cdxj").read_text().splitlines()
    assert lines == sorted(lines)
    found = []
    for line in lines:
        entry = json.loads(line.split(" ", 2)[2])
        stored = read_record(pages / entry["filename"], int(entry["offset"]), int(entry["length"]))
        assert (stored.url, str(stored.status)) == (entry["url"], entry["status"])
        found.append(stored.url)
    assert sorted(found) == [
        "http://a.example/1", "http://a.example/1", "http://a.example/2", "http://b.example/moved", "https://f.example/x",
    ]  # fmt: skip


def test_the_same_links_and_archives_give_the_same_stage(
    once: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In other files, another order, another layout of segments, after other hash seeds."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    first, second = tmp_path / "first.warc.gz", tmp_path / "second.warc.gz"
    write_warc(first, RESPONSES[5:][::-1])
    write_warc(second, RESPONSES[:5])
    corpus = tmp_path / "corpus"
    manifest = crawl(corpus, URLS[::-1], replay=[first, second], segment_bytes=500)
    assert manifest.facts == once[1].facts
    assert manifest.files == once[1].files
    assert len(list((corpus / "pages").glob("segment-*"))) > 1
    verify_pages(corpus, manifest)


def test_a_finished_crawl_is_done(copied: Path, once: tuple[Path, Manifest], warc: Path) -> None:
    before = file_sha256(copied / "pages/ledger.sqlite")
    assert crawl(copied, URLS, replay=[warc]).identity == once[1].identity
    assert file_sha256(copied / "pages/ledger.sqlite") == before


def test_grown_links_go_on_with_the_new_ones(once: tuple[Path, Manifest], warc: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    crawl(corpus, URLS[:4], replay=[warc])
    segment = (corpus / "pages/segment-00000.warc.gz").read_bytes()
    grown = crawl(corpus, URLS, replay=[warc])
    assert grown.identity == once[1].identity
    assert (corpus / "pages/segment-00000.warc.gz").read_bytes().startswith(segment)
    verify_pages(corpus, grown)


def test_another_spelling_that_comes_with_growth_equals_all_at_once(tmp_path: Path) -> None:
    """An older month can bring an earlier spelling of a link; both have answers, and one body they share."""
    late, early = ["http://a.example/x", "http://a.example/y"], ["http://www.a.example/x", "http://www.a.example/y"]
    warc = tmp_path / "web.warc.gz"
    bodies = [b"<p>late", b"<p>the same", b"<p>early", b"<p>the same"]
    write_warc(warc, [(url, 200, HTML, body) for url, body in zip([*late, *early], bodies, strict=True)])
    grown, once = tmp_path / "grown", tmp_path / "once"
    crawl(grown, [*late, "http://b.example/"], replay=[warc])
    manifest = crawl(grown, [*early, "http://b.example/"], replay=[warc])
    expected = crawl(once, [*early, "http://b.example/"], replay=[warc])
    assert manifest.identity == expected.identity
    found, wanted = pages_of(grown), pages_of(once)
    place = {"segment": "", "offset": 0}
    assert {url: {**row, **place} for url, row in found.items()} == {
        url: {**row, **place} for url, row in wanted.items()
    }
    row = found["http://www.a.example/x"]
    assert read_record(grown / "pages" / row["segment"], row["offset"], row["length"]).body == b"<p>early"
    entries = [json.loads(line.split(" ", 2)[2]) for line in (grown / "pages/index.cdxj").read_text().splitlines()]
    assert sorted(entry["url"] for entry in entries) == early
    assert {(entry["url"], int(entry["offset"])) for entry in entries} == {
        (url, row["offset"]) for url, row in found.items()
    }
    with (grown / "pages/segment-00000.warc.gz").open("rb") as file:
        ids = [record.rec_headers.get_header("WARC-Record-ID") for record in ArchiveIterator(file)]
    assert len(ids) == len(set(ids)) == 9  # a warcinfo, two that count, two that no longer do, each with its evidence
    assert {f"<{row['record_id']}>" for row in found.values()} < set(ids)
    verify_pages(grown, manifest)


def test_links_that_are_gone_count_no_more(copied: Path, warc: Path) -> None:
    manifest = crawl(copied, URLS[1:3], replay=[warc])
    assert (manifest.rows_in, manifest.rows_out, manifest.outcomes) == (2, 2, {})
    assert sorted(pages_of(copied)) == URLS[1:3]


def test_more_archives_equal_all_at_once(once: tuple[Path, Manifest], tmp_path: Path) -> None:
    first, second = tmp_path / "first.warc.gz", tmp_path / "second.warc.gz"
    # The second has robots.txt: a page of the first must go, an unreachable address must come.
    write_warc(first, RESPONSES[:6])
    write_warc(second, RESPONSES[6:])
    corpus = tmp_path / "corpus"
    crawl(corpus, URLS, replay=[first])
    assert fate_of(corpus, "http://e.example/x")[0] == "page"
    grown = crawl(corpus, URLS, replay=[first, second])
    assert (grown.facts, grown.files) == (once[1].facts, once[1].files)
    assert {url: fate_of(corpus, url) for url in URLS} == FATES


@pytest.mark.parametrize("other", [(), ("other",)])
def test_other_archives_are_refused(copied: Path, tmp_path: Path, other: Sequence[str]) -> None:
    write_warc(tmp_path / "other", RESPONSES[:1])
    with pytest.raises(ChangedSettings, match="--refetch"):
        crawl(copied, [*URLS, "http://new.example/"], replay=[tmp_path / name for name in other])
    assert fate_of(copied, URLS[0]) == FATES[URLS[0]]


def test_changed_settings_need_a_refetch(copied: Path, warc: Path) -> None:
    allowing = replace(CrawlSettings(), obey_robots=False)
    with pytest.raises(ChangedSettings, match="obey_robots"):
        crawl(copied, URLS, replay=[warc], settings=allowing)
    with pytest.raises(ChangedSettings, match=r"obey_robots = True.*\n.*--refetch"):
        crawl(copied, URLS, replay=[warc], settings=allowing, redo=True)
    crawl(copied, URLS, replay=[warc], settings=allowing, refetch=True)
    assert fate_of(copied, "http://e.example/x") == ("page", "http://e.example/x")


def test_settings_that_shape_nothing_may_change(copied: Path, once: tuple[Path, Manifest], warc: Path) -> None:
    hurried = replace(CrawlSettings(), delay=0.0, concurrency=7, contact="me@example.org")
    grown = crawl(copied, [*URLS, "http://new.example/"], replay=[warc], settings=hurried)
    assert grown.rows_in == once[1].rows_in + 1


def test_another_name_needs_a_refetch_and_another_version_does_not(copied: Path, warc: Path) -> None:
    urls = [*URLS, "http://new.example/"]
    named = replace(CrawlSettings(), user_agent="OtherBot/1.0")
    with pytest.raises(ChangedSettings, match="agent = 'webtext', now it is 'otherbot'"):
        crawl(copied, urls, replay=[warc], settings=named)
    with pytest.raises(ChangedSettings, match=r"agent = 'webtext'.*\n.*--refetch"):
        crawl(copied, urls, replay=[warc], settings=named, redo=True)
    newer = replace(CrawlSettings(), user_agent="WebText/9.9 (+https://example.org)", contact="me@example.org")
    assert crawl(copied, urls, replay=[warc], settings=newer).rows_in == 9


def test_conditions_are_refused_before_anything_is_changed(copied: Path, tmp_path: Path) -> None:
    with Ledger.writing(copied / "pages/ledger.sqlite") as ledger:
        ledger.want_nothing()  # as while other links are brought in
        ledger.rest()
    before = file_sha256(copied / "pages/ledger.sqlite")
    check_conditions(copied, replace(CrawlSettings(), delay=0.0))
    for changed, name in (({"max_redirects": 1}, "max_redirects"), ({"user_agent": "other"}, "agent")):
        with pytest.raises(ChangedSettings, match=rf"{name} = .*\n.*--refetch"):
            check_conditions(copied, replace(CrawlSettings(), **changed))  # type: ignore[arg-type]
    assert file_sha256(copied / "pages/ledger.sqlite") == before
    check_conditions(tmp_path / "new", replace(CrawlSettings(), max_redirects=1))
    assert not (tmp_path / "new").exists()


def test_redo_keeps_every_page(copied: Path, once: tuple[Path, Manifest], warc: Path) -> None:
    segment = file_sha256(copied / "pages/segment-00000.warc.gz")
    (copied / "pages/index.cdxj").unlink()
    (copied / "outcomes/pages-00000.parquet").unlink()
    manifest = crawl(copied, URLS, replay=[warc], redo=True)
    assert manifest.identity == once[1].identity
    assert file_sha256(copied / "pages/segment-00000.warc.gz") == segment
    verify_pages(copied, manifest)
    verify_files(copied, manifest)


def test_redo_mends_a_manifest_that_was_tampered_with(copied: Path, once: tuple[Path, Manifest], warc: Path) -> None:
    path = copied / "pages/stage.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "run": {}}))
    manifest = crawl(copied, URLS, replay=[warc], redo=True)
    assert manifest.identity == once[1].identity
    verify_pages(copied, manifest)


def test_refetch_begins_anew(copied: Path, once: tuple[Path, Manifest], warc: Path) -> None:
    (copied / "pages/ledger.sqlite").write_bytes(b"spoilt")
    assert crawl(copied, URLS, replay=[warc], refetch=True).identity == once[1].identity
    assert not (copied / "work").exists()


def test_no_link_is_no_page(tmp_path: Path, warc: Path) -> None:
    manifest = crawl(tmp_path / "corpus", [], replay=[warc])
    assert (manifest.rows_in, manifest.rows_out) == (0, 0)
    assert outcomes_of(tmp_path / "corpus") == {}
    verify_pages(tmp_path / "corpus", manifest)


def test_a_loss_stops_and_asks_and_nothing_is_fetched_twice(tmp_path: Path, warc: Path) -> None:
    urls = [f"http://lost.example/{number}" for number in range(1_100)]
    with pytest.raises(LossAlarm, match="unreachable"):
        crawl(tmp_path / "corpus", urls, replay=[warc])
    ledger = file_sha256(tmp_path / "corpus/pages/ledger.sqlite")
    manifest = crawl(tmp_path / "corpus", urls, replay=[warc], accept_loss=True)
    assert manifest.outcomes == {"unreachable": 1_100}
    assert manifest.run["ledger"]["sha256"] != ledger  # written once more, with nothing to fetch


@pytest.mark.parametrize("how", ["missing", "truncated", "flipped", "empty", "foreign"])
@pytest.mark.parametrize("name", ["segment-00000.warc.gz", "ledger.sqlite", "index.cdxj"])
def test_damage_is_found_and_the_message_says_what_to_do(
    copied: Path, once: tuple[Path, Manifest], name: str, how: str
) -> None:
    path = copied / "pages" / name
    data = path.read_bytes()
    path.unlink()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :]
    spoilt = {"truncated": data[:middle], "flipped": flipped, "empty": b"", "foreign": b"PK\x03\x04" * 300}
    if how in spoilt:
        path.write_bytes(spoilt[how])
    flag = "--redo" if name == "index.cdxj" else "--refetch"
    with pytest.raises(DamagedFile, match=rf"{name}.*\n.*{flag}"):
        verify_pages(copied, once[1])


def test_a_manifest_without_its_segments_is_damaged(copied: Path, once: tuple[Path, Manifest]) -> None:
    for run in ({}, {"segments": 3}, {**once[1].run, "ledger": {}}):
        with pytest.raises(DamagedFile, match=r"stage\.json.*\n.*--redo"):
            verify_pages(copied, replace(once[1], run=run))


@pytest.mark.parametrize("how", ["flipped", "missing", "foreign"])
def test_a_damaged_ledger_does_not_grow(copied: Path, warc: Path, how: str) -> None:
    path = copied / "pages/ledger.sqlite"
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(data[:-9] + b"\xff" + data[-8:] if how == "flipped" else b"PK\x03\x04" * 300)
    with pytest.raises(DamagedFile, match=r"ledger\.sqlite.*\n.*--refetch"):
        crawl(copied, [*URLS, "http://new.example/"], replay=[warc])
    assert (copied / "pages/segment-00000.warc.gz").exists()


def test_a_segment_that_lost_bytes_does_not_grow(copied: Path, warc: Path) -> None:
    path = copied / "pages/segment-00000.warc.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match=r"segment-00000.*\n.*--refetch"):
        crawl(copied, [*URLS, "http://new.example/"], replay=[warc])


def test_a_spoilt_archive_is_refused_before_anything_starts(tmp_path: Path, warc: Path) -> None:
    spoilt = tmp_path / "spoilt.warc.gz"
    spoilt.write_bytes(warc.read_bytes()[:-3])
    with pytest.raises(DamagedFile, match=r"spoilt\.warc\.gz.*at byte"):
        crawl(tmp_path / "corpus", URLS, replay=[warc, spoilt])
    assert not (tmp_path / "corpus/pages").exists()
