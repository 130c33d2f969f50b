"""The stage documents against hostile pages, damaged segments, and after a stop: what was done is kept."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from extracting import Corpus, Page, article, many

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.settings import ExtractSettings
from webtext.crawler.text import parts
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.results import Extracted, PageBytes, Rejection
from webtext.pipelines import extract

pytestmark = pytest.mark.usefixtures("no_process_is_left")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "corpus")


def test_a_hostile_page_ends_as_an_outcome_and_costs_no_other(corpus: Corpus) -> None:
    bomb = zlib.compressobj(wbits=31)
    body = bomb.compress(b"<html><body>" + b"<p>" * 17_000_000) + bomb.flush()  # 50 MB
    pages = [Page(number, article(number)) for number in range(1, 5)]
    headers = (("Content-Type", "text/html"), ("Content-Encoding", "gzip"))
    corpus.add(*pages, Page(3_000, body, headers=headers)).extract(settings=ExtractSettings(cpu_seconds=2.0))
    assert corpus.outcomes() == {3_000: "extract-timeout"}
    assert len(corpus.documents()) == 4


def test_a_timeout_is_written_down_at_once_and_kept_by_the_next_run(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = b" ".join(b"a%d=1" % number for number in range(100_000))
    endless = Page(2_000, b"<html><body><p " + attributes + b">x</p></body></html>")
    corpus.add(Page(1, article(1)), endless, Page(3_000, article(3)))
    settings = ExtractSettings(cpu_seconds=1.5)
    original = parts.write_json

    def stopped(path: Path, value: object) -> None:
        original(path, value)
        if isinstance(value, str):  # stopped right after the page was written down, before its part was
            raise WebtextError("stopped")

    monkeypatch.setattr(parts, "write_json", stopped)
    with pytest.raises(WebtextError, match="stopped"):
        corpus.extract(settings=settings)
    monkeypatch.undo()
    asked = []
    examine = IsolatedExtractor.examine

    def counted(self: IsolatedExtractor, page: PageBytes) -> Extracted | Rejection:
        asked.append(page.url)
        return examine(self, page)

    monkeypatch.setattr(IsolatedExtractor, "examine", counted)
    corpus.extract(settings=settings)
    assert corpus.outcomes() == {2_000: "extract-timeout"}
    assert "https://example.org/2000" not in asked
    assert len(corpus.documents()) == 2


def test_parts_that_exist_are_not_made_again(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus.add(*many(range(1, 40)))
    monkeypatch.setattr(extract, "sorted_output", _fail)
    with pytest.raises(KeyboardInterrupt):
        corpus.extract()
    monkeypatch.undo()
    made = {path: path.stat().st_mtime_ns for path in (corpus.folder / "work").rglob("outcomes/*.parquet")}
    assert len(made) > 16
    monkeypatch.setattr(extract, "make_part", _fail)
    manifest = corpus.extract()
    assert manifest.rows_in == 39


def _fail(*args: object, **more: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("workers", [1, 2])
def test_a_flipped_byte_in_a_segment_is_an_error_that_names_it(corpus: Corpus, workers: int) -> None:
    corpus.add(*many(range(1, 40)))
    path = corpus.folder / "pages/segment-00000.warc.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match="no whole response record") as found:
        corpus.extract(workers=workers)
    assert "segment-00000.warc.gz at byte" in str(found.value.where)
    assert not (corpus.folder / "documents").exists()
