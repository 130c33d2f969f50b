"""Killed while archives are asked, the same call again loses nothing and records nothing twice."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crawling import QUICK, WildServer, children_seconds, crawl, dying, outcomes_of, pages_of, says
from warcio.archiveiterator import ArchiveIterator
from web_archives import DATA, INDEX, MACHINE, CommonCrawlServer, Visit, WaybackServer, serve

from webtext.corpus.errors import WebtextError
from webtext.corpus.manifests import Manifest
from webtext.corpus.settings import ArchivesSettings
from webtext.crawler.fetch.crawl import verify_pages
from webtext.crawler.reddit.urls import normalise

COUNT = 240
POSTED = datetime(2013, 5, 1, tzinfo=UTC)


class Archived:
    """Links that are all dead: of three one is in Common Crawl, one in the Wayback Machine, one nowhere."""

    def __init__(self, wild: WildServer) -> None:
        self.wild = wild
        gone = says(b"", status="404 Not Found")
        self.urls = [wild.add(f"dead{n % 7}.test", f"/{n}", gone) for n in range(COUNT)]
        body = b"<p>" + b"words " * 50
        common = tuple(Visit(url, "20130512000000", body + url.encode()) for url in self.urls[0::3])
        machine = tuple(Visit(url, "20130502000000", body + url.encode()) for url in self.urls[1::3])
        crawls = CommonCrawlServer({"CC-MAIN-2013-20": ("2013-05-10T00:00:00", "2013-05-20T00:00:00", common)})
        serve(wild, crawls=crawls, machine=WaybackServer(machine))

    def crawl(self, corpus: Path) -> Manifest:
        port = self.wild.port
        archives = ArchivesSettings(
            commoncrawl_api=f"http://{INDEX}:{port}", commoncrawl_data=f"http://{DATA}:{port}",
            wayback_api=f"http://{MACHINE}:{port}", commoncrawl_delay=0.0, wayback_delay=0.0,
        )  # fmt: skip
        posted = {normalise(url): POSTED for url in self.urls}
        return crawl(
            corpus, self.urls, settings=QUICK, allow_loopback=self.wild.hosts(), posted=posted, archives=archives
        )  # fmt: skip

    def assert_right(self, corpus: Path, manifest: Manifest) -> None:
        sources = Counter(row["source"] for row in pages_of(corpus).values())
        assert sources == {"commoncrawl": COUNT // 3, "wayback": COUNT // 3}
        assert set(outcomes_of(corpus).values()) == {
            ("http-error", "status 404; commoncrawl: no capture; wayback: no capture")
        }
        assert manifest.outcomes == {"http-error": COUNT // 3}
        recorded: Counter[str] = Counter()
        for path in (corpus / "pages").glob("segment-*"):
            with path.open("rb") as file:
                for record in ArchiveIterator(file, check_digests="raise"):
                    record.raw_stream.read()
                    if record.rec_type == "response":
                        recorded[record.rec_headers.get_header("WARC-Target-URI")] += 1
        assert set(recorded.values()) == {1}
        assert len(recorded) == 2 * COUNT // 3
        verify_pages(corpus, manifest)


@pytest.mark.kill
def test_killed_while_archives_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each point in turn in one corpus, then at random moments in others."""
    wild = WildServer()
    with wild.running():
        web = Archived(wild)
        before = children_seconds()
        whole = web.crawl(tmp_path / "whole")
        each = (children_seconds() - before) / 2  # of a crawl and an asking of archives
        web.assert_right(tmp_path / "whole", whole)
        for fault in ("archives.appended:7", "archives.synced:1", "archives.committed:1", "archives.synced:2"):
            monkeypatch.setenv("WEBTEXT_FAULT", fault)
            with pytest.raises(WebtextError, match="killed by signal 9"):
                web.crawl(tmp_path / "points")
        monkeypatch.delenv("WEBTEXT_FAULT")
        found = web.crawl(tmp_path / "points")
        web.assert_right(tmp_path / "points", found)
        assert found.identity == whole.identity
        chance = random.Random(3)
        kills = 0
        with dying(lambda: each * chance.uniform(0.4, 0.9), most=5):
            while True:
                try:
                    found = web.crawl(tmp_path / "moments")
                    break
                except WebtextError as error:
                    assert "SIGKILL" in str(error)
                    kills += 1
        assert kills
        web.assert_right(tmp_path / "moments", found)
        assert found.identity == whole.identity
