"""Extraction: speed and quality beside other extractors, language, isolation, memory, workers.

usage: extract.py DATA [--peers PYTHON] [--memory PAGES] [--workers COPIES] [--plan PAGES] [--write docs/benchmarks.md]

DATA holds web/gold.json and web/web.warc.gz. What is compared takes turns on each page in one run, in processor time.
PYTHON has resiliparse and readability-lxml: python -m venv peers && peers/bin/pip install resiliparse readability-lxml
lxml_html_clean. `--memory` sends so many made-up pages through the extractor, `--workers` makes a corpus of so many
copies of the pages and extracts it with one worker and with two; `--plan` plans the extraction of so many pages that
there are addresses of, and reads none.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from sections import heading, write_section

from webtext.corpus.config import shaping
from webtext.corpus.files import read_parquet, write_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import LINKS, signed_key
from webtext.corpus.settings import ExtractSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.ledger import PAGE, Ended, Ledger, Placed
from webtext.crawler.fetch.records import StoredResponse, response_records
from webtext.crawler.fetch.warc import Segments
from webtext.crawler.text import language
from webtext.crawler.text.evaluation import OWN, GoldPage, evaluate, read_gold
from webtext.crawler.text.examine import examine
from webtext.crawler.text.gate import Evaluation
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.results import Extracted, PageBytes, TextRules
from webtext.crawler.text.rules import RULES
from webtext.pipelines import extract
from webtext.pipelines.engine import Engine

ENGLISH = TextRules(("en",), 0.9, 40)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def page_bytes(html: str, url: str) -> PageBytes:
    """A page as the crawl would give it."""
    return PageBytes(url, "text/html; charset=utf-8", html.encode("utf-8", "replace"))


def whole_page(html: str, url: str) -> str:
    """All that a worker does with a page: charset, text, rules, language, measures."""
    found = examine(page_bytes(html, url), ENGLISH)
    return found.text if isinstance(found, Extracted) else ""


def speed(pages: Sequence[GoldPage], peers: Path | None) -> list[str]:
    """Quality and speed of all, in one run."""
    extractors = {**OWN, "webtext, all of it": whole_page}
    report = Evaluation(tuple(evaluate(pages, peers=peers, extractors=extractors)), ())
    took = {score.extractor: score.milliseconds for score in report.scores if score.source == "all"}
    default, fast = took["trafilatura"], took["trafilatura fast"]
    lines = [*str(report).splitlines(), ""]
    for name in ("webtext", "webtext, all of it"):
        lines.append(
            f"{name}: {default / took[name]:.2f} x as fast as trafilatura's default, "
            f"{took[name] / fast:.2f} x the time of its `fast`"
        )
    return lines


def isolation(pages: Sequence[GoldPage]) -> list[str]:
    """The same pages in this process and in a child, page by page; a child's processor time and our own beside it."""
    inside = outside = 0.0
    with IsolatedExtractor(ENGLISH, 60) as extractor:
        extractor.examine(page_bytes(pages[0].html, pages[0].url))
        examine(page_bytes(pages[0].html, pages[0].url), ENGLISH)
        child = psutil.Process(extractor.pid)
        before = sum(child.cpu_times()[:2])
        for number, page in enumerate(pages):
            data = page_bytes(page.html, page.url)
            for here in (True, False) if number % 2 else (False, True):  # who comes second finds other caches
                started = time.process_time()
                if here:
                    examine(data, ENGLISH)
                    inside += time.process_time() - started
                else:
                    extractor.examine(data)
                    outside += time.process_time() - started
        outside += sum(child.cpu_times()[:2]) - before
    return [
        f"isolation: {inside / len(pages) * 1e3:.2f} ms a page in this process, {outside / len(pages) * 1e3:.2f} ms in "
        f"one that may be killed: {outside / inside - 1:+.1%}"
    ]


def languages(pages: Sequence[GoldPage]) -> list[str]:
    """Whole English documents: langdetect alone against ours, audits included."""
    texts = [page.text for page in pages]
    texts = [text for text in texts if len(text) >= 5_000 and language.detect_language(text)[0] == "en"][:100]
    alone = ours = 0.0
    different = 0
    for text in texts:
        started = time.process_time()
        slow = language.probabilities(text)
        middle = time.process_time()
        fast = language.detect_language(text)
        ours += time.process_time() - middle
        alone += middle - started
        different += (slow[0][0] == "en" and slow[0][1] >= 0.9) != (fast[0] == "en" and fast[1] >= 0.9)
    characters = sum(map(len, texts)) // len(texts)
    return [
        f"language: {len(texts)} whole English documents of {characters:,} characters: langdetect "
        f"{alone / len(texts) * 1e3:.2f} ms, ours {ours / len(texts) * 1e3:.3f} ms, {alone / ours:.0f} x; "
        f"{different} other decisions"
    ]


