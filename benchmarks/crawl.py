"""How fast pages come in, beside plain Scrapy: real pages over real HTTP on this machine, by processor seconds.

    python benchmarks/crawl.py speed [--warc FILE] [--hosts 150] [--rounds 3]

One server process, and each way in a process of its own, round after round, so that all meet the same moods of the
machine. Ours obeys robots.txt, guards addresses, checks each page (encoding, opt-outs), and keeps ledger and WARC;
the peer (`crawl_peers.py`) keeps nothing, and is shown once without robots.txt and once with it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PAGES_A_HOST = 20


@contextmanager
def served(*arguments: str) -> Iterator[int]:
    """The port of a server process."""
    command = [sys.executable, str(HERE / "crawl_server.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait()


def speed(arguments: argparse.Namespace) -> None:
    """A table: pages a processor second, and ratios."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch, served(arguments.warc) as port:
        urls = Path(scratch) / "urls"
        addresses = [
            f"http://h{host}.example:{port}/{page}" for page in range(PAGES_A_HOST) for host in range(arguments.hosts)
        ]
        urls.write_text("\n".join(addresses))
        ways = {
            "webtext": [sys.executable, __file__, "ours", str(urls)],
            "scrapy": [arguments.peers, str(HERE / "crawl_peers.py"), str(urls)],
            "scrapy, robots.txt obeyed": [arguments.peers, str(HERE / "crawl_peers.py"), str(urls), "--robots"],
        }
        for number in range(arguments.rounds):
            for way, command in ways.items():
                if arguments.only and way != arguments.only:
                    continue
                done = subprocess.run(
                    [*command, *([str(Path(scratch) / f"{number}")] if way == "webtext" else [])],
                    check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if way != "webtext" else None,
                )  # fmt: skip
                figures = json.loads(done.stdout.splitlines()[-1])
                if figures["answers"] != len(addresses):
                    raise SystemExit(f"{way}: {figures['answers']} answers to {len(addresses)} requests")
                found.setdefault(way, []).append(figures)
    print(
        f"{len(addresses):,} pages of {arguments.hosts} hosts, {arguments.rounds} rounds; load {os.getloadavg()[0]:.1f}"
    )
    for way, rounds in found.items():
        cpu = [turn["answers"] / turn["cpu"] for turn in rounds]
        ratios = [one["cpu"] / own["cpu"] for one, own in zip(rounds, found.get("webtext", rounds), strict=True)]
        print(
            f"  {way:<28}{statistics.median(cpu):7.0f} pages/CPU s ({min(cpu):.0f} to {max(cpu):.0f})   "
            f"wall {statistics.median(turn['wall'] for turn in rounds):5.1f} s   "
            f"webtext is {statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def ours(arguments: argparse.Namespace) -> None:
    """One crawl in this process."""
    import pyarrow as pa

    from webtext.corpus.config import CrawlSettings
    from webtext.crawler.fetch import components, process, spider  # noqa: F401  (imports are not part of the crawl)
    from webtext.crawler.fetch.ledger import Ledger
    from webtext.crawler.fetch.ledger_file import LEDGER_NAME
    from webtext.crawler.fetch.plan import Plan
    from webtext.crawler.reddit.urls import host_of, url_key

    urls = arguments.urls.read_text().split()
    arguments.folder.mkdir(parents=True)
    with Ledger.writing(arguments.folder / LEDGER_NAME) as ledger:
        keys = pa.array([url_key(url) for url in urls], pa.uint64())
        ledger.add_links(pa.table({"key": keys, "url": urls, "domain": ["example"] * len(urls)}))
    settings = CrawlSettings(delay=0.0, concurrency=100, contact="benchmark@example.org")
    plan = Plan(
        pages=arguments.folder.absolute(),
        settings=settings,
        parent=os.getppid(),
        allow_loopback={host_of(url): "127.0.0.1" for url in urls},
    )
    profiler = None
    if arguments.profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    wall, cpu = time.monotonic(), time.process_time()
    process.crawl(plan)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    if profiler is not None:
        profiler.disable()
        profiler.dump_stats(arguments.profile)
    with Ledger.writing(arguments.folder / LEDGER_NAME) as ledger:
        _, outcomes = ledger.counts()
    # A few real pages opt out: they are read whole, and kept from the archive.
    answers = outcomes["page"] + outcomes["opt-out"]
    print(json.dumps({"answers": answers, "pages": outcomes["page"], "cpu": cpu, "wall": wall}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("speed")
    one.add_argument("--warc", default="", help="a WARC file with real pages; made-up ones without it")
    one.add_argument("--hosts", type=int, default=150)
    one.add_argument("--rounds", type=int, default=3)
    one.add_argument("--peers", default=sys.executable, help="the Python with Scrapy for the peer")
    one.add_argument("--only", default="")
    one.add_argument("--folder", default=None)
    one.set_defaults(run=speed)
    one = commands.add_parser("ours")
    one.add_argument("urls", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("--profile", default="")
    one.set_defaults(run=ours)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
