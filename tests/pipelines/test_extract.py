"""The stage documents: pages become documents or outcomes, whoever works on them and however they came."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webtext.corpus import files
from webtext.corpus.config import ExtractSettings, shaping
from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import identity_of, read_parquet, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS, LINKS, OUTCOMES, key_text
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.ledger import PAGE, Ended, Ledger, Placed
from webtext.crawler.fetch.records import StoredResponse, response_records
from webtext.crawler.fetch.warc import Segments
from webtext.crawler.text import parts
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.results import Extracted, PageBytes, Rejection
from webtext.crawler.text.rules import RULES
from webtext.pipelines import extract
from webtext.pipelines.engine import Engine

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
SETTINGS = ExtractSettings(cpu_seconds=5.0)
SENTENCES = (
    "The keeper of the lighthouse number {0} climbed its {0} steps every evening, in summer and in winter.",
    "When the lamp of number {0} was made electric he stayed on as a guide and told the visitors about the storms.",
    "In thirty years no ship was lost within sight of number {0}, and of that he was prouder than of his medal.",
)
GERMAN = "Der Wärter des Leuchtturms {0} stieg jeden Abend die Stufen hinauf, um die Lampe zu entzünden. " * 5


def article(number: int) -> bytes:
    text = "".join(f"<p>{sentence.format(number)}</p>" for sentence in SENTENCES)
    return f"<html><head><title>Light {number}</title></head><body><article>{text}</article></body></html>".encode()


def article_text(number: int) -> str:
    return "\n".join(sentence.format(number) for sentence in SENTENCES)


@dataclass(frozen=True)
class Page:
    """A link and what lies behind it."""

    key: int
    body: bytes
    karma: int = 3
    final_key: int | None = None
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),)
    day: int = 0

    @property
    def url(self) -> str:
        return f"https://example.org/{self.key}"


@dataclass
class Corpus:
    """A corpus whose links and pages are written by hand."""

    folder: Path
    pages: list[Page] = field(default_factory=list)
    karma: dict[int, int] = field(default_factory=dict)

    def add(self, *pages: Page) -> Corpus:
        self.pages += pages
        self._write_links()
        with Ledger.writing(self.ledger) as ledger:
            segments = Segments(self.ledger.parent, ledger.segments(), {"software": "test"})
            ledger.add_links(read_parquet(self.links, LINKS))
            ledger.claim(1_000_000)
            ended = [self._end(segments, page) for page in pages]
            ledger.commit(ended, segments.sync())
            segments.close()
            ledger.rest()
        return self

    def _end(self, segments: Segments, page: Page) -> Ended:
        final_key = page.key if page.final_key is None else page.final_key
        stored = StoredResponse(
            f"https://example.org/{final_key}", 200, list(page.headers), page.body, BEGIN + timedelta(days=page.day)
        )
        records = response_records(page.key, 0, stored, None)
        return Ended(page.key, PAGE, final_key=final_key, hops=(Placed(records, *segments.append(records.response)),))

    def _write_links(self) -> None:
        rows = [
            {
                "key": page.key,
                "url": page.url,
                "domain": "example.org",
                "karma": self.karma.get(page.key, page.karma),
                "submissions": [],
                "first_posted": BEGIN + timedelta(days=page.key % 50) if page.key % 3 else None,
            }
            for page in sorted(self.pages, key=lambda page: page.key)
        ]
        write_parquet(self.links, pa.Table.from_pylist(rows, LINKS), LINKS)

    @property
    def links(self) -> Path:
        return self.folder / "links" / "part-00000.parquet"

    @property
    def ledger(self) -> Path:
        path = self.folder / "pages" / "ledger.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def extract(self, *, workers: int = 1, settings: ExtractSettings = SETTINGS, redo: bool = False) -> Manifest:
        with Ledger.reading(self.ledger) as ledger:
            inputs = {"pages": identity_of([ledger.identity(), sorted(self.karma.items())])}
        run = StageRun.begin(
            self.folder, Stage.DOCUMENTS, settings=shaping(settings), rules=RULES, inputs=inputs, redo=redo
        )
        assert not run.done
        return extract.make_documents(
            run, self.folder, [self.links], settings, engine=Engine(workers), accept_loss=False
        )

    def documents(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = read_parquet(self.folder / "documents/part-00000.parquet", DOCUMENTS).to_pylist()
        return rows

    def outcomes(self) -> dict[int, str]:
        rows = read_parquet(self.folder / "outcomes/documents-00000.parquet", OUTCOMES).to_pylist()
        assert all(row["stage"] == "documents" for row in rows)
        assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
        return {row["key"]: row["outcome"] for row in rows}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "corpus")


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert psutil.wait_procs(left, timeout=5)[1] == []


MIXED = (
    Page(1, article(1)),
    Page(2, b"<html><body></body></html>"),
    Page(3, b"<html><body><p>Too few words to be of use.</p></body></html>"),
    Page(4, f"<html><body><p>{GERMAN.format(4)}</p></body></html>".encode()),
    Page(5, zlib.compress(article(5)), headers=(("Content-Type", "text/html"), ("Content-Encoding", "deflate"))),
    Page(6, article_text(6).encode(), headers=(("Content-Type", "text/plain"),)),
    Page(7, b"\x1f\x8b damaged", headers=(("Content-Type", "text/html"), ("Content-Encoding", "gzip"))),
    Page(8, article(9), final_key=9, karma=70),
    Page(9, article(9)),
    Page(10, article(11), final_key=11, karma=5),
    Page(12, article(11), final_key=11, karma=6),
    Page(2**64 - 1, article(13)),
)
FATES = {
    2: "empty", 3: "too-short", 4: "language", 7: "extract-error", 8: "duplicate-redirect", 10: "duplicate-redirect",
}  # fmt: skip


def test_pages_become_documents_or_outcomes(corpus: Corpus) -> None:
    manifest = corpus.add(*MIXED).extract()
    rows = corpus.documents()
    assert [row["key"] for row in rows] == [1, 5, 6, 9, 12, 2**64 - 1]
    assert [row["text"] for row in rows] == [article_text(number) for number in (1, 5, 6, 9, 11, 13)]
    assert corpus.outcomes() == FATES
    assert (manifest.rows_in, manifest.rows_out) == (12, 6)
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


def test_a_hostile_page_ends_as_an_outcome_and_costs_no_other(corpus: Corpus) -> None:
    bomb = zlib.compressobj(wbits=31)
    body = bomb.compress(b"<html><body>" + b"<p>" * 17_000_000) + bomb.flush()  # 50 MB
    pages = [Page(number, article(number)) for number in range(1, 5)]
    headers = (("Content-Type", "text/html"), ("Content-Encoding", "gzip"))
    corpus.add(*pages, Page(3_000, body, headers=headers)).extract(settings=ExtractSettings(cpu_seconds=1.0))
    assert corpus.outcomes() == {3_000: "extract-timeout"}
    assert len(corpus.documents()) == 4


def test_no_pages_make_an_empty_stage(corpus: Corpus) -> None:
    manifest = corpus.add().extract()
    assert (manifest.rows_in, manifest.rows_out, dict(manifest.outcomes)) == (0, 0, {})
    assert corpus.documents() == []
    assert corpus.outcomes() == {}


def many(numbers: Sequence[int]) -> list[Page]:
    """A mixed lot of pages: every fifth is German, every seventh leads to the one before it."""
    pages = []
    for number in numbers:
        body = article(number)
        if number % 5 == 0:
            body = f"<html><body><p>{GERMAN.format(number)}</p></body></html>".encode()
        final_key = number - 1 if number % 7 == 0 else number
        pages.append(Page(number, body, karma=number % 11, final_key=final_key))
    return pages


@pytest.mark.slow
def test_more_workers_write_the_same_bytes(tmp_path: Path) -> None:
    one = Corpus(tmp_path / "one").add(*many(range(1, 60))).extract(workers=1)
    two = Corpus(tmp_path / "two").add(*many(range(1, 60))).extract(workers=2)
    assert one.files == two.files
    assert one.identity == two.identity


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "workers"), [(50_000, 2), (7, 1)])
def test_growing_gives_what_doing_all_at_once_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, workers: int
) -> None:
    if workers == 1:  # the workers of this process alone would know of these
        monkeypatch.setitem(extract.ROWS_PER_FILE, "documents", rows)
        monkeypatch.setitem(extract.ROWS_PER_FILE, "outcomes", rows)
        monkeypatch.setattr(files, "ROW_GROUP_ROWS", 3)
    first, second = many(range(1, 60, 2)), many(range(2, 60, 2))
    grown = Corpus(tmp_path / "grown").add(*first)
    grown.extract()
    grown.karma = {1: 99, 13: 5_000}  # new submissions of known links
    grown.add(*second)
    extracted = _extracted(monkeypatch)
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


def _extracted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The keys of pages that are handed to workers from now on (in this process)."""
    keys: list[int] = []
    original = extract._parts

    def parts(run: StageRun, rows: pa.Table, workers: int) -> Any:
        keys.extend(rows["key"].to_pylist())
        return original(run, rows, workers)

    monkeypatch.setattr(extract, "_parts", parts)
    return keys


def test_a_page_fetched_anew_is_extracted_anew_and_so_are_all_rejections(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.add(*MIXED).extract()
    for path in corpus.ledger.parent.iterdir():
        path.unlink()
    pages, corpus.pages = corpus.pages, []
    changed = [Page(1, article(100), day=9) if page.key == 1 else page for page in pages]
    changed = [Page(2, article(200), day=9) if page.key == 2 else page for page in changed]
    extracted = _extracted(monkeypatch)
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
    extracted = _extracted(monkeypatch)
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
    extracted = _extracted(monkeypatch)
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


def test_a_timeout_is_written_down_at_once_and_kept_by_the_next_run(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Page(2_000, (b"<html><body>" + b"<p>" * 1_700_000))
    corpus.add(Page(1, article(1)), endless, Page(3_000, article(3)))
    settings = ExtractSettings(cpu_seconds=1.0)
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


def test_pages_without_links_are_refused(corpus: Corpus) -> None:
    corpus.add(*MIXED)
    write_parquet(corpus.links, read_parquet(corpus.links, LINKS).slice(1), LINKS)
    with pytest.raises(WebtextError, match="1 pages whose links links/ does not hold"):
        corpus.extract()


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
