"""The passes over the archives within a crawl: before the live web is asked, and for what died there.

What is decided here is which links wait for which archive, and what becomes of them where it cannot be asked; the
asking is done by `process`, in a process of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from webtext.corpus.errors import Interrupted, UsageError, WebtextError
from webtext.corpus.files import open_parquet, write_json
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import Progress, progress, say
from webtext.corpus.schemas import LINKS
from webtext.corpus.settings import ArchivesSettings, CrawlSettings
from webtext.corpus.telling import error_told, how_it_ended, told_by
from webtext.crawler.fetch.archives.dead_links import DeadLinks
from webtext.crawler.fetch.archives.orders import COMMON_CRAWL, WAYBACK, Orders
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.process import STOPPED
from webtext.crawler.fetch.view import LOW
from webtext.crawler.fetch.workers import is_divided
from webtext.crawler.reddit.urls import UnusableURL, host_of, normalise

ASIDE = "archives.aside"
"""The ledger's note of the archives that are left alone: {name: [until (seconds since 1970), why]}."""

_STOP_SECONDS = 30.0  # a process that has not stopped then is killed; the ledger can bear it
_GOES_ON = "what was fetched is kept; the same command goes on where it was"


def usable_archives(archives: ArchivesSettings, allow_loopback: Mapping[str, str]) -> list[str]:
    """The archives that this crawl may ask.

    Where names of hosts are given in code (the demo, the tests), only archives among them: those are webs of their
    own, of which no archive of the real one knows anything.

    Raises:
        UsageError: a setting of [archives] is no address.
    """
    servers = {
        COMMON_CRAWL: ("commoncrawl_api", "commoncrawl_data"),
        WAYBACK: ("wayback_api",),
    }
    found = []
    for source, names in servers.items():
        hosts = {name: _host(name, getattr(archives, name)) for name in names}
        if source == COMMON_CRAWL and archives.commoncrawl_index:
            del hosts["commoncrawl_api"]
            if archives.commoncrawl_warcs:
                hosts.clear()
        if not allow_loopback or all(host in allow_loopback for host in hosts.values()):
            found.append(source)
    return found


def describe(settings: CrawlSettings, archives: ArchivesSettings, allow_loopback: Mapping[str, str]) -> list[str]:
    """The sources of a crawl and their orders, in words, for its manifest; none where no archive is asked."""
    orders = Orders(settings, usable=usable_archives(archives, allow_loopback))
    if not orders.asks_archives:
        return []
    first = [f"archives first above {settings.archive_first} links"] if settings.archive_first else []
    near = [f"within {archives.max_days} days"] if archives.max_days else []
    return [*orders.describe(), *first, *near]


