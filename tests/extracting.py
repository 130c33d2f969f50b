"""Corpora whose links and pages are written by hand, for tests of the stage documents."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crawling import claim

from webtext.corpus.config import shaping
from webtext.corpus.files import identity_of, read_parquet, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS, LINKS, OUTCOMES
from webtext.corpus.settings import ExtractSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.ledger import PAGE, Ended, Ledger, Placed
from webtext.crawler.fetch.records import StoredResponse, response_records
from webtext.crawler.fetch.warc import Segments
from webtext.crawler.text.rules import RULES
from webtext.crawler.text.stretches import read_stretches
from webtext.pipelines import extract, extract_plan
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
            claim(ledger, 1_000_000)
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


def fresh_keys(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The keys of pages that are handed to workers from now on (in this process)."""
    keys: list[int] = []
    original = extract_plan._parts

    def parts(run: StageRun, fresh: Sequence[Path], workers: int) -> Any:
        for rows in read_stretches(fresh, ["key"]):
            keys.extend(rows["key"].to_pylist())
        return original(run, fresh, workers)

    monkeypatch.setattr(extract_plan, "_parts", parts)
    return keys
