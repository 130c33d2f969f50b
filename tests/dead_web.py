"""A web with dead links and archives of it on this machine, and a corpus that is crawled over it, for tests."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from crawling import QUICK, WildServer, crawl, pages_of, says
from web_archives import DATA, INDEX, MACHINE, CommonCrawlServer, WaybackServer, serve

from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.settings import ArchivesSettings
from webtext.crawler.fetch.warc import read_record
from webtext.crawler.reddit.urls import normalise

POSTED = datetime(2013, 5, 1, tzinfo=UTC)
PAGE = b"<!doctype html><title>A page</title><p>" + b"All kinds of words. " * 50
PACKED = gzip.compress(PAGE, mtime=0)


def old(text: str) -> bytes:
    return PAGE + text.encode()


class DeadWeb:
    """A web with dead links, both archives, and a corpus that is crawled over it."""

    def __init__(self, folder: Path, wild: WildServer) -> None:
        self.folder = folder
        self.wild = wild
        self.urls: list[str] = []
        self.machine = WaybackServer(())
        self.crawls = CommonCrawlServer({})
        self.settings = QUICK

    def dead(self, name: str) -> str:
        """A link to a page that answers 404 now."""
        url = self.wild.add("dead.test", f"/{name}", says(b"gone", status="404 Not Found"))
        self.urls.append(url)
        return url

    def archives(self, **more: object) -> ArchivesSettings:
        port = self.wild.port
        chosen = ArchivesSettings(
            commoncrawl_api=f"http://{INDEX}:{port}", commoncrawl_data=f"http://{DATA}:{port}",
            wayback_api=f"http://{MACHINE}:{port}", commoncrawl_delay=0.0, wayback_delay=0.0,
        )  # fmt: skip
        return replace(chosen, **more)  # type: ignore[arg-type]

    def crawl(self, *, stop: Stop | None = None, deadline: float | None = None, **more: object) -> Manifest:
        """One call; `more` are settings of [archives]."""
        serve(self.wild, crawls=self.crawls, machine=self.machine)
        return crawl(
            self.folder, self.urls, settings=self.settings, allow_loopback=self.wild.hosts(), stop=stop,
            deadline=deadline, posted={normalise(url): POSTED for url in self.urls}, archives=self.archives(**more),
        )  # fmt: skip

    def body(self, url: str) -> bytes:
        row = pages_of(self.folder)[normalise(url)]
        return read_record(self.folder / "pages" / row["segment"], row["offset"], row["length"]).body

    def source(self, url: str) -> str:
        return str(pages_of(self.folder)[normalise(url)]["source"])
