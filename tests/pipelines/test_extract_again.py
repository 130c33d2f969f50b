"""The stage documents made again: with more pages, with other settings, with pages that were fetched anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from extracting import MIXED, SETTINGS, Corpus, Page, article, article_text, fresh_keys, many

from webtext.corpus import files
from webtext.corpus.files import read_parquet
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.pipelines import extract, extract_plan

pytestmark = pytest.mark.usefixtures("no_process_is_left")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "corpus")


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "workers"), [(50_000, 2), (7, 1)])
def test_growing_gives_what_doing_all_at_once_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, workers: int
) -> None:
    if workers == 1:  # the workers of this process alone would know of these
        monkeypatch.setitem(extract.ROWS_PER_FILE, "documents", rows)
        monkeypatch.setitem(extract.ROWS_PER_FILE, "outcomes", rows)
        monkeypatch.setattr(files, "ROW_GROUP_ROWS", 3)
        monkeypatch.setattr(extract_plan, "STRETCH_ROWS", 5)
    first, second = many(range(1, 60, 2)), many(range(2, 60, 2))
    grown = Corpus(tmp_path / "grown").add(*first)
    grown.extract()
    grown.karma = {1: 99, 13: 5_000}  # new submissions of known links
    grown.add(*second)
    extracted = fresh_keys(monkeypatch)
    manifest = grown.extract(workers=1)
    anew = set(extracted)

    whole = Corpus(tmp_path / "whole")
    whole.karma = grown.karma
    once = whole.add(*first, *second).extract(workers=workers)
    assert len(manifest.files) == (2 if rows == 50_000 else 9)
    assert manifest.files == once.files
    assert dict(manifest.facts) == dict(once.facts)
    # Only new pages were read, and of those only the ones that own what they lead to: 14 leads to 13, 28 to 27 …
    assert anew == {page.key for page in second if page.key % 7}
    assert manifest.run["extracted"] == len(anew)
    # 7, 21 … had owned what 6, 20 … now own.
    if rows == 50_000:
        assert {7, 21, 49} <= {key for key, outcome in grown.outcomes().items() if outcome == "duplicate-redirect"}


def test_a_page_fetched_anew_is_extracted_anew_and_so_are_all_rejections(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.add(*MIXED).extract()
    for path in corpus.ledger.parent.iterdir():
        path.unlink()
    pages, corpus.pages = corpus.pages, []
    changed = [Page(1, article(100), day=9) if page.key == 1 else page for page in pages]
    changed = [Page(2, article(200), day=9) if page.key == 2 else page for page in changed]
    extracted = fresh_keys(monkeypatch)
    corpus.add(*changed).extract()
    assert extracted == [1, 2, 3, 4, 7]
    assert {row["key"]: row["title"] for row in corpus.documents()}[1] == "Light 100"
    assert {row["key"]: row["title"] for row in corpus.documents()}[2] == "Light 200"


def test_a_link_that_takes_its_page_over(corpus: Corpus) -> None:
    corpus.add(Page(10, article(11), final_key=11, karma=5)).extract()
    corpus.add(Page(12, article(11), final_key=11, karma=6)).extract()
    assert [row["key"] for row in corpus.documents()] == [12]
    assert corpus.outcomes() == {10: "duplicate-redirect"}
    corpus.add(Page(11, article(11), final_key=11, karma=0)).extract()
    assert [row["key"] for row in corpus.documents()] == [11]
    assert corpus.outcomes() == {10: "duplicate-redirect", 12: "duplicate-redirect"}


def test_a_damaged_file_of_the_earlier_generation_is_not_believed(
    corpus: Corpus, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus.add(*MIXED).extract()
    path = corpus.folder / "documents/part-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", [["x"] * 6]), path)
    corpus.add(Page(50, article(50))).extract()
    assert [row["text"] for row in corpus.documents()] == [article_text(n) for n in (1, 5, 6, 9, 11, 50, 13)]
    assert "1 files of the earlier generation are damaged" in capfd.readouterr().err


def test_redo_extracts_all_again(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    before = corpus.add(*MIXED).extract()
    extracted = fresh_keys(monkeypatch)
    assert corpus.extract(redo=True).identity == before.identity
    assert len(extracted) == 10


LONG = article(20).replace(
    b"</article>", b"".join(f"<p>{article_text(n)}</p>".encode() for n in (21, 22)) + b"</article>"
)
QUALITY = replace(SETTINGS, quality=("openwebtext",), openwebtext_min_tokens=100)


def test_what_a_quality_rule_drops_is_an_outcome_and_lies_beside_the_documents(corpus: Corpus) -> None:
    manifest = corpus.add(*MIXED, Page(20, LONG)).extract(settings=QUALITY)
    assert [row["key"] for row in corpus.documents()] == [20]
    assert manifest.outcomes["quality"] == 6
    assert manifest.facts["quality_rules"] == {"openwebtext_min_tokens": 6}
    aside = read_parquet(corpus.folder / "documents/aside-00000.parquet", DOCUMENTS)
    assert aside["key"].to_pylist() == [1, 5, 6, 9, 12, 2**64 - 1]
    rows = read_parquet(corpus.folder / "outcomes/documents-00000.parquet", OUTCOMES).to_pylist()
    assert {row["key"]: row["detail"] for row in rows}[1] == "openwebtext_min_tokens: 69, at least 100 is needed"


@pytest.mark.slow
def test_changed_quality_rules_read_no_page_again(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [*MIXED, Page(20, LONG)]
    before = corpus.add(*pages).extract(settings=QUALITY)
    extracted = fresh_keys(monkeypatch)
    for number, settings in enumerate((SETTINGS, QUALITY)):
        manifest = corpus.extract(settings=settings, redo=True)
        anew = Corpus(corpus.folder.parent / f"anew-{number}").add(*pages).extract(settings=settings)
        assert manifest.identity == anew.identity
        assert manifest.run["extracted"] == 0
        assert (corpus.folder / "documents/aside-00000.parquet").exists() is (settings == QUALITY)
        if settings == QUALITY:
            assert manifest.identity == before.identity
    assert len(extracted) == 2 * 11  # those of the corpora made anew


@pytest.mark.slow
def test_other_changed_settings_extract_all_again(corpus: Corpus) -> None:
    corpus.add(*MIXED).extract(settings=QUALITY)
    assert corpus.extract(settings=replace(SETTINGS, min_words=30), redo=True).run["extracted"] == 10


@pytest.mark.slow
def test_a_corpus_that_grows_keeps_what_was_set_aside(corpus: Corpus) -> None:
    first, second = many(range(1, 30, 2)), many(range(2, 30, 2))
    corpus.add(*first).extract(settings=QUALITY)
    manifest = corpus.add(*second).extract(settings=QUALITY)
    whole = Corpus(corpus.folder.parent / "whole").add(*first, *second).extract(settings=QUALITY)
    assert manifest.files == whole.files
    assert manifest.outcomes == whole.outcomes
    assert manifest.run["extracted"] < whole.run["extracted"]
