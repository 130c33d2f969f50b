"""keep_pages = until-extracted: the bodies go once documents/ is made, all that was said of them stays true."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from small_web import SmallWeb
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.config import store_values
from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import InjectedFault
from webtext.corpus.files import read_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import stage_manifest
from webtext.crawler.fetch.crawl import verify_pages
from webtext.crawler.fetch.ledger import Ledger
from webtext.trace_text import trace_text


def passing(path: Path) -> Corpus:
    store_values(path / "webtext.toml", "crawl", {"keep_pages": "until-extracted"})
    return Corpus(path)


def facts(path: Path) -> list[tuple[object, ...]]:
    with Ledger.reading(path / "pages/ledger.sqlite") as ledger:
        rows = ledger.pages().to_pylist()
    return [(row["key"], row["final_url"], row["record_id"], row["payload_sha256"], row["fetched"]) for row in rows]


def assert_released(path: Path, identity: str) -> None:
    assert not list((path / "pages").glob("segment-*"))
    assert (path / "pages/index.cdxj").read_bytes() == b""
    manifest = stage_manifest(path, Stage.PAGES)
    assert manifest is not None
    assert manifest.identity == identity
    verify_pages(path, manifest)


def test_bodies_go_once_documents_are_made_and_the_rest_stays_true(at: Callable[[str], Path], walk: Walk) -> None:
    path = at("dedup")
    corpus = passing(path)
    before, identity = facts(path), stage_manifest(path, Stage.PAGES).identity  # type: ignore[union-attr]
    outcomes = (path / "outcomes/pages-00000.parquet").read_bytes()
    fingerprint = corpus.status().fingerprint
    assert not corpus.extract().made
    assert_released(path, identity)
    assert facts(path) == before
    assert (path / "outcomes/pages-00000.parquet").read_bytes() == outcomes
    assert corpus.status().fingerprint == fingerprint
    url = next(url for url, fate in walk.web.expected.items() if fate == "document")
    assert "its bytes were deleted (crawl.keep_pages = until-extracted)" in trace_text(corpus.trace(url=url))
    assert not corpus.extract().made
    # To make documents again there is nothing left, and they stay as they are.
    with pytest.raises(WebtextError, match=r"bodies of \d+ pages .* were deleted[\s\S]*--refetch") as caught:
        corpus.extract(redo=True, workers=1)
    listed = Path(str(caught.value.where)).read_text().splitlines()
    assert url in listed
    assert not corpus.extract().made
    assert corpus.status().fingerprint == fingerprint


@pytest.mark.parametrize("fault", ["release.noted:1:raise", "release.deleted:1:raise", "stage.journal:1:raise"])
def test_a_release_that_was_broken_off_is_finished(
    at: Callable[[str], Path], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = at("dedup")
    corpus = passing(path)
    identity = stage_manifest(path, Stage.PAGES).identity  # type: ignore[union-attr]
    monkeypatch.setenv("WEBTEXT_FAULT", fault)
    monkeypatch.setattr("webtext.corpus.faults._passed", Counter())
    with pytest.raises(InjectedFault):
        corpus.extract()
    monkeypatch.delenv("WEBTEXT_FAULT")
    corpus.extract()
    assert_released(path, identity)


@pytest.mark.slow
def test_a_corpus_that_grows_after_its_bodies_went(small_web: SmallWeb, tmp_path: Path) -> None:
    """New links bring pages of their own; what was extracted before is kept; the end equals that of keeping all."""
    urls = sorted(url for url, fate in small_web.expected.items() if fate in ("document", "duplicate-redirect"))
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("\n".join(urls[::2]))
    second.write_text("\n".join(urls[1::2]))
    whole = Corpus(tmp_path / "whole")
    found = {}
    for corpus in (whole, passing(Corpus(tmp_path / "passing").path)):
        for source in (first, second):
            corpus.links(source, workers=1)
            corpus.crawl(replay=[small_web.warc])
            corpus.extract(workers=1)
        parts = sorted((corpus.path / "documents").glob("part-*"))
        found[corpus.path.name] = [read_parquet(part, DOCUMENTS).to_pylist() for part in parts]
    assert found["whole"] == found["passing"]
    assert not list((tmp_path / "passing/pages").glob("segment-*"))
    shutil.rmtree(tmp_path / "whole")
