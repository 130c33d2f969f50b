"""A welcome guest: which rules Scrapy as it comes and webtext keep, and what looking for consent costs.

    OMP_NUM_THREADS=1 python benchmarks/guest.py --write

Both crawl the same little web on 127.0.0.1 (`guest_web`), one host a rule; what they did is read from the server's log.
Scrapy is this environment's, with the settings of `scrapy startproject` (ROBOTSTXT_OBEY) and else its defaults. The
cost is that of crawls of hosts with 20 pages each, with everything that asks for consent and without, taking turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from guest_web import Case, GuestWeb, cases, right
from sections import heading, write_section

from webtext.api import Corpus
from webtext.demo.answers import Answer
from webtext.demo.server import WebServer

ROOT = Path(__file__).parent.parent
OFF: dict[str, object] = {"tdm": False, "ai_txt": False, "ai_agents": [], "opt_out": []}

SCRAPY = '''
import json, sys
import scrapy
from scrapy.crawler import CrawlerProcess
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from zope.interface import implementer

@implementer(IHostResolution)
class Resolution:
    def __init__(self, name):
        self.name = name
    def cancel(self):
        pass

@implementer(IHostnameResolver)
class Resolver:
    """Every name is this machine: no question leaves it."""
    def __init__(self, reactor):
        self.reactor = reactor
    @classmethod
    def from_crawler(cls, crawler, reactor):
        return cls(reactor)
    def install_on_reactor(self):
        self.reactor.installNameResolver(self)
    def resolveHostName(self, receiver, name, portNumber=0, addressTypes=None, transportSemantics="TCP"):
        found = Resolution(name)
        receiver.resolutionBegan(found)
        receiver.addressResolved(IPv4Address("TCP", "127.0.0.1", portNumber))
        receiver.resolutionComplete()
        return found

kept = []

class Spider(scrapy.Spider):
    name = "peer"
    async def start(self):
        for url in json.load(open(sys.argv[1])):
            yield scrapy.Request(url, meta={"link": url})
    def parse(self, response):
        kept.append(response.meta["link"])

process = CrawlerProcess({
    "ROBOTSTXT_OBEY": True, "USER_AGENT": "webtext/0.1", "TWISTED_DNS_RESOLVER": Resolver, "LOG_LEVEL": "ERROR",
})
process.crawl(Spider)
process.start()
json.dump(kept, open(sys.argv[2], "w"))
'''


def links_of(web: GuestWeb, port: int) -> dict[int, list[str]]:
    """The addresses of each case."""
    return {
        number: [f"http://{web.host(number)}:{port}{path}" for path in (case.path, *case.further)]
        for number, case in enumerate(web.cases)
    }


def scrapy_run(folder: Path) -> tuple[list[Case], list[str]]:
    """What Scrapy did, case by case."""
    web = GuestWeb()
    server = WebServer(web)
    with server.running():
        web.cases = cases(server.port)
        links = links_of(web, server.port)
        (folder / "urls.json").write_text(json.dumps([url for urls in links.values() for url in urls]))
        (folder / "peer.py").write_text(SCRAPY)
        names = [str(folder / name) for name in ("peer.py", "urls.json", "kept.json")]
        subprocess.run([sys.executable, *names], check=True, timeout=170)
        kept = set(json.loads((folder / "kept.json").read_text()))
    return web.cases, [web.seen(number, urls[0] in kept) for number, urls in links.items()]


def our_run(folder: Path) -> list[str]:
    """What webtext did, case by case."""
    web = GuestWeb()
    server = WebServer(web)
    with server.running():
        web.cases = cases(server.port)
        links = links_of(web, server.port)
        corpus = crawled(folder / "ours", server, [url for urls in links.values() for url in urls], delay=0.2)
    kept = {str(url) for url in pages_of(corpus)}
    return [web.seen(number, urls[0] in kept) for number, urls in links.items()]


def crawled(folder: Path, server: WebServer, urls: list[str], **settings: object) -> Corpus:
    """A corpus whose links were crawled."""
    folder.mkdir(parents=True)
    (folder / "urls.txt").write_text("\n".join(urls))
    corpus = Corpus(folder / "corpus")
    corpus.links(folder / "urls.txt", workers=1)
    corpus.crawl(
        contact="bench@example.org", accept_loss=True, _little_web=server.resolver_table(), **{"retries": 1, **settings}
    )
    return corpus


def pages_of(corpus: Corpus) -> list[str]:
    """The links that ended as a page."""
    from webtext.crawler.fetch.ledger import Ledger

    with Ledger.reading(corpus.path / "pages/ledger.sqlite") as ledger:
        return list(ledger.pages()["url"].to_pylist())


class PlainWeb:
    """Hosts of twenty pages, and nothing of their own to say."""

    def __init__(self, hosts: int, pages: int, body: bytes) -> None:
        self.hosts, self.pages, self.page = hosts, pages, Answer(body)

    def places(self):  # type: ignore[no-untyped-def]
        """As `Web.places`."""
        for number in range(self.hosts):
            yield f"p{number}.test", "here"

    def answer(self, host: str, target: str, asked: int) -> Answer:
        """As `Web.answer`."""
        return self.page if target.startswith("/p") else Answer(b"none", 404)


def cost(folder: Path, rounds: int, hosts: int, pages: int) -> list[tuple[float, float, float, float]]:
    """Wall and processor seconds of a crawl with consent, and without, round by round."""
    words = b"<p>" + b"All kinds of words, and more of them. " * 500
    head = (
        b"<!doctype html><html><head>" + b'<meta name="description" content="x"><meta property="og:a" content="b">' * 8
    )
    web = PlainWeb(hosts, pages, head + b"<title>A page</title></head><body>" + words)
    found = []
    for number in range(rounds):
        row: list[float] = []
        for name, settings in (("with", {}), ("without", OFF)) if number % 2 == 0 else (("without", OFF), ("with", {})):
            server = WebServer(web)
            with server.running():
                urls = [f"http://p{host}.test:{server.port}/p{page}" for host in range(hosts) for page in range(pages)]
                where = folder / f"{name}{number}"
                where.mkdir()
                (where / "urls.txt").write_text("\n".join(urls))
                corpus = Corpus(where / "corpus")
                corpus.links(where / "urls.txt", workers=1)
                begun, used = time.monotonic(), children_seconds()
                corpus.crawl(contact="bench@example.org", delay=0.0, _little_web=server.resolver_table(), **settings)
                row += [time.monotonic() - begun, children_seconds() - used]
                assert len(pages_of(corpus)) == hosts * pages
        found.append(tuple(row) if number % 2 == 0 else (*row[2:], *row[:2]))
    return found  # type: ignore[return-value]


def children_seconds() -> float:
    """Processor seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run, print, and with --write put the section into docs/benchmarks.md."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--hosts", type=int, default=60)
    options.add_argument("--pages", type=int, default=20, help="of a host, for the cost")
    options.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="webtext-guest-") as name:
        folder = Path(name)
        table, theirs = scrapy_run(folder)
        ours = our_run(folder)
        costs = cost(folder, chosen.rounds, chosen.hosts, chosen.pages)
    text = section(table, theirs, ours, costs, chosen.hosts * chosen.pages)
    print(text)
    if chosen.write:
        write_section("guest", text)
    wrong = [case.rule for case, found in zip(table, ours, strict=True) if not right(case, found)]
    if wrong:
        sys.exit(f"webtext is wrong at: {', '.join(wrong)}")


