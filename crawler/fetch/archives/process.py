"""A pass over the archives in a process of its own: `python -m webtext.crawler.fetch.archives.process PLAN.json`.

As `webtext.crawler.fetch.process`: JSON lines with counts to the parent, a clean stop on SIGINT or SIGTERM.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_json
from webtext.corpus.processes import end_with_parent
from webtext.corpus.settings import ArchivesSettings
from webtext.corpus.telling import tell, tell_error
from webtext.crawler.fetch.archives.dead_links import DeadLinks
from webtext.crawler.fetch.archives.orders import Orders
from webtext.crawler.fetch.components import scrapy_settings
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.process import (
    STOPPED,
    about,
    end_when_closed,
    open_store,
    stop_on_signals,
)
from webtext.crawler.fetch.sockets import seal_sockets
from webtext.crawler.fetch.warc import Segments


def main(arguments: list[str]) -> int:
    """Run the pass; 0 at its end, `STOPPED` after a stop, 1 with an error."""
    told = read_json(Path(arguments[0]))
    plan = Plan.from_json(told["plan"])
    end_with_parent(plan.parent)
    seal_sockets(plan.allow_loopback)
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told["archives"].items()
    }
    orders = Orders(plan.settings, large=told["large"], usable=told["usable"])
    try:
        return pass_over(plan, ArchivesSettings(**settings), orders, told["asked"])
    except WebtextError as error:
        return tell_error(error)


def pass_over(plan: Plan, archives: ArchivesSettings, orders: Orders, asked: list[str]) -> int:
    """Ask these archives for what waits for them."""
    from scrapy.crawler import AsyncCrawlerProcess

    from webtext.crawler.fetch.archives.spider import ArchiveSpider

    with Ledger.writing(plan.pages / LEDGER_NAME) as ledger, open_store(plan) as store:
        committed = ledger.segments()
        segments = Segments(plan.pages, committed, about(plan), plan.segment_bytes, plan.numbering, ledger.closed())
        links = DeadLinks(ledger.database, orders)

        def report(waiting: Mapping[str, int]) -> None:
            spider = crawler.spider
            tell({"waiting": sum(waiting.values()), "pages": spider.outcomes["page"], "low": spider.room.low})

        process = AsyncCrawlerProcess(_settings(plan))
        logging.getLogger("scrapy.core.downloader").setLevel(logging.ERROR)
        process.crawl(
            ArchiveSpider, plan=plan, archives=archives, asked=asked, ledger=ledger, links=links, segments=segments,
            store=store, report=report,
        )  # fmt: skip
        (crawler,) = process.crawlers
        stopped = stop_on_signals(crawler, lambda spider: spider.stop())
        end_when_closed(crawler, lambda: STOPPED if stopped.is_set() else 0)
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


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
