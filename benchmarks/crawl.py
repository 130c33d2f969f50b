"""How fast pages come in, beside plain Scrapy: real pages over real HTTP on this machine, by processor seconds.

    python benchmarks/crawl.py speed [--warc FILE] [--hosts 150] [--rounds 3]
    python benchmarks/crawl.py million     # peak memory of a million links in ledger and feeder
    python benchmarks/crawl.py uneven      # 20,000 uneven hosts: wall time beside its lower bound

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
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

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

    from webtext.corpus.settings import CrawlSettings
    from webtext.crawler.fetch import components, process, spider  # noqa: F401  (imports are not part of the crawl)
    from webtext.crawler.fetch.plan import Plan

    settings = CrawlSettings(delay=0.0, concurrency=100, contact="benchmark@example.org")
    urls = arguments.urls.read_text().split()
    print(json.dumps(crawled(urls, arguments.folder.absolute(), settings, Plan, arguments.profile)))


def crawled(urls: list[str], pages: Path, settings: Any, plan_of: Any, profile: str = "") -> dict[str, float]:
    """One crawl in this process; its figures, without what importing takes."""
    import resource

    import pyarrow as pa

    from webtext.crawler.fetch import components, process, spider  # noqa: F401  (imports are not part of the crawl)
    from webtext.crawler.fetch.ledger import Ledger
    from webtext.crawler.fetch.ledger_file import LEDGER_NAME
    from webtext.crawler.reddit.urls import host_of, url_key

    pages.mkdir(parents=True)
    with Ledger.writing(pages / LEDGER_NAME) as ledger:
        keys = pa.array([url_key(url) for url in urls], pa.uint64())
        ledger.add_links(pa.table({"key": keys, "url": urls, "domain": ["example"] * len(urls)}))
    hosts = {host_of(url): "127.0.0.1" for url in urls}
    plan = plan_of(pages=pages, settings=settings, parent=os.getppid(), allow_loopback=hosts)
    profiler = None
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    wall, cpu = time.monotonic(), time.process_time()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # figures for a parent  # noqa: PTH123
        process.crawl(plan)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    if profiler is not None:
        profiler.disable()
        profiler.dump_stats(profile)
    with Ledger.writing(pages / LEDGER_NAME) as ledger:
        _, outcomes = ledger.counts()
    # A few real pages opt out: they are read whole, and kept from the archive.
    answers = outcomes["page"] + outcomes["opt-out"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"answers": answers, "pages": outcomes["page"], "cpu": cpu, "wall": wall, "peak": peak}


def million(arguments: argparse.Namespace) -> None:
    """Peak memory of loading so many links into the ledger, and of feeding them all; no request is made."""
    import resource

    import pyarrow as pa

    from webtext.crawler.fetch import process, spider  # noqa: F401  (what a crawl process has in memory)
    from webtext.crawler.fetch.feeder import Feeder
    from webtext.crawler.fetch.hosts import Hosts
    from webtext.crawler.fetch.ledger import Ended, Ledger

    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        with Ledger.writing(Path(scratch) / "ledger.sqlite") as ledger:
            for start in range(0, arguments.links, 50_000):
                numbers = range(start, min(start + 50_000, arguments.links))
                # Three links a host on average, very unevenly, with addresses of 80 characters.
                hosts = [f"www.host-number-{int((n * 2654435761 % 2**32) ** 0.572)}.example" for n in numbers]
                urls = [f"https://{host}/{'path/' * 5}{n}" for host, n in zip(hosts, numbers, strict=True)]
                keys = pa.array([n * 11400714819323198485 % 2**64 for n in numbers], pa.uint64())
                ledger.add_links(pa.table({"key": keys, "url": urls, "domain": hosts}))
        with Ledger.writing(Path(scratch) / "ledger.sqlite") as ledger:
            wall, cpu = time.monotonic(), time.process_time()
            queues = Hosts(ledger.waiting(), 1.0)
            ordered = time.process_time() - cpu
            clock = [0.0]
            after: dict[str, float] = {}
            feeder = Feeder(
                queues, ledger.claim_keys, next_allowed=lambda host: after.get(host, 0.0), one_a_host=True,
                clock=lambda: clock[0],
            )  # fmt: skip
            ended, largest = 0, 0
            while not feeder.finished:
                batch: list[Ended] = []
                while len(batch) < 200 and (link := feeder.take()) is not None:
                    batch.append(Ended(link.key, "timeout"))
                    feeder.done(link)
                ledger.commit(batch, {})
                ended += len(batch)
                largest = max(largest, feeder.held)
                clock[0] += 1.0
            cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{ended:,} links of {len(queues):,} hosts: peak {peak:,.0f} MB; read and ordered in {ordered:.1f} s, fed and "
        f"committed in {cpu - ordered:.1f} s ({cpu / ended * 1e6:.0f} us a link); {largest:,} held at most; "
        f"wall {time.monotonic() - wall:.1f} s"
    )


def uneven(arguments: argparse.Namespace) -> None:
    """Wall time of a web of uneven hosts beside its lower bound."""
    from webtext.corpus.settings import CrawlSettings
    from webtext.crawler.fetch.plan import Plan

    sizes = [1 + int(arguments.longest / (1 + host) ** 0.7) for host in range(arguments.hosts)]
    settings = CrawlSettings(
        delay=arguments.delay, concurrency=256, contact="benchmark@example.org", tdm=False, ai_txt=False
    )
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as scratch,
        served("", "--small", "--latency", "0.05") as port,
    ):
        urls = [f"http://h{host}.example:{port}/{page}" for host, size in enumerate(sizes) for page in range(size)]
        found = crawled(urls, Path(scratch) / "pages", settings, Plan)
    # robots.txt is the first request of each host.
    longest = sizes[0] * arguments.delay
    concurrent = (sum(sizes) + len(sizes)) * 0.05 / settings.concurrency
    bound = max(longest, concurrent)
    wall = found["wall"]
    print(
        f"{len(urls):,} links of {len(sizes):,} hosts, the longest {sizes[0]:,}: wall {wall:.1f} s, bound "
        f"{bound:.1f} s (longest queue {longest:.1f} s, concurrency {concurrent:.1f} s): {wall / bound:.2f} x; "
        f"{found['cpu']:.1f} CPU s, peak {found['peak']:.0f} MB; {found['answers']:,} pages; "
        f"load {os.getloadavg()[0]:.1f}"
    )


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
    one = commands.add_parser("million")
    one.add_argument("--links", type=int, default=1_000_000)
    one.add_argument("--folder", default=None)
    one.set_defaults(run=million)
    one = commands.add_parser("uneven")
    one.add_argument("--hosts", type=int, default=20_000)
    one.add_argument("--longest", type=int, default=100)
    one.add_argument("--delay", type=float, default=1.0)
    one.add_argument("--folder", default=None)
    one.set_defaults(run=uneven)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
