"""The stage documents: pages become documents or outcomes, whoever works on them and however they came."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from extracting import BEGIN, FATES, MIXED, Corpus, Page, article, article_text, many

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_parquet, write_parquet
from webtext.corpus.schemas import LINKS, OUTCOMES, key_text
from webtext.corpus.settings import ExtractSettings
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.text.language import audits
from webtext.pipelines import extract_plan

pytestmark = pytest.mark.usefixtures("no_process_is_left")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """Its plan is read a few pages at a time: owners and those without their page lie in different stretches."""
    monkeypatch.setattr(extract_plan, "STRETCH_ROWS", 3)
    return Corpus(tmp_path / "corpus")


def test_pages_become_documents_or_outcomes(corpus: Corpus) -> None:
    manifest = corpus.add(*MIXED).extract()
    rows = corpus.documents()
    assert [row["key"] for row in rows] == [1, 5, 6, 9, 12, 2**64 - 1]
    assert [row["text"] for row in rows] == [article_text(number) for number in (1, 5, 6, 9, 11, 13)]
    assert corpus.outcomes() == FATES
    assert (manifest.rows_in, manifest.rows_out) == (12, 6)
    assert manifest.run["language_audited"] >= (1 if audits() else 0)
    assert manifest.outcomes == {
        "duplicate-redirect": 2, "empty": 1, "extract-error": 1, "language": 1, "too-short": 1,
    }  # fmt: skip


def test_a_document_says_where_it_comes_from(corpus: Corpus) -> None:
    corpus.add(Page(8, article(9), final_key=9, karma=70, day=3)).extract()
    (row,) = corpus.documents()
    with Ledger.reading(corpus.ledger) as ledger:
        record_id = ledger.pages()["record_id"][0].as_py()
    text = article_text(9)
    assert {name: value for name, value in row.items() if name not in ("language_score", "quality", "extra")} == {
        "key": 8,
        "url": "https://example.org/8",
        "final_url": "https://example.org/9",
        "canonical": None,
        "domain": "example.org",
        "title": "Light 9",
        "text": text,
        "language": "en",
        "karma": 70,
        "first_posted": BEGIN + timedelta(days=8),
        "fetched": BEGIN + timedelta(days=3),
        "source": "crawl",
        "record_id": record_id,
        "characters": len(text),
        "words": len(text.split()),
    }
    assert row["language_score"] > 0.99


def test_a_link_that_shares_a_page_names_the_owner(corpus: Corpus) -> None:
    corpus.add(Page(8, article(9), final_key=9, karma=70), Page(9, article(9))).extract()
    rows = read_parquet(corpus.folder / "outcomes/documents-00000.parquet", OUTCOMES).to_pylist()
    assert rows[0]["detail"] == f"the page of {key_text(9)} https://example.org/9"


def test_html_is_looked_at_up_to_its_limit(corpus: Corpus) -> None:
    body = article(1) + b"<p>" + b"padding " * 2_000 + b"</p>"
    corpus.add(Page(1, body)).extract(settings=ExtractSettings(max_html=10_000))
    assert corpus.documents()[0]["text"].startswith(article_text(1))
    assert corpus.documents()[0]["characters"] < 10_000


def test_no_pages_make_an_empty_stage(corpus: Corpus) -> None:
    manifest = corpus.add().extract()
    assert (manifest.rows_in, manifest.rows_out, dict(manifest.outcomes)) == (0, 0, {})
    assert corpus.documents() == []
    assert corpus.outcomes() == {}


@pytest.mark.slow
def test_more_workers_write_the_same_bytes(tmp_path: Path) -> None:
    one = Corpus(tmp_path / "one").add(*many(range(1, 60))).extract(workers=1)
    two = Corpus(tmp_path / "two").add(*many(range(1, 60))).extract(workers=2)
    assert one.files == two.files
    assert one.identity == two.identity


def test_pages_without_links_are_refused(corpus: Corpus) -> None:
    corpus.add(*MIXED)
    write_parquet(corpus.links, read_parquet(corpus.links, LINKS).slice(1), LINKS)
    with pytest.raises(WebtextError, match="1 pages whose links links/ does not hold"):
        corpus.extract()
