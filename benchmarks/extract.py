"""Extraction: speed and quality beside other extractors, language, isolation, memory, workers.

usage: extract.py DATA [--peers PYTHON] [--memory PAGES] [--workers COPIES] [--write docs/benchmarks.md]

DATA holds web/gold.json and web/web.warc.gz. What is compared takes turns on each page in one run, in processor time.
PYTHON has resiliparse and readability-lxml: python -m venv peers && peers/bin/pip install resiliparse readability-lxml
lxml_html_clean. `--memory` sends so many made-up pages through the extractor, `--workers` makes a corpus of so many
copies of the pages and extracts it with one worker and with two.
"""

from __future__ import annotations

import argparse
import platform
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import pyarrow as pa

from webtext.corpus.config import ExtractSettings, shaping
from webtext.corpus.files import read_parquet, write_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import LINKS
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
        for page in pages:
            started = time.process_time()
            examine(page_bytes(page.html, page.url), ENGLISH)
            middle = time.process_time()
            extractor.examine(page_bytes(page.html, page.url))
            inside += middle - started
            outside += time.process_time() - middle
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
        ledger.claim(len(rows))
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
    """The whole stage with one worker and with two."""
    seconds, identities = {}, set()
    with tempfile.TemporaryDirectory() as name:
        links = make_corpus(Path(name), pages, copies)
        settings = ExtractSettings()
        for count in (1, 2):
            run = StageRun.begin(
                Path(name), Stage.DOCUMENTS, settings=shaping(settings), rules=RULES, inputs={"pages": "x"}, redo=True
            )
            started = time.monotonic()
            manifest = extract.make_documents(
                run, Path(name), [links], settings, engine=Engine(count), accept_loss=True
            )
            seconds[count] = time.monotonic() - started
            identities.add(manifest.identity)
    assert len(identities) == 1
    return [
        f"workers: {copies * len(pages):,} pages, one worker {seconds[1]:.1f} s, two {seconds[2]:.1f} s: "
        f"{seconds[1] / seconds[2]:.2f} x (wall; {psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f})"
    ]


def write_section(path: Path, lines: Sequence[str]) -> None:
    """Put the lines under `## extract` of a Markdown file."""
    tools = ", ".join(f"{name} {version(name)}" for name in ("trafilatura", "lxml", "langdetect", "langdetect_rs"))
    head = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, {tools}."
    section = "\n".join(["## extract", "", head, "", "```", *lines, "```", ""])
    before = path.read_text() if path.exists() else "# Benchmarks\n"
    without = re.sub(r"\n*## extract\n.*?(?=\n## |\Z)", "", before, flags=re.DOTALL).rstrip()
    path.write_text(f"{without}\n\n{section}")


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = memory(arguments.memory) if arguments.memory else []  # first: the pages below take much themselves
    pages = read_gold(arguments.data / "web/gold.json", [arguments.data / "web/web.warc.gz"])
    language.warm_up()
    if not arguments.skip_speed:
        lines += [*speed(pages, arguments.peers), *isolation(pages), *languages(pages)]
    if arguments.workers:
        lines += workers(pages, arguments.workers)
    print("\n".join(lines))
    if arguments.write:
        write_section(arguments.write, lines)


if __name__ == "__main__":
    main()
