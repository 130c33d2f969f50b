"""A crawl divided over machines comes to what one machine comes to; what does not fit together is refused by name."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from crawling import WildServer, moved, outcomes_of, pages_of, says
from warcio.archiveiterator import ArchiveIterator

from webtext.api import Corpus
from webtext.corpus import faults
from webtext.corpus.config import CONFIG_NAME, store_values
from webtext.corpus.errors import ChangedSettings, UsageError, WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import stage_manifest
from webtext.crawler.fetch import merge
from webtext.crawler.fetch.crawl import verify_pages

CLOCK = "2025-02-01T12:00:00+00:00"


def manifest_of(corpus: Path) -> Manifest:
    found = stage_manifest(corpus, Stage.PAGES)
    assert found is not None
    return found


def records_of(corpus: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in (corpus / "pages").glob("segment-*"):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                record.raw_stream.read()
                found[record.rec_headers.get_header("WARC-Record-ID")] += 1
    return found


@dataclass
class Machines:
    """A corpus with links/ alone, one that crawled all of it, and three that crawled a shard each, at the same time."""

    links: Path
    grown: Path
    """Such a corpus with the links of another month."""
    whole: Path
    shards: list[Path]
    server: WildServer

    def copy(self, source: Path, target: Path) -> Path:
        shutil.copytree(source, target)
        return target

    def grow(self, corpus: Path) -> None:
        shutil.rmtree(corpus / "links")
        shutil.copytree(self.grown / "links", corpus / "links")
        for path in (self.grown / "outcomes").glob("links-*"):
            shutil.copy(path, corpus / "outcomes" / path.name)


def fetch(path: Path, server: WildServer, **more: object) -> None:
    table = server.hosts()
    Corpus(path).crawl(contact="me@example.org", delay=0.0, timeout=5.0, _little_web=table, _clock=CLOCK, **more)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("machines")
    server = WildServer()
    with server.running():
        urls = [
            server.add(f"www.host{number % 13}.test", f"/{number}", f"<p>{number}".encode()) for number in range(60)
        ]
        urls.append(server.add("host1.test", "/gone", says(b"", status="404 Not Found")))
        urls.append(server.add("host2.test", "/away", moved(server.url("www.host3.test", "/3"))))
        (folder / "urls.txt").write_text("\n".join(urls[:50]))
        (folder / "more.txt").write_text("\n".join(urls))
        links = folder / "links-only"
        Corpus(links).links(folder / "urls.txt", workers=1)
        shards = [folder / f"machine-{number}" for number in (1, 2, 3)]
        for path in (folder / "whole", *shards):
            shutil.copytree(links, path)
        fetch(folder / "whole", server)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda n: fetch(shards[n - 1], server, shard=f"{n}/3"), (1, 2, 3)))
        Corpus(machines_copy := shutil.copytree(links, folder / "grown")).links(folder / "more.txt", workers=1)
        yield Machines(links, machines_copy, folder / "whole", shards, server)


def test_three_shards_are_joined_to_what_one_machine_crawls(machines: Machines, tmp_path: Path) -> None:
    corpus = machines.copy(machines.links, tmp_path / "corpus")
    report = Corpus(corpus).merge(*machines.shards)
    whole = manifest_of(machines.whole)
    assert report.identity == whole.identity
    assert (report.rows_in, report.rows_out) == (50, whole.rows_out)
    assert pages_of(corpus).keys() == pages_of(machines.whole).keys()
    assert outcomes_of(corpus) == outcomes_of(machines.whole)
    assert (corpus / "outcomes/pages-00000.parquet").read_bytes() == (
        machines.whole / "outcomes/pages-00000.parquet"
    ).read_bytes()
    verify_pages(corpus, manifest_of(corpus))
    # every shard had its part, and no record came in twice
    assert all(manifest_of(path).rows_out > 0 for path in machines.shards)
    assert sum(manifest_of(path).rows_in for path in machines.shards) == 50
    assert set(records_of(corpus).values()) == {1}


def test_segments_are_joined_without_using_disk(
    machines: Machines, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus = machines.copy(machines.links, tmp_path / "corpus")
    Corpus(corpus).merge(*machines.shards)
    assert "3 segments joined as hard links (no disk used), 0 copied" in capfd.readouterr().err
    theirs = {path.stat().st_ino for shard in machines.shards for path in (shard / "pages").glob("segment-*")}
    assert {path.stat().st_ino for path in (corpus / "pages").glob("segment-*")} == theirs
    assert Corpus(corpus).merge(*machines.shards).made is False


@pytest.mark.slow
def test_joined_again_when_links_and_shards_have_grown(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On the same disk as on others, where segments are copied."""
    server = machines.server
    whole = machines.copy(machines.whole, tmp_path / "whole")
    machines.grow(whole)
    fetch(whole, server)
    for how in ("linked", "copied"):
        if how == "copied":
            monkeypatch.setattr(merge, "_link", lambda *_: False)
        corpus = machines.copy(machines.links, tmp_path / how / "corpus")
        shards = [machines.copy(path, tmp_path / how / path.name) for path in machines.shards]
        Corpus(corpus).merge(*shards)
        first = {path.name: path.read_bytes() for path in (corpus / "pages").glob("segment-*")}
        for number, path in enumerate(shards, start=1):
            machines.grow(path)
            fetch(path, server, shard=f"{number}/3")
        # What was joined is untouched by what its shard has done since.
        assert all((corpus / "pages" / name).read_bytes() == data for name, data in first.items())
        with pytest.raises(WebtextError, match="crawled from other links"):
            Corpus(corpus).merge(*shards)
        machines.grow(corpus)
        report = Corpus(corpus).merge(*shards)
        assert report.identity == manifest_of(whole).identity
        assert report.rows_in == 62
        assert set(records_of(corpus).values()) == {1}
        for path in (corpus, *shards):
            verify_pages(path, manifest_of(path))
        assert ("0 copied" in capfd.readouterr().err) == (how == "linked")


