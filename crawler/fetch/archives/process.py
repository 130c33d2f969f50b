"""A pass over the archives in a process of its own: `python -m webtext.crawler.fetch.archives.process PLAN.json`.

As `webtext.crawler.fetch.process`: JSON lines with counts to the parent, a clean stop on SIGINT or SIGTERM.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from webtext.corpus.config import ArchivesSettings
from webtext.corpus.errors import Interrupted, WebtextError
from webtext.corpus.files import read_json
from webtext.corpus.processes import end_with_parent
from webtext.crawler.fetch.archives.dead_links import DeadLinks
from webtext.crawler.fetch.archives.orders import Orders
from webtext.crawler.fetch.components import scrapy_settings
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.process import STOPPED, about
from webtext.crawler.fetch.warc import Segments

_CLOSING_SECONDS = 8.0


def main(arguments: list[str]) -> int:
    """Run the pass; 0 at its end, `STOPPED` after a stop, 1 with an error."""
    told = read_json(Path(arguments[0]))
    plan = Plan.from_json(told["plan"])
    end_with_parent(plan.parent)
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told["archives"].items()
    }
    orders = Orders(plan.settings, large=told["large"], usable=told["usable"])
    try:
        return pass_over(plan, ArchivesSettings(**settings), orders, told["asked"])
    except WebtextError as error:
        name = "Interrupted" if isinstance(error, Interrupted) else type(error).__name__
        _tell({"error": {"kind": name, "message": error.message, "where": error.where, "hint": error.hint}})
        return 1


def pass_over(plan: Plan, archives: ArchivesSettings, orders: Orders, asked: list[str]) -> int:
    """Ask these archives for what waits for them."""
    from scrapy import signals
    from scrapy.crawler import AsyncCrawlerProcess

    from webtext.crawler.fetch.archives.spider import ArchiveSpider

    with Ledger.writing(plan.pages / LEDGER_NAME) as ledger:
        segments = Segments(plan.pages, ledger.segments(), about(plan), plan.segment_bytes)
        links = DeadLinks(ledger.database, orders)

        def report(waiting: Mapping[str, int]) -> None:
            _tell({"waiting": sum(waiting.values()), "pages": crawler.spider.outcomes["page"]})

        process = AsyncCrawlerProcess(_settings(plan))
        logging.getLogger("scrapy.core.downloader").setLevel(logging.ERROR)
        process.crawl(
            ArchiveSpider, plan=plan, archives=archives, asked=asked, ledger=ledger, links=links, segments=segments,
            report=report,
        )  # fmt: skip
        (crawler,) = process.crawlers
        stopped = _stop_on_signals(crawler)

        def closed() -> None:
            # Everything is committed. A look-up that hangs in a thread would keep the reactor from ending.
            if crawler.spider.failure is None:
                code = STOPPED if stopped.is_set() else 0
                timer = threading.Timer(_CLOSING_SECONDS, lambda: os._exit(code))
                timer.daemon = True
                timer.start()

        crawler.signals.connect(closed, signals.spider_closed)
        process.start(install_signal_handlers=False)
        segments.close()
        failure: BaseException | None = crawler.spider.failure
        if failure is not None:
            raise failure
        return STOPPED if stopped.is_set() else 0


def _settings(plan: Plan) -> dict[str, Any]:
    """The crawl's, but no robots.txt for the archives' own interfaces, and their delays instead of the hosts'."""
    found = scrapy_settings(plan)
    guard = {name: order for name, order in found["DOWNLOADER_MIDDLEWARES"].items() if "guard" in name}
    assert guard
    return {**found, "DOWNLOADER_MIDDLEWARES": guard, "DOWNLOAD_DELAY": 0}


def _stop_on_signals(crawler: Any) -> threading.Event:
    from twisted.internet import reactor

    stopped = threading.Event()

    def stop() -> None:
        if crawler.spider is None:
            reactor.callLater(0.1, stop)
        else:
            crawler.spider.stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stopped.set()
        reactor.callFromThread(stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stopped


def _tell(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
