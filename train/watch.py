"""What one sees of a run: one line a step, the log, TensorBoard, the curve. On rank 0; the others only keep count."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from webtext.corpus.progress import columns, progress, say
from webtext.train.log import LOG_NAME, StepLog, read_log
from webtext.train.plot import write_plot
from webtext.train.ranks import Ranks
from webtext.train.tensorboard import Board

LINE_SECONDS = 1.0
"""Where no pace is asked for, quicker steps than this do not all get a line of their own on the screen."""
RECENT = 20  # steps that the time left is reckoned from


class Watch:
    """Shows and writes what a run that stands at `step` does, until it has done `steps`. A context."""

    def __init__(
        self, folder: Path, *, step: int, steps: int, ranks: Ranks, print_every: int | None, tensorboard: bool
    ) -> None:
        self.log = StepLog(folder / LOG_NAME, step=step, ranks=ranks)
        self._folder = folder
        self._steps = steps
        self._first = ranks.first
        self._print_every = print_every
        self._printed = 0.0
        self._drawable = False
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._board = Board(folder, step=step) if tensorboard and ranks.first else None
        # Its plain lines would say again what ours do.
        self._progress = progress(folder if ranks.first else None, "train", steps, "steps", begun=step, plain=False)

    def __enter__(self) -> Watch:
        self._shown = self._progress.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.__exit__(kind, error, at)
        if self._board is not None:
            self._board.close()
        self.log.close()

    def step(self, line: Mapping[str, Any]) -> None:
        """A step was taken."""
        self.add(line)
        self._recent.append(line["seconds"])
        step, now = line["step"], time.monotonic()
        seconds = sum(self._recent) / len(self._recent)
        told = step_line(line, self._steps, seconds, width=columns())
        self._shown.set(step, step_line(line, step, seconds).partition(": ")[2])  # the bar has its own time left
        if self._print_every is not None:
            due = step % self._print_every == 0
        else:
            due = now - self._printed >= LINE_SECONDS
        if due or step == self._steps or "skipped" in line:
            self._printed = now
            say(told)

    def add(self, line: Mapping[str, Any]) -> None:
        """A line for the log, and TensorBoard."""
        self.log.add(dict(line))
        self._drawable = True
        if self._board is not None:
            self._board.add(line)

    def draw(self) -> None:
        """Draw the curve anew, where there is anything new."""
        if self._first and self._drawable:
            write_plot(self._folder, read_log(self._folder / LOG_NAME))
            self._drawable = False


def step_line(line: Mapping[str, Any], steps: int, seconds: float, *, width: int | None = None) -> str:
    """What is said of a step; `seconds` is what one takes of late.

    Where it is longer than `width`, it ends sooner: time left (which the bar has), memory and MFU are left out. All of
    it is in the log. Why a step was skipped is always said.
    """
    loss, norm = (f"{line[name]:.4f}" if line[name] == line[name] else "none" for name in ("loss", "grad_norm"))
    parts = [
        f"loss {loss}",
        f"grad norm {norm}",
        f"lr {line['lr']:.1e}",
        f"{line['tokens_per_second']:,.0f} tokens/s",
    ]
    more = []
    if line.get("mfu") is not None:
        more.append(f"MFU {line['mfu']:.1%}")
    more.append(f"{line['memory_bytes'] / 1e9:.2f} GB")
    if line["step"] < steps:
        more.append(f"{clock((steps - line['step']) * seconds)} left")
    skipped = [f"skipped: {line['skipped']}"] if "skipped" in line else []
    while True:
        told = f"step {line['step']:,}/{steps:,}: {', '.join([*parts, *more, *skipped])}"
        if width is None or len(told) <= width or not more:
            return told
        more.pop()


def clock(seconds: float) -> str:
    """A duration as 3:07, 2:03:07 or 5 d 02:03:07."""
    whole = int(seconds)
    days, hours, rest = whole // 86_400, whole // 3_600 % 24, f"{whole // 60 % 60:02}:{whole % 60:02}"
    if days:
        return f"{days:,} d {hours:02}:{rest}"
    return f"{hours}:{rest}" if hours else f"{whole // 60}:{whole % 60:02}"
