"""How good extraction is: precision, recall and F1 against reviewed texts, by their source, beside other extractors.

Everything is measured in one run over the same decoded pages, the extractors taking turns on each, so that figures of
time compare, too. A recorded baseline makes a gate of it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trafilatura
from fastwarc.warc import ArchiveIterator, WarcRecordType

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.crawler.text import peer_texts
from webtext.crawler.text.encoding import decode_page
from webtext.crawler.text.main_text import extract_main_text
from webtext.crawler.text.rescue import warm_up
from webtext.crawler.text.scoring import fourgram_f1

ALL = "all"
OURS = "webtext"
TOLERANCE = 0.0005
"""What a mean may lie below its baseline: half a unit of the last figure that is reported."""

OWN: Mapping[str, Callable[[str, str], str]] = {
    OURS: lambda html, url: extract_main_text(html, url).text,
    "trafilatura": lambda html, url: trafilatura.extract(html) or "",
    "trafilatura fast": lambda html, url: trafilatura.extract(html, fast=True, include_comments=False) or "",
}


@dataclass(frozen=True)
class Score:
    """Means over the pages of one source: F1, precision and recall of 4-grams in 0..1, milliseconds of processor time
    a page."""

    extractor: str
    source: str
    pages: int
    f1: float
    precision: float
    recall: float
    milliseconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class GoldPage:
    """A page with its reviewed text."""

    name: str
    url: str
    html: str
    text: str

    @property
    def source(self) -> str:
        """Where the page is from: what stands before the first dash of its name."""
        return self.name.partition("-")[0]


def read_gold(gold: Path, archives: Sequence[Path]) -> list[GoldPage]:
    """The pages of a file {name: {"url", "text"}}, decoded, their bytes from WARC files.

    Raises:
        WebtextError: no such file, another form, or a page that is in none of the archives.
    """
    with os_errors(gold):
        raw = gold.read_bytes()
    try:
        wanted = {str(page["url"]): (str(name), str(page["text"])) for name, page in json.loads(raw).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        form = '{"source-1": {"url": "https://…", "text": "…"}, …}'
        raise WebtextError(f"is no file of reviewed texts: {error}", where=gold, hint=f"its form is {form}") from error
    pages: dict[str, GoldPage] = {}
    for archive in archives:
        for url, content_type, body in _responses(archive):
            if url in wanted and url not in pages:
                name, text = wanted[url]
                pages[url] = GoldPage(name, url, decode_page(body, content_type).text, text)
    missing = sorted(set(wanted) - set(pages))
    if missing:
        hint = "name the WARC files that hold them: --pages FILE (may be repeated)"
        raise WebtextError(f"{len(missing):,} pages are in no archive, first {missing[0]}", where=gold, hint=hint)
    return sorted(pages.values(), key=lambda page: page.name)


def _responses(archive: Path) -> Iterator[tuple[str, str, bytes]]:
    with os_errors(archive), archive.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True, record_types=WarcRecordType.response):
            if record.http_headers is not None:
                kind = str(record.http_headers.get("Content-Type", ""))
                yield str(record.headers["WARC-Target-URI"]), kind, record.reader.read()


def evaluate(
    pages: Sequence[GoldPage],
    *,
    peers: Path | None = None,
    extractors: Mapping[str, Callable[[str, str], str]] = OWN,
) -> list[Score]:
    """Score the extractors, each over all pages and over those of each source.

    Args:
        peers: a Python interpreter whose environment has other extractors (`peer_texts`).
    """
    results: dict[str, dict[str, tuple[float, float, float, float]]] = defaultdict(dict)
    warm_up()
    for extract in extractors.values():
        extract("<html><body><p>what takes long to load is loaded now</p></body></html>", "http://example.org/")
    with _peers(peers) as ask:
        for page in pages:
            for name, extract in extractors.items():
                started = time.process_time()
                text = extract(page.html, page.url)
                seconds = time.process_time() - started
                results[name][page.name] = (*fourgram_f1(text, page.text), seconds)
            for name, text, seconds in ask(page):
                results[name][page.name] = (*fourgram_f1(text, page.text), seconds)
    sources = [ALL, *sorted({page.source for page in pages})]
    return [
        _mean(name, source, [found[page.name] for page in pages if source in (ALL, page.source)])
        for name, found in results.items()
        for source in sources
    ]


def _mean(name: str, source: str, rows: Sequence[tuple[float, float, float, float]]) -> Score:
    f1, precision, recall, seconds = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return Score(name, source, len(rows), f1, precision, recall, seconds * 1_000)


Ask = Callable[[GoldPage], list[tuple[str, str, float]]]


@contextlib.contextmanager
def _peers(python: Path | None) -> Iterator[Ask]:
    """A function that gives a page to the peers' process: (extractor, text, seconds) of each."""
    if python is None:
        yield lambda page: []
        return
    script = str(Path(peer_texts.__file__))
    with os_errors(python):
        process = subprocess.Popen(
            [str(python), "-I", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    names: list[str] = []

    def read() -> tuple[str, str, float]:
        line = stdout.readline()
        if not line:
            raise WebtextError("the peers' process ended", where=str(python), hint=f"try it by hand: {script}")
        found = json.loads(line)
        return str(found["extractor"]), str(found["text"]), float(found["seconds"])

    def ask(page: GoldPage) -> list[tuple[str, str, float]]:
        stdin.write(json.dumps({"id": page.name, "html": page.html}) + "\n")
        stdin.flush()
        return [read() for _ in names]

    try:
        listed = subprocess.run(
            [str(python), "-I", "-c", _LIST], capture_output=True, text=True, check=False, timeout=60
        ).stdout.split()
        names += listed
        if not names:
            hint = "resiliparse and readability-lxml are looked for"
            raise WebtextError("has none of the peers installed", where=str(python), hint=hint)
        yield ask
    finally:
        stdin.close()
        process.terminate()
        process.wait()


_LIST = """
import importlib.util
print(*[name for name in ("resiliparse", "readability") if importlib.util.find_spec(name)])
"""


def below_baseline(scores: Sequence[Score], baseline: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Where our own scores lie below a baseline {source: {"f1", "precision", "recall"}}, in words."""
    ours = {score.source: score for score in scores if score.extractor == OURS}
    found = []
    for source, wanted in baseline.items():
        if source not in ours:
            found.append(f"{source}: no such pages")
            continue
        for name, least in wanted.items():
            value = float(getattr(ours[source], name))
            if value < least - TOLERANCE:
                found.append(f"{source}: {name} is {value:.4f}, its baseline {least:.4f}")
    return found


def baseline_of(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """Our own scores as a baseline."""
    return {
        score.source: {name: round(float(getattr(score, name)), 4) for name in ("f1", "precision", "recall")}
        for score in scores
        if score.extractor == OURS
    }