class ArchivePasses:
    """Both passes of one crawl.

    Args:
        config: where the process is told what to do.
        links: the files of links/.
    """

    def __init__(
        self, corpus: Path, plan: Plan, archives: ArchivesSettings, config: Path, links: Sequence[Path], stop: Stop
    ) -> None:
        self._corpus = corpus
        self._plan = plan
        self._archives = archives
        self._config = config
        self._files = links
        self._stop = stop
        self._usable = usable_archives(archives, plan.allow_loopback)
        self._said: set[str] = set()

    def before(self) -> int:
        """Ask archives for the links that they are asked for first; how many links have ended then."""
        with Ledger.writing(self._plan.pages / LEDGER_NAME) as ledger:
            dead = self._dead_links(ledger)
            dead.settle()
            # Links that other processes hold already are asked for by them.
            if not is_divided(ledger):
                dead.hold()
            dead.date(self._dates())
            held = sum(dead.waiting().values())
        if held:
            self._pass()
        with Ledger.writing(self._plan.pages / LEDGER_NAME) as ledger:
            return ledger.counts()[1].total()

    def leave(self) -> int:
        """Of one shard of several: leave the links that archives are asked for first to the crawl that joins all; how
        many links have ended then."""
        with Ledger.writing(self._plan.pages / LEDGER_NAME) as ledger:
            dead = self._dead_links(ledger)
            dead.settle()
            if not is_divided(ledger):
                dead.hold()
            dead.put_off(dict.fromkeys(dead.waiting(), "asked when the shards are joined"))
            return ledger.counts()[1].total()

    def after(self) -> None:
        """Ask archives for the links that died."""
        with Ledger.writing(self._plan.pages / LEDGER_NAME) as ledger:
            dead = self._dead_links(ledger)
            dead.gather()
            dead.date(self._dates())
            waiting = sum(dead.waiting().values())
        if waiting:
            self._pass()

    def _pass(self) -> None:
        path = self._plan.pages / LEDGER_NAME
        now = time.time()
        with Ledger.writing(path) as ledger:
            noted: dict[str, tuple[float, str]] = json.loads(ledger.meta(ASIDE) or "{}")
            resting = {source: (until, why) for source, (until, why) in noted.items() if until > now}
            ledger.set_meta(ASIDE, json.dumps(resting))
            large = self._large(ledger)
            waiting = self._dead_links(ledger, large).waiting()
        late = self._plan.deadline is not None and now >= self._plan.deadline
        asked = [] if late else [source for source in self._usable if source not in resting]
        if any(waiting.get(source) for source in asked):
            told = {
                "plan": self._plan.to_json(),
                "archives": asdict(self._archives),
                "usable": self._usable,
                "asked": asked,
                "large": sorted(large),
            }
            write_json(self._config, told)
            self._run(sum(waiting.values()))
        with Ledger.writing(path) as ledger:
            dead = self._dead_links(ledger, large)
            aside = json.loads(ledger.meta(ASIDE) or "{}")
            left = dead.waiting()
            reasons = {source: _reason(aside.get(source), late=late) for source in left}
            dead.put_off(reasons)
        for source, count in left.items():
            links = "1 link waits" if count == 1 else f"{count:,} links wait"
            line = f"crawl: {links} for {source}: {reasons[source]}; the same command goes on with what waits"
            if line not in self._said:  # by the first of the two passes
                self._said.add(line)
                say(line)

    def _dead_links(self, ledger: Ledger, large: set[str] | None = None) -> DeadLinks:
        found = self._large(ledger) if large is None else large
        return DeadLinks(ledger.database, Orders(self._plan.settings, large=found, usable=self._usable))

    def _large(self, ledger: Ledger) -> set[str]:
        limit = self._plan.settings.archive_first
        return DeadLinks(ledger.database, Orders(self._plan.settings)).large_hosts(limit) if limit else set()

    def _dates(self) -> Iterator[pa.Table]:
        for path in self._files:
            with open_parquet(path, LINKS) as file:
                for group in range(file.num_row_groups):
                    if self._stop.requested:
                        raise self._stop.error()
                    yield file.read_row_group(group, columns=["key", "first_posted"])

    # -- the process ---------------------------------------------------------------------------------------------------

    def _run(self, total: int) -> None:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "webtext.crawler.fetch.archives.process", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C must reach it once, from here
        )
        assert process.stdout is not None
        told: list[WebtextError] = []
        try:
            with progress(self._corpus, "archives", total, "links") as shown:
                reader = threading.Thread(
                    target=_listen, args=(process.stdout, total, shown, told), name="archives", daemon=True
                )
                reader.start()
                self._wait(process)
                reader.join()
        except BaseException:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        if told:
            raise told[-1]
        if self._stop.requested:
            raise self._stop.error()
        code = process.returncode
        if code == STOPPED:
            raise Interrupted("the pass over the archives was asked to stop", hint=_GOES_ON)
        if code:
            raise WebtextError(f"the process that asks the archives {how_it_ended(code)}", hint=_GOES_ON)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline: float | None = None
        while True:
            try:
                process.wait(0.1)
                return
            except subprocess.TimeoutExpired:
                pass
            if self._stop.requested and deadline is None:
                process.send_signal(signal.SIGTERM)
                deadline = time.monotonic() + _STOP_SECONDS
            if deadline is not None and time.monotonic() > deadline:
                process.kill()


def _listen(stream: IO[bytes], total: int, shown: Progress, told: list[WebtextError]) -> None:
    with stream:
        for value in told_by(stream):
            if failure := error_told(value):
                told.append(failure)
            else:
                low = f", {LOW}" if value["low"] else ""
                shown.set(max(0, total - value["waiting"]), f"{value['pages']:,} pages{low}")


def _reason(aside: Sequence[Any] | None, *, late: bool) -> str:
    if aside is None:
        return "the deadline was reached" if late else "it was not asked to the end"
    until, why = aside
    return str(why) if until <= time.time() else f"put aside ({why})"


def _host(name: str, address: str) -> str:
    try:
        return host_of(normalise(address))
    except UnusableURL as error:
        raise UsageError(
            f"archives.{name} is {address!r}, no address of a server ({error.reason})", where="webtext crawl"
        ) from error
