"""How far a command is: a bar on a terminal, one plain line every few seconds elsewhere, `progress.json` for `status`.

Everything goes to standard error: standard output belongs to results.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from webtext.corpus.printable import printable

PROGRESS_NAME = "progress.json"
LINE_SECONDS = 5.0  # between two plain lines
FILE_SECONDS = 1.0  # between two writes of progress.json
BAR_SECONDS = 0.1  # between two changes of a bar


def say(message: str) -> None:
    """One line for the person who watches; on a terminal it is wrapped between words. Control characters are shown."""
    message = printable(message)
    width = columns()
    print(message if width is None else _fitted(message, width), file=sys.stderr, flush=True)  # noqa: T201


def columns() -> int | None:
    """How wide the terminal is; None where standard error is none."""
    return (os.get_terminal_size(sys.stderr.fileno()).columns or 80) if sys.stderr.isatty() else None


def _fitted(message: str, width: int) -> str:
    fill = partial(textwrap.fill, width=width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    glued = re.sub(r"(?<!\S)(\(?[\d.,]*\d) (?=[a-z])", "\\1\u00a0", message)  # a number stays with what it counts
    return "\n".join(fill(line) for line in glued.split("\n")).replace("\u00a0", " ")


class Progress:
    """A count towards `total` (None where it is unknown), shown as `label`; `begun` was done before this sitting.

    Without `plain`, nothing but a bar is shown: the caller says lines of its own.
    """

    def __init__(
        self, folder: Path | None, label: str, total: int | None, unit: str, *, begun: int = 0, plain: bool = True
    ) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = begun
        self._begun = begun
        self.note = ""
        self._folder = folder
        self._plain = plain
        self._started = time.monotonic()
        self._said = self._started
        self._filed = 0.0
        self._drawn = 0.0
        self._bar = _bar(label, total, unit, begun)
        self._lock = threading.Lock()

    def set(self, done: int, note: str = "") -> None:
        """Show `done`, and `note` beside it. Cheap enough to be called for every row."""
        with self._lock:
            self.done = done
            self.note = note or self.note
            now = time.monotonic()
            if self._bar is not None:
                if now - self._drawn >= BAR_SECONDS:
                    self._drawn = now
                    self._bar(done, ", ".join(filter(None, (self._pace(f"{self._rate():,.1f}/s"), self.note))))
            elif self._plain and now - self._said >= LINE_SECONDS:
                self._said = now
                say(self.line())
            if self._folder is not None and now - self._filed >= FILE_SECONDS:
                self._filed = now
                self._write()

    def add(self, count: int = 1, note: str = "") -> None:
        """Show `count` more."""
        self.set(self.done + count, note)

    def line(self) -> str:
        """What a plain line says: count, share, rate and time left."""
        parts = [f"{self.label}: {self.done:,}" + (f" of {self.total:,}" if self.total else "") + f" {self.unit}"]
        if self.total:
            parts.append(f"{self.done / self.total:.0%}")
        parts.append(self._pace(f"{self._rate():,.1f} {self.unit}/s"))
        if self.note:
            parts.append(self.note)
        return ", ".join(parts)

    def _rate(self) -> float:
        """Per second, over this sitting."""
        return (self.done - self._begun) / max(time.monotonic() - self._started, 1e-9)

    def _pace(self, rate: str) -> str:
        """A rate, and the time left where that is known."""
        if self.total and self._rate() > 0 and self.done < self.total:
            return f"{rate}, {_clock((self.total - self.done) / self._rate())} left"
        return rate

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar(None, "")

    def _write(self) -> None:
        assert self._folder is not None
        value = {
            "pid": os.getpid(),
            "label": self.label,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "seconds": round(time.monotonic() - self._started, 1),
            "note": self.note,
        }
        aside = self._folder / f".{PROGRESS_NAME}.tmp-{os.getpid()}"
        try:
            aside.write_text(json.dumps(value))
            aside.replace(self._folder / PROGRESS_NAME)
        except OSError:
            # A display must not end the work it shows; a full disk is reported by the work itself.
            aside.unlink(missing_ok=True)


@contextmanager
def progress(
    folder: Path | None, label: str, total: int | None, unit: str, *, begun: int = 0, plain: bool = True
) -> Iterator[Progress]:
    """Show a `Progress` while inside; `progress.json` is gone afterwards."""
    shown = Progress(folder, label, total, unit, begun=begun, plain=plain)
    try:
        yield shown
    finally:
        shown.close()
        if folder is not None:
            (folder / PROGRESS_NAME).unlink(missing_ok=True)


@contextmanager
def watched(shown: Progress, count: Callable[[], int], seconds: float = 0.5) -> Iterator[None]:
    """Keep `shown` at `count()` from a thread of its own, for work that happens in other processes."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            shown.set(count())

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        shown.set(count())


def read_progress(folder: Path) -> dict[str, object] | None:
    """What a running command wrote last, None where none runs."""
    try:
        found = json.loads((folder / PROGRESS_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    known = {"label": str, "done": int, "unit": str}
    fits = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in known.items())
    return found if fits else None


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def _bar(label: str, total: int | None, unit: str, begun: int) -> Callable[[int | None, str], None] | None:
    # A terminal that cannot move its cursor (TERM=dumb, as editors and some logs have it) gets plain lines.
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return None
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    bar = Bar(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        # Rate, time left and the note take what is left of the line: the count must stay readable on 80 columns.
        TextColumn("{task.fields[pace]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        expand=True,
        console=Console(stderr=True),  # which knows NO_COLOR
        transient=True,
    )
    whole = "" if total is None else f"/{total:,}"
    bar.start()
    task = bar.add_task(label, total=total, completed=begun, count=f"{begun:,}{whole} {unit}", pace="")

    def show(done: int | None, pace: str) -> None:
        if done is None:
            bar.stop()
        else:
            bar.update(task, completed=done, count=f"{done:,}{whole} {unit}", pace=pace)

    return show
