"""What people see of a crawl under way: one view over all its processes.

On a terminal a panel, elsewhere a plain line every few seconds; for `webtext status` the same in progress.json. Names
of hosts come from strangers: nothing in them reaches the terminal as anything but text.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.printable import printable, printable_line
from webtext.corpus.progress import FILE_SECONDS, LINE_SECONDS, PROGRESS_NAME, say
from webtext.crawler.fetch.figures import CrawlFigures, HostFigure, Rates, eta, merged
from webtext.crawler.fetch.ledger import PAGE

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LOW = "the disk is low: waiting for room"

_DRAW_SECONDS = 0.25  # between two changes of the panel
_OUTCOMES = 6  # named in a line; the others are counted together


class CrawlView:
    """Shows the figures that `update` brings, at most so often, whenever `show` is called.

    Args:
        corpus: the folder of progress.json.
        total: links of the crawl. `begun`: those that had ended before and that no process counts.
        workers: how many processes tell their figures.
    """

    def __init__(self, corpus: Path, total: int, begun: int, workers: int) -> None:
        self._corpus = corpus
        self._total = total
        self._begun = begun
        self._workers = workers
        self._told: dict[int, tuple[CrawlFigures, bool]] = {}
        self._rates = Rates()
        self._started = time.monotonic()
        self._drawn = self._filed = float("-inf")
        self._said = self._started
        self._panel = _Panel() if _is_terminal() else None

    def __enter__(self) -> CrawlView:
        if self._panel is not None:
            self._panel.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._panel is not None:
            self._panel.stop()
        (self._corpus / PROGRESS_NAME).unlink(missing_ok=True)

    def update(self, worker: int, message: dict[str, Any]) -> None:
        """Take what a process tells (`process.Teller`)."""
        self._told[worker] = CrawlFigures.from_json(message["figures"]), bool(message["low"])

    def tell(self, message: str) -> None:
        """One line that stays."""
        if self._panel is not None:
            self._panel.tell(message)
        else:
            say(message)

    def show(self) -> None:
        """Bring what is due up to date: the panel or the line, and progress.json."""
        if not self._told:
            return
        now = time.monotonic()
        if self._panel is not None and now - self._drawn >= _DRAW_SECONDS:
            self._drawn = now
            self._panel.draw(self.picture(), self._standing())
        elif self._panel is None and now - self._said >= LINE_SECONDS:
            self._said = now
            say(line(self.picture(), self._standing()))
        if now - self._filed >= FILE_SECONDS:
            self._filed = now
            self._write(self.picture())

    def picture(self) -> CrawlFigures:
        """All processes' figures in one."""
        found = merged([figures for figures, _ in self._told.values()])
        done = self._begun + found.done
        outcomes_rate = self._rates.at(time.monotonic(), done)[0]
        return CrawlFigures(**{
            **{name: getattr(found, name) for name in CrawlFigures.__dataclass_fields__},
            "done": done,
            "total": self._total,
            "eta_seconds": eta(self._total - done, outcomes_rate, found.bounding),
        })  # fmt: skip

    def _standing(self) -> str:
        """What else there is to say."""
        parts = [] if self._workers == 1 else [f"{self._workers} processes"]
        if any(low for _, low in self._told.values()):
            parts.append(LOW)
        return ", ".join(parts)

    def _write(self, picture: CrawlFigures) -> None:
        value = {
            "pid": os.getpid(),
            "label": "crawl",
            "done": picture.done,
            "total": picture.total,
            "unit": "links",
            "seconds": round(time.monotonic() - self._started, 1),
            "note": self._standing(),
            "crawl": picture.to_json(),
        }
        aside = self._corpus / f".{PROGRESS_NAME}.tmp-{os.getpid()}"
        try:
            aside.write_text(json.dumps(value))
            aside.replace(self._corpus / PROGRESS_NAME)
        except OSError:
            aside.unlink(missing_ok=True)  # a display must not end the work it shows


def line(picture: CrawlFigures, standing: str = "") -> str:
    """A picture as one plain line."""
    share = f" ({picture.done / picture.total:.0%})" if picture.total else ""
    parts = [
        f"crawl: {picture.done:,} of {picture.total:,} links{share}",
        f"{picture.pages_per_second:,.1f} pages/s",
        f"{size(picture.bytes_per_second)}/s",
        f"{picture.outcomes.get(PAGE, 0):,} pages",
        f"{size(picture.bytes)}",
    ]
    if picture.eta_seconds is not None and picture.done < picture.total:
        parts.append(f"{duration(picture.eta_seconds)} left")
    if standing:
        parts.append(standing)
    if picture.bounding:
        parts.append(f"longest queue {picture.bounding[0].host} {_bounding(picture.bounding[0])}")
    return printable_line(", ".join(parts))