def section(
    table: list[Case], theirs: list[str], ours: list[str], costs: list[tuple[float, float, float, float]], pages: int
) -> str:
    """The section of docs/benchmarks.md."""

    rows = ["| rule | expected | Scrapy | webtext |", "|---|---|---|---|"]
    good = [0, 0]
    for case, their, our in zip(table, theirs, ours, strict=True):
        cells = []
        for place, found in enumerate((their, our)):
            is_right = right(case, found)
            good[place] += is_right
            cells.append(found if is_right else f"**{found}**")
        rows.append(f"| {case.rule} | {case.expected} | {cells[0]} | {cells[1]} |")
    per_cpu = [statistics.median(pages / row[place] for row in costs) for place in (1, 3)]
    per_wall = [statistics.median(pages / row[place] for row in costs) for place in (0, 2)]
    ratio = statistics.median(row[1] / row[3] for row in costs)
    wall = statistics.median(row[0] / row[2] for row in costs)
    return f"""{heading(("scrapy", "protego"))}
`benchmarks/guest.py` renews this section.

Which rules are kept, seen from the server's log: one host a rule, the same little web for both. Scrapy runs as
`scrapy startproject` sets it up (ROBOTSTXT_OBEY is off in a bare spider). Bold is not as expected.

{chr(10).join(rows)}

As expected: Scrapy {good[0]} of {len(table)}, webtext {good[1]} of {len(table)}.

What looking for consent costs: {pages:,} pages of 20 kB, {len(costs)} rounds that take turns, the whole command with
its start; tdmrep.json, ai.txt, groups for training, X-Robots-Tag, meta and TDM fields, against none of them.

| | pages/s of processor time | pages/s of wall clock |
|---|---|---|
| with | {per_cpu[0]:,.0f} | {per_wall[0]:,.0f} |
| without | {per_cpu[1]:,.0f} | {per_wall[1]:,.0f} |

Median of the rounds' ratios, with to without: {ratio:.3f} of processor time, {wall:.3f} of wall clock.
"""


if __name__ == "__main__":
    main()