def made_up(count: int) -> Iterator[PageBytes]:
    """Small pages, no two alike: articles, lists, error pages, pages that are cut, binary data."""
    for number in range(count):
        sentence = (
            f"In the year {number} the keeper of lighthouse {number * 7} wrote to the council about lamp {number}. "
        )
        kind = number % 10
        body = f"<html><head><title>Light {number}</title></head><body><nav><a href=/{number}>x</a></nav><article>"
        body += f"<p>{sentence * 2}</p>" * (2 + number % 7) + "</article></body></html>"
        if kind == 7:
            body = "<html><body>" + f"<div><a href=/{number}>{number}</a></div>" * 60
        if kind == 8:
            body = body[: len(body) // 2]
        data = body.encode() if kind != 9 else bytes((number * step) % 256 for step in range(500))
        yield PageBytes(f"https://example.org/{number}", "text/html", data)


def memory(count: int) -> list[str]:
    """The tree's PSS while many pages go through one extractor."""
    lines = []
    with IsolatedExtractor(ENGLISH, 10) as extractor:
        for number, page in enumerate(made_up(count), 1):
            extractor.examine(page)
            if number % (count // 10) == 0 or number == min(1_000, count):
                child, own = psutil.Process(extractor.pid), psutil.Process()
                pss = [process.memory_full_info().pss / 2**20 for process in (own, child)]
                lines.append(f"memory: {number:>7,} pages, {pss[0]:.1f} MiB here, {pss[1]:.1f} MiB in the child")
    return lines


def make_corpus(folder: Path, pages: Sequence[GoldPage], copies: int) -> Path:
    """A corpus whose pages/ hold copies of the pages, each under an address of its own."""
    rows, bodies = [], [page.html.encode("utf-8", "replace") for page in pages]
    for key in range(1, copies * len(pages) + 1):
        url = f"https://example.org/{key}"
        rows.append(
            {"key": key, "url": url, "domain": "example.org", "karma": 3, "submissions": [], "first_posted": None}
        )
    links = folder / "links/part-00000.parquet"
    links.parent.mkdir(parents=True)
    (folder / "pages").mkdir()
    write_parquet(links, pa.Table.from_pylist(rows, LINKS), LINKS)
    headers = [("Content-Type", "text/html; charset=utf-8")]
    with Ledger.writing(folder / "pages/ledger.sqlite") as ledger:
        segments = Segments(folder / "pages", ledger.segments(), {"software": "benchmark"})
        ledger.add_links(read_parquet(links, LINKS))
        ledger.claim_keys([key for key, _ in list(ledger.waiting())])
        ended = []
        for row in rows:
            stored = StoredResponse(row["url"], 200, headers, bodies[(row["key"] - 1) % len(bodies)], BEGIN)
            records = response_records(row["key"], 0, stored, None)
            hop = Placed(records, *segments.append(records.response))
            ended.append(Ended(row["key"], PAGE, final_key=row["key"], hops=(hop,)))
        ledger.commit(ended, segments.sync())
        segments.close()
        ledger.rest()
    return links


def workers(pages: Sequence[GoldPage], copies: int) -> list[str]:
    """The whole stage with one worker and with two: wall time, and the processor time of each process.

    Where other work runs beside it the wall says little. What two free cores would show follows from processor time:
    this process works before and after, and between them the slower of the workers decides.
    """
    told: list[str] = []
    spent: dict[int, dict[str, float]] = {}
    identities = set()
    with tempfile.TemporaryDirectory() as name:
        links = make_corpus(Path(name), pages, copies)
        settings = ExtractSettings()
        for count in (1, 2):
            run = StageRun.begin(
                Path(name), Stage.DOCUMENTS, settings=shaping(settings), rules=RULES, inputs={"pages": "x"}, redo=True
            )
            started = time.monotonic()
            with Spent() as watched:
                manifest = extract.make_documents(
                    run, Path(name), [links], settings, engine=Engine(count), accept_loss=True
                )
            seconds = time.monotonic() - started
            spent[count] = {**watched.by_worker(), "wall": seconds, "all": watched.total()}
            identities.add(manifest.identity)
            shares = ", ".join(f"{who} {took:.1f}" for who, took in watched.by_worker().items())
            told.append(
                f"workers: {copies * len(pages):,} pages, {count}: {seconds:.1f} s of wall clock, "
                f"{watched.total():.1f} s of processor time ({shares}), load {psutil.getloadavg()[0]:.1f}"
            )
    assert len(identities) == 1
    two = spent[2]
    slower = max(took for who, took in two.items() if who.startswith("worker"))
    return [
        *told,
        f"workers: two are {spent[1]['wall'] / two['wall']:.2f} x as fast as one by the wall clock of "
        f"{psutil.cpu_count()} cores; on cores of their own {spent[1]['all'] / (two['driver'] + slower):.2f} x; two "
        f"use {two['all'] / spent[1]['all'] - 1:+.1%} processor time",
    ]


class Spent:
    """Processor seconds of this process and of each child with all below it, read four times a second meanwhile: what
    was killed leaves no figure behind."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], tuple[int, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = time.process_time()

    def __enter__(self) -> Spent:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._driver = time.process_time() - self._before
        self._over.set()
        self._thread.join()

    def by_worker(self) -> dict[str, float]:
        """The driver (with the one worker that lives in it), and each worker process with its extractor."""
        took: dict[int, float] = {}
        for top, seconds in self._seen.values():
            took[top] = took.get(top, 0.0) + seconds
        shares = sorted(took.values(), reverse=True)
        return {"driver": self._driver, **{f"worker {n}": each for n, each in enumerate(shares, 1)}}

    def total(self) -> float:
        """All of it."""
        return sum(self.by_worker().values())

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    for process in (child, *child.children(recursive=True)):
                        with contextlib.suppress(psutil.Error):
                            times = process.cpu_times()
                            key = (process.pid, process.create_time())
                            self._seen[key] = (child.pid, times.user + times.system)


def plan(count: int) -> list[str]:
    """The plan of many pages, a tenth of them led to by two links: peak memory (RSS) of the process that makes it."""
    chance = np.random.default_rng(1)
    keys = np.unique(chance.integers(0, 2**64 - 1, count, np.uint64)).tolist()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "links").mkdir()
        (folder / "pages").mkdir()
        links = folder / "links/part-00000.parquet"
        urls = [f"https://www.site-{key % 50_000}.example/2019/a-story-about-number-{key:016x}.html" for key in keys]
        same = {"domain": "site.example", "submissions": [], "first_posted": None}
        rows = {name: [value] * len(keys) for name, value in same.items()}
        rows |= {"key": keys, "url": urls, "karma": [key % 900 for key in keys]}
        write_parquet(links, pa.table({field.name: pa.array(rows[field.name], field.type) for field in LINKS}), LINKS)
        with Ledger.writing(folder / "pages/ledger.sqlite") as ledger:
            ledger.database.execute("BEGIN")
            for row, (key, url) in enumerate(zip(keys, urls, strict=True)):
                stored = signed_key(key)
                final = signed_key(keys[row - 1]) if row % 10 == 9 else stored
                ledger.database.execute(
                    "INSERT INTO links VALUES(?, ?, 'site.example', 1, 2, 'page', '', ?, ?, 0)",
                    (stored, url, url, final),
                )
                ledger.database.execute(
                    "INSERT INTO responses VALUES(?, 0, ?, 200, 'text/html', ?, 0, 40000, ?, 1735689600)",
                    (stored, url, row // 25_000, row.to_bytes(32)),
                )
            ledger.database.execute("COMMIT")
            ledger.rest()
        measured = subprocess.run(
            [sys.executable, "-c", _PLAN, str(folder), str(links)], check=True, capture_output=True, text=True
        )
    parts, before, peak, seconds = measured.stdout.split()
    return [
        f"plan: {len(keys):,} pages in {int(parts):,} parts: {float(seconds):.1f} s of processor time, peak "
        f"{float(peak):.0f} MiB, {float(before):.0f} of them before it began"
    ]


_PLAN = r"""
import re, sys, time
from pathlib import Path
from webtext.corpus.config import shaping
from webtext.corpus.settings import ExtractSettings
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import StageRun
from webtext.crawler.text.rules import RULES
from webtext.pipelines.extract_plan import plan_work
folder, links = map(Path, sys.argv[1:])
def peak():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
settings = shaping(ExtractSettings())
run = StageRun.begin(folder, Stage.DOCUMENTS, settings=settings, rules=RULES, inputs={"pages": "x"})
before, started = peak(), time.process_time()
print(len(plan_work(run, folder, [links], 2).parts), before, peak(), time.process_time() - started)
"""


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--plan", type=int, default=0)
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = memory(arguments.memory) if arguments.memory else []  # first: the pages below take much themselves
    if arguments.plan:
        lines += plan(arguments.plan)
    pages = read_gold(arguments.data / "web/gold.json", [arguments.data / "web/web.warc.gz"])
    language.warm_up()
    if not arguments.skip_speed:
        lines += [*speed(pages, arguments.peers), *isolation(pages), *languages(pages)]
    if arguments.workers:
        lines += workers(pages, arguments.workers)
    print("\n".join(lines))
    if arguments.write:
        head = heading(("trafilatura", "lxml", "langdetect", "langdetect_rs"))
        write_section("extract", "\n".join([head, "", "```", *lines, "```"]), arguments.write)


if __name__ == "__main__":
    main()
