"""One crawl in a process of its own: `python -m webtext.crawler.fetch.process PLAN.json`.

A process, because a Twisted reactor runs once only, and because a crawl must be killable. Standard output belongs to
the parent: JSON lines with figures, at the end perhaps one with an error; standard error to people. It stops on SIGINT
and SIGTERM with everything finished committed, and does not outlive its parent.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_json
from webtext.corpus.processes import end_with_parent
from webtext.corpus.telling import tell, tell_error
from webtext.crawler.fetch.contact import user_agent_of
from webtext.crawler.fetch.figures import CrawlFigures, HostFigure, Rates, eta
from webtext.crawler.fetch.ledger import PAGE, Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.recorder import Recorder
from webtext.crawler.fetch.sealing import Sealer
from webtext.crawler.fetch.shared_turns import SharedTurns
from webtext.crawler.fetch.site_store import SiteStore
from webtext.crawler.fetch.sockets import seal_sockets
from webtext.crawler.fetch.warc import Segments

if TYPE_CHECKING:
    from webtext.crawler.fetch.spider import LinkSpider

STOPPED = 130
"""Exit code after a clean stop with links left to do."""

_RANKED_A_SECOND = 100_000  # hosts: ranking a million takes 0.1 s, and is not done more often than each 10
_CLOSING_SECONDS = 8.0  # for connections and look-ups to end, once everything is committed


def main(arguments: list[str]) -> int:
    """Run the crawl that the plan describes; 0 when no link is left, `STOPPED` after a stop, 1 with an error."""
    plan = Plan.from_json(read_json(Path(arguments[0])))
    end_with_parent(plan.parent)
    seal_sockets(plan.allow_loopback)
    try:
        return crawl(plan)
    except WebtextError as error:
        return tell_error(error)


def crawl(plan: Plan) -> int:
    """Crawl in this process, which can do so once."""
    from scrapy.crawler import AsyncCrawlerProcess

    from webtext.crawler.fetch.components import scrapy_settings
    from webtext.crawler.fetch.spider import LinkSpider

    with Ledger.writing(plan.pages / LEDGER_NAME) as ledger, open_store(plan) as store, open_turns(plan) as turns:
        ledger.recover()
        committed = ledger.segments()
        sealer = None if plan.sealed is None else Sealer(plan.sealed, ledger, committed, plan.known)
        segments = Segments(plan.pages, committed, about(plan), plan.segment_bytes, plan.numbering, ledger.closed())
        recorder = Recorder(ledger, segments)
        teller = Teller(recorder, segments)

        def report() -> None:
            if sealer is not None:
                sealer.look(segments.current)
            (crawler,) = process.crawlers
            tell(teller.message(crawler.spider))

        tell(teller.message(None))
        process = AsyncCrawlerProcess(scrapy_settings(plan))
        # What servers do wrong (too much, too little, certificates) is told by outcomes, or is no matter of ours.
        logging.getLogger("scrapy.core.downloader").setLevel(logging.ERROR)
        process.crawl(LinkSpider, plan=plan, ledger=ledger, recorder=recorder, report=report, store=store, turns=turns)
        (crawler,) = process.crawlers
        stopped = stop_on_signals(crawler, lambda spider: spider.dispatcher.stop())

        def code() -> int:
            return STOPPED if stopped.is_set() and recorder.done < recorder.total else 0

        end_when_closed(crawler, code)
        # What is there now stays: looking it through again and again took a twentieth of a crawl's processor time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        process.start(install_signal_handlers=False)
        segments.close()
        failure: BaseException | None = crawler.spider.failure or crawler.spider.gate.failure
        if failure is not None:
            raise failure
        return code()


@contextmanager
def open_store(plan: Plan) -> Iterator[SiteStore | None]:
    """What is known of hosts; a replay asks none, and must not answer by what another day's network said."""
    if plan.hosts is None:
        yield None
    else:
        with SiteStore.open(plan.hosts, time.time()) as store:
            yield store


@contextmanager
def open_turns(plan: Plan) -> Iterator[SharedTurns | None]:
    """The turns at hosts that are taken together with other processes; None where there are no others."""
    if plan.turns is None:
        yield None
    else:
        with SharedTurns.open(plan.turns, plan.settings.timeout) as turns:
            yield turns


class Teller:
    """What the parent is told of a crawl under way: `figures` (`CrawlFigures`), and whether the disk is `low`."""

    def __init__(self, recorder: Recorder, segments: Segments) -> None:
        self._recorder = recorder
        self._segments = segments
        self._pages = recorder.outcomes[PAGE]
        self._bytes = segments.size
        self._rates = Rates()
        self._hosts: dict[str, list[HostFigure]] = {"busiest": [], "slowest": [], "bounding": []}
        self._ranked = float("-inf")

    def message(self, spider: LinkSpider | None) -> dict[str, Any]:
        """The line to tell now; `spider` is None before the crawl has begun."""
        recorder = self._recorder
        pages, size = recorder.outcomes[PAGE] - self._pages, self._segments.size - self._bytes
        ended, pages_rate, bytes_rate = self._rates.at(time.monotonic(), recorder.done, pages, size)
        now = time.monotonic()
        if spider is not None and now - self._ranked >= len(spider.hosts) / _RANKED_A_SECOND:
            self._ranked = now
            self._hosts = spider.hosts.figures()
        figures = CrawlFigures(
            done=recorder.done,
            total=recorder.total,
            pages=pages,
            bytes=size,
            pages_per_second=round(pages_rate, 2),
            bytes_per_second=round(bytes_rate, 2),
            outcomes=dict(sorted(recorder.outcomes.items())),
            busiest=self._hosts["busiest"],
            slowest=self._hosts["slowest"],
            bounding=self._hosts["bounding"],
            eta_seconds=eta(recorder.total - recorder.done, ended, self._hosts["bounding"]),
        )
        gate = None if spider is None else spider.gate
        return {"figures": figures.to_json(), "low": gate is not None and gate.low}


def about(plan: Plan) -> dict[str, str]:
    """What the warcinfo records say about this crawl."""
    from importlib.metadata import version

    return {
        "software": f"webtext/{version('webtext')}",
        "format": "WARC File Format 1.1",
        "conformsTo": "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "robots": "obey" if plan.settings.obey_robots else "ignore",
        "http-header-user-agent": user_agent_of(plan.settings),
        **({"operator": plan.settings.contact} if plan.settings.contact else {}),
    }


def stop_on_signals(crawler: Any, stop: Callable[[Any], None]) -> threading.Event:
    """Call `stop` with the spider, once there is one, on SIGINT or SIGTERM; the event is set as soon as one came."""
    from twisted.internet import reactor

    stopped = threading.Event()

    def begin() -> None:
        if crawler.spider is None:
            reactor.callLater(0.1, begin)
        else:
            stop(crawler.spider)

    def handle(number: int, frame: FrameType | None) -> None:
        stopped.set()
        reactor.callFromThread(begin)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stopped


def end_when_closed(crawler: Any, code: Callable[[], int]) -> None:
    """End this process some seconds after its spider, also where a look-up hangs in a thread of the reactor's."""
    from scrapy import signals

    def closed() -> None:
        if crawler.spider.failure is None:  # everything is committed
            timer = threading.Timer(_CLOSING_SECONDS, lambda: os._exit(code()))
            timer.daemon = True
            timer.start()

    # Scrapy holds receivers weakly otherwise.
    crawler.signals.connect(closed, signals.spider_closed, weak=False)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Look-ups may still hang in threads; everything is committed, and they have nothing to say any more.
    os._exit(code)
