"""`webtext report`: one page about a corpus."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from commands import litter
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import WebtextError
from webtext.corpus.tombstones import note_pending


class Texts(HTMLParser):
    """The texts of a page, cell by cell, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.loaded: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def corpus(walk: Walk, tmp_path: Path) -> Path:
    path: Path = shutil.copytree(walk.corpus, tmp_path / "a <corpus>")
    run = path / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "log.jsonl").write_text(json.dumps({"step": 3, "loss": 2.5}) + "\n")
    return path


def test_it_says_what_the_manifests_and_documents_say(corpus: Path, walk: Walk) -> None:
    report = Corpus(corpus).report()
    table = pq.read_table(corpus / "clean/part-00000.parquet", columns=["domain", "words", "language"])
    assert report.documents == table.num_rows == 40
    assert report.words == sum(table["words"].to_pylist())
    assert sum(report.domains.values()) == 40 and set(report.domains) == set(table["domain"].to_pylist())
    assert report.languages == {"en": 40} and report.ways == {"crawl": 40}
    assert report.tokens == json.loads((corpus / "shards/stage.json").read_bytes())["facts"]["tokens"]
    assert report.sources == (walk.web.dump.name,)
    assert report.conditions["obey_robots"] is True
    assert report.withheld == {"robots": 1, "opt-out": 2}
    assert litter(corpus) == []


def test_the_page_is_whole_in_itself_and_the_same_each_time(corpus: Path) -> None:
    report = Corpus(corpus).report()
    page = (corpus / "report/index.html").read_text()
    found = Texts(page)
    assert found.loaded == []  # nothing of elsewhere
    assert "a <corpus>" in found.texts and str(report.fingerprint) in found.texts
    for stage in report.stages:
        assert {stage.stage, f"{stage.rows_in:,}", f"{stage.rows_out:,}", *stage.outcomes} <= set(found.texts)
    assert "mine: step 3, loss 2.5000" in found.texts
    Corpus(corpus).report()
    assert (corpus / "report/index.html").read_text() == page


def test_a_corpus_without_anything_has_a_page_too(tmp_path: Path) -> None:
    report = Corpus(tmp_path / "corpus").report()
    assert (report.documents, report.stages, report.tokens) == (0, (), {})
    assert "Nothing was read yet." in (tmp_path / "corpus/report/index.html").read_text()


def test_imported_texts_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one text")
    corpus = Corpus(tmp_path / "corpus")
    corpus.import_files(tmp_path / "a.txt", workers=1)
    report = corpus.report()
    assert (report.sources, report.ways, report.domains) == (("a.txt",), {"import": 1}, {"": 1})
    assert "The texts were imported" in (corpus.path / "report/index.html").read_text()


def test_it_waits_until_what_is_to_be_forgotten_is_gone(corpus: Path) -> None:
    note_pending(corpus, {"current": []})
    with pytest.raises(WebtextError, match="is being made to forget addresses"):
        Corpus(corpus).report()