@pytest.mark.parametrize("fault", ["merge.moved:2", "merge.folded:1", "stage.journal:1"])
def test_a_merge_that_was_broken_off_goes_on(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    corpus = machines.copy(machines.links, tmp_path / "corpus")
    monkeypatch.setattr(faults, "_passed", Counter())  # of this test alone
    monkeypatch.setenv("WEBTEXT_FAULT", f"{fault}:raise")
    with pytest.raises(InjectedFault):
        Corpus(corpus).merge(*machines.shards)
    monkeypatch.delenv("WEBTEXT_FAULT")
    assert Corpus(corpus).merge(*machines.shards[::-1]).identity == manifest_of(machines.whole).identity
    assert set(records_of(corpus).values()) == {1}
    verify_pages(corpus, manifest_of(corpus))


def test_what_does_not_fit_together_is_refused_by_name(machines: Machines, tmp_path: Path) -> None:
    corpus = machines.copy(machines.links, tmp_path / "corpus")
    one, two, three = machines.shards
    four = machines.copy(machines.links, tmp_path / "four")
    fetch(four, machines.server, shard="4/4")
    other = machines.copy(machines.links, tmp_path / "other")
    store_values(other / CONFIG_NAME, "crawl", {"max_redirects": 3})
    fetch(other, machines.server, shard="3/3")
    unfinished = machines.copy(machines.links, tmp_path / "unfinished")
    for given, told in (
        ([one, three], "1 of 3 shards is missing: 2/3\n.*--shard 2/3"),
        ([one], "2 of 3 shards are missing: 2/3, 3/3"),
        ([one, two, three, one], "shard 1/3 is given twice, here and in .*machine-1"),
        ([one, two, four], "different divisions: .*machine-2 is one of 3, .*four is one of 4"),
        ([one, two, machines.whole], "whole: its crawl is of all links, not of a shard"),
        ([one, two, unfinished], "unfinished: its crawl has not finished"),
        ([one, two, tmp_path / "nowhere"], "nowhere: there is no corpus here"),
    ):
        with pytest.raises(WebtextError, match=told):
            Corpus(corpus).merge(*given)
    with pytest.raises(ChangedSettings, match="other: shard 3/3 was crawled with setting max_redirects = 3, here it"):
        Corpus(corpus).merge(one, two, other)
    with pytest.raises(UsageError, match="names no corpus"):
        Corpus(corpus).merge()
    assert not (corpus / "pages").exists()


def test_a_damaged_segment_of_a_shard_is_not_taken(machines: Machines, tmp_path: Path) -> None:
    corpus = machines.copy(machines.links, tmp_path / "corpus")
    spoilt = machines.copy(machines.shards[1], tmp_path / "machine-2")
    (path,) = (spoilt / "pages").glob("segment-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WebtextError, match=r"machine-2.*segment.*shard 2/3: .*other bytes"):
        Corpus(corpus).merge(machines.shards[0], spoilt, machines.shards[2])
    report = Corpus(corpus).merge(*machines.shards)
    assert report.identity == manifest_of(machines.whole).identity


def test_a_corpus_keeps_to_its_shard(machines: Machines, tmp_path: Path) -> None:
    shard = machines.copy(machines.shards[0], tmp_path / "shard")
    with pytest.raises(ChangedSettings, match=r"of shard 1/3, asked for are those of all links\n.*--shard 1/3"):
        fetch(shard, machines.server)
    with pytest.raises(ChangedSettings, match="asked for are those of shard 2/3"):
        fetch(shard, machines.server, shard="2/3")
    with pytest.raises(ChangedSettings, match="its pages are of all links"):
        fetch(machines.copy(machines.whole, tmp_path / "whole"), machines.server, shard="1/3")
    fetch(shard, machines.server, shard="1/1")
    assert manifest_of(shard).facts == manifest_of(machines.whole).facts
