"""Pages extracted while the crawl goes on give the bytes that come of extracting after it, whatever happens between."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from children import children
from crawling import WildServer, says
from small_web import SmallWeb, article_texts, make_small_web, page

from webtext.api import Corpus
from webtext.corpus.config import shaping
from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import LINKS
from webtext.corpus.settings import ExtractSettings
from webtext.corpus.stages import open_work, stage_manifest
from webtext.crawler.fetch import crawl as crawling_stage
from webtext.crawler.text.early import early_parts, early_plans
from webtext.crawler.text.early_process import extracting_early
from webtext.crawler.text.rules import RULES
from webtext.pipelines import extract


@dataclass
class Crawled:
    """A corpus that has been crawled into many segments and extracted; its lists of sealed segments."""

    corpus: Path
    lists: Path
    web: SmallWeb
    documents: Manifest


def manifest_of(corpus: Path) -> Manifest:
    found = stage_manifest(corpus, Stage.DOCUMENTS)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    folder = tmp_path_factory.mktemp("crawled")
    web = make_small_web(folder / "web", articles=16)
    corpus = folder / "corpus"
    Corpus(corpus).links(web.dump, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        small = partial(crawling_stage.make_pages, segment_bytes=8_000)
        patch.setattr(crawling_stage, "make_pages", small)
        Corpus(corpus).crawl(replay=[web.warc], _sealed=folder / "lists")
    before = folder / "before"
    shutil.copytree(corpus, before)
    Corpus(corpus).extract(workers=1)
    yield Crawled(before, folder / "lists", web, manifest_of(corpus))


def opened(corpus: Path, settings: ExtractSettings) -> Callable[[], Path]:
    return lambda: open_work(corpus, Stage.DOCUMENTS, shaping(settings), RULES)


def made_ahead(corpus: Path) -> int:
    work = corpus / "work" / "documents"
    return sum(part.files.made for plan in early_plans(work) for part, _ in early_parts(work, plan))


def ahead(
    corpus: Path, lists: Path, until: Callable[[], bool], settings: ExtractSettings | None = None, workers: int = 2
) -> None:
    settings = settings or ExtractSettings()
    links = sorted((corpus / "links").glob("part-*"))
    with extracting_early(opened(corpus, settings), corpus / "pages", lists, links, settings, workers):
        while not until():
            time.sleep(0.05)


def all_made(corpus: Path, lists: Path) -> bool:
    work = corpus / "work" / "documents"
    plans = early_plans(work)
    if len(plans) < len(list(lists.glob("*.parquet"))):
        return False
    return all(part.files.made for plan in plans for part, _ in early_parts(work, plan))


def test_segments_are_listed_when_nothing_is_appended_to_them_any_more(crawled: Crawled) -> None:
    names = sorted(path.name.partition(".")[0] for path in (crawled.corpus / "pages").glob("segment-*"))
    assert len(names) > 3
    listed = {path.stem: pq.read_table(path) for path in crawled.lists.glob("*.parquet")}
    assert sorted(listed) == names[:-1]  # not the last one
    assert all(set(table["segment"].to_pylist()) == {f"{name}.warc.gz"} for name, table in listed.items())


def test_what_was_extracted_ahead_gives_the_same_bytes(crawled: Crawled, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(crawled.corpus, corpus)
    ahead(corpus, crawled.lists, lambda: all_made(corpus, crawled.lists))
    parts: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "_extract", _counting(extract._extract, parts))
        Corpus(corpus).extract(workers=1)
    found = manifest_of(corpus)
    assert found.identity == crawled.documents.identity
    assert dict(found.files) == dict(crawled.documents.files)
    last = read_parquet_rows(crawled)
    assert sum(parts) == last  # the pages of the segment that was not sealed, and no other, are read again
    assert not (corpus / "work").exists()
    assert Corpus(corpus).extract(workers=1).made is False


def read_parquet_rows(crawled: Crawled) -> int:
    """Pages (each once, and owned) of the last segment."""
    listed = {key for path in crawled.lists.glob("*.parquet") for key in pq.read_table(path)["key"].to_pylist()}
    ends = pq.read_table(crawled.corpus.parent / "corpus" / "outcomes" / "documents-00000.parquet").to_pylist()
    texts = pq.read_table(crawled.corpus.parent / "corpus" / "documents" / "part-00000.parquet", columns=["key"])
    owned = {row["key"] for row in ends if row["outcome"] != "duplicate-redirect"} | set(texts["key"].to_pylist())
    return len(owned - listed)


def _counting(function: Callable[..., None], sizes: list[int]) -> Callable[..., None]:
    def counting(engine: Any, parts: Any, *more: Any) -> None:
        sizes.extend(part.rows.rows for part in parts)
        function(engine, parts, *more)

    return counting


def test_work_that_cannot_be_opened_is_left_to_the_stage(crawled: Crawled, capfd: pytest.CaptureFixture[str]) -> None:
    tried = threading.Event()

    def full() -> Path:
        tried.set()
        raise WebtextError("no space left on the device")

    with extracting_early(full, crawled.corpus / "pages", crawled.lists, [], ExtractSettings(), 1):
        assert tried.wait(60)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_link_that_changed_in_between_is_extracted_as_it_is_now(crawled: Crawled, tmp_path: Path) -> None:
    """Next month's dump raises a link's karma: what was made ahead of it holds the old one, and is not used."""
    corpus = tmp_path / "corpus"
    shutil.copytree(crawled.corpus, corpus)
    ahead(corpus, crawled.lists, lambda: all_made(corpus, crawled.lists))
    links = Corpus(corpus)
    rows = read_parquet(corpus / "links/part-00000.parquet", LINKS)
    url = next(url for url in rows["url"].to_pylist() if "site1.example/articles/1" in url)
    (tmp_path / "more.jsonl").write_text(f'{{"url": "{url}", "karma": 9999}}\n')
    links.links(tmp_path / "more.jsonl", workers=1)
    links.crawl(replay=[crawled.web.warc])
    links.extract(workers=1)
    fresh = Corpus(tmp_path / "fresh")
    fresh.links(crawled.web.dump, tmp_path / "more.jsonl", workers=1)
    fresh.crawl(replay=[crawled.web.warc])
    fresh.extract(workers=1)
    assert manifest_of(corpus).files == manifest_of(tmp_path / "fresh").files
    texts = pq.read_table(corpus / "documents/part-00000.parquet").to_pylist()
    assert next(row["karma"] for row in texts if row["url"] == url) == 9999


@pytest.mark.slow
def test_killed_while_it_extracts_ahead_leaves_whole_parts_only(crawled: Crawled, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(crawled.corpus, corpus)

    def kill_at_the_first_part() -> bool:
        if not made_ahead(corpus):
            return False
        for child in children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ends with its parent, which was killed before it
                child.kill()
        return True

    ahead(corpus, crawled.lists, kill_at_the_first_part)
    assert not children()
    Corpus(corpus).extract(workers=1)
    assert manifest_of(corpus).identity == crawled.documents.identity


@pytest.mark.slow
def test_parts_of_other_settings_are_not_used(crawled: Crawled, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(crawled.corpus, corpus)
    ahead(corpus, crawled.lists, lambda: made_ahead(corpus) > 0, ExtractSettings(min_words=300))
    Corpus(corpus).extract(workers=1)
    assert manifest_of(corpus).identity == crawled.documents.identity


@pytest.mark.slow
def test_build_extracts_while_it_crawls(tmp_path: Path) -> None:
    """The last page is not answered before a part has been extracted."""
    server, seen = WildServer(), threading.Event()
    corpus = tmp_path / "corpus"

    def late(connection: Any, wild: WildServer) -> None:
        while not (seen.is_set() or made_ahead(corpus)):
            time.sleep(0.05)
        seen.set()
        says(page("The last", texts[-1]))(connection, wild)

    with server.running():
        texts = article_texts(random.Random(2), 13)
        urls = [server.add(f"site{n}.test", "/", page(f"Article {n}", texts[n])) for n in range(12)]
        urls.append(server.add("late.test", "/", late))
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        web = {"_little_web": server.hosts(), "_clock": "2025-02-01T12:00:00+00:00", "delay": 0.0, "timeout": 60.0}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(crawling_stage, "make_pages", partial(crawling_stage.make_pages, segment_bytes=3_000))
            patch.setattr(Corpus, "crawl", partialmethod(Corpus.crawl, contact="me@example.org", **web))
            settings = {"crawl": {"contact": "me@example.org"}, "tokenize": {"vocab_size": 300}}
            reports = Corpus(corpus).build(tmp_path / "urls.txt", workers=1, settings=settings)
        assert seen.is_set()
        assert [report.rows_out for report in reports[:3]] == [13, 13, 13]
        plain = Corpus(tmp_path / "plain")
        plain.links(tmp_path / "urls.txt", workers=1)
        plain.crawl(contact="me@example.org", **web)  # type: ignore[arg-type]
        plain.extract(workers=1)
    assert manifest_of(corpus).identity == manifest_of(tmp_path / "plain").identity
    assert not children()
