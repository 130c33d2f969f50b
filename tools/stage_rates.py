"""What each stage of a corpus takes on this machine: rows a second and bytes a row, over a little web.

usage: stage_rates.py [PAGES] [HOSTS]

The table of docs/a-month.md is made with it. It compares with nothing (see benchmarks/ for that) and asks for nothing
outside of this machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from webtext.api import Corpus
from webtext.demo.dump import DUMP_NAME, Dump
from webtext.demo.little_web import LittleWeb
from webtext.demo.server import WebServer
from webtext.reports import StageReport

WORKERS = 2
SUBMISSIONS_A_LINK = 40
"""Lines of the dump for each link that is followed: most have too little karma."""


def size_of(*folders: Path) -> int:
    """Bytes below some folders."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def measure(name: str, folders: tuple[Path, ...], unit: str, work: Callable[[], StageReport]) -> None:
    """Run a stage and print its line."""
    wall, cpu = time.monotonic(), sum(os.times()[:4])
    report = work()
    wall, cpu = time.monotonic() - wall, sum(os.times()[:4]) - cpu
    size = size_of(*folders)
    print(
        f"{name:<9} {report.rows_in:>9,} {unit:<10} {wall:>6.1f} s {cpu:>6.1f} CPU s "
        f"{report.rows_in / cpu:>9,.0f}/CPU s {size / 1e6:>7.1f} MB {size / max(report.rows_out, 1):>7,.0f} B a row",
        flush=True,
    )


def main() -> None:
    """Make a web, walk it, print a table."""
    pages, hosts = map(int, (*sys.argv[1:], *("4000", "400")[len(sys.argv) - 1 :]))
    web = LittleWeb(hosts=hosts, pages=pages, fastest=0.02, slowest=0.2, silent=0.0)
    dump = Dump()
    for number, url in enumerate(web.urls()):
        dump.post(url, 10)
        for extra in range(SUBMISSIONS_A_LINK - 1):
            dump.post(f"http://unloved.example/{number}/{extra}", extra % 3, selftext="A few words. " * 100)
    with tempfile.TemporaryDirectory(prefix="stage-rates-") as name:
        folder = Path(name)
        dump.write(folder / DUMP_NAME)
        plain = sum(map(len, dump.lines))
        print(f"{len(dump.lines):,} lines, {plain / 1e6:,.0f} MB; {WORKERS} workers")
        corpus = Corpus(folder / "corpus")
        path = corpus.path
        measure("links", (path / "links",), "lines", lambda: corpus.links(folder / DUMP_NAME, workers=WORKERS))
        server = WebServer(web)
        with server.running():
            table = server.resolver_table()
            measure("crawl", (path / "pages",), "links", lambda: corpus.crawl(delay=0.0, _little_web=table))
        measure("extract", (path / "documents",), "pages", lambda: corpus.extract(workers=WORKERS))
        measure("dedup", (path / "clean",), "documents", lambda: corpus.dedup(workers=WORKERS))
        tokenize = ("tokenize", (path / "shards", path / "tokenizer"), "documents")
        measure(*tokenize, lambda: corpus.tokenize(vocab_size=8192, workers=WORKERS))


if __name__ == "__main__":
    main()