def lines(picture: CrawlFigures) -> list[str]:
    """A picture as `webtext status` prints it."""
    found = [
        f"{picture.pages_per_second:,.1f} pages/s, {size(picture.bytes_per_second)}/s, {size(picture.bytes)} so far"
        + (f", {duration(picture.eta_seconds)} left" if picture.eta_seconds is not None else ""),
        outcomes(picture),
    ]
    for title, hosts, tell in (
        ("busiest", picture.busiest, _busy), ("slowest", picture.slowest, _slow), ("last", picture.bounding, _bounding),
    ):  # fmt: skip
        if hosts:
            found.append(f"{title}: " + "; ".join(f"{host.host} {tell(host)}".strip() for host in hosts[:3]))
    return [printable_line(entry) for entry in found]


def outcomes(picture: CrawlFigures, most: int = _OUTCOMES) -> str:
    """The most frequent outcomes with their counts, the others together."""
    ranked = sorted(picture.outcomes.items(), key=lambda entry: (entry[0] != PAGE, -entry[1], entry[0]))
    shown = [f"{name} {count:,}" for name, count in ranked[:most]]
    if rest := sum(count for _, count in ranked[most:]):
        shown.append(f"others {rest:,}")
    return "  ".join(shown)


def _busy(host: HostFigure) -> str:
    return f"{host.pages:,}"


def _slow(host: HostFigure) -> str:
    return f"{host.seconds_per_page:,.1f} s"


def _bounding(host: HostFigure) -> str:
    return f"{host.waiting:,} in {duration(host.seconds_left)}"


def size(count: float) -> str:
    """Bytes for people: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1_000
    return f"{count:,.1f} TB"


def duration(seconds: float) -> str:
    """A stretch of time for people: 0:42, 3:02:10, 4 d 7 h."""
    whole = int(seconds)
    if whole >= 86_400:
        return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
    if whole >= 3_600:
        return f"{whole // 3_600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


class _Panel:
    """The view on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = console or Console(stderr=True)  # which knows NO_COLOR
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def tell(self, message: str) -> None:
        self._console.print(printable(message), markup=False, highlight=False, soft_wrap=True)

    def draw(self, picture: CrawlFigures, standing: str) -> None:
        self._live.update(panel(picture, standing), refresh=True)


def panel(picture: CrawlFigures, standing: str = "") -> RenderableType:
    """A picture as seven to eleven lines that fit on 80 columns."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def text(content: str, style: str = "") -> Text:
        return Text(printable_line(content), style=style, no_wrap=True, overflow="ellipsis")

    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(no_wrap=True)
    left = f"{duration(picture.eta_seconds)} left" if picture.eta_seconds is not None else "time left unknown"
    head.add_row(
        text("crawl", "bold"),
        ProgressBar(total=max(picture.total, 1), completed=picture.done),
        text(f"{picture.done:,}/{picture.total:,} links, {left}"),
    )
    rates = (
        f"{picture.pages_per_second:,.1f} pages/s   {size(picture.bytes_per_second)}/s   {size(picture.bytes)} so far"
    )
    parts: list[RenderableType] = [head, text(rates), text(outcomes(picture))]
    if standing:
        parts.append(text(standing, "bold"))
    if picture.busiest or picture.slowest or picture.bounding:
        hosts = Table.grid(padding=(0, 2), expand=True)
        rows: list[list[RenderableType]] = []
        for title, unit, found, tell, share in (
            ("busiest", "pages", picture.busiest, _busy, 3),
            ("slowest", "a page", picture.slowest, _slow, 3),
            ("last to end", "links left", picture.bounding, _bounding, 4),
        ):  # fmt: skip
            hosts.add_column(ratio=share)
            column = Table.grid(padding=(0, 1), expand=True)
            column.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
            column.add_column(no_wrap=True, justify="right")
            column.add_row(text(title, "bold"), text(unit, "dim"))
            for host in found:
                column.add_row(text(host.host), text(tell(host)))
            rows.append([column])
        hosts.add_row(*(column for (column,) in rows))
        parts.append(hosts)
    return Group(*parts)
