"""What tests give to workers: functions that leave files, fail in every way, or wait. Workers import this by name."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from webtext.corpus.errors import WebtextError


@dataclass(frozen=True)
class Touch:
    """Leave a file named after the element, with the worker's pid; fail as `how` says at element 7.

    What it returns is to be dropped.
    """

    folder: Path
    how: str = "well"

    def __call__(self, element: int) -> str:
        if element == 7 and self.how == "error":
            raise WebtextError("seven is damaged", where="part 7", hint="make it again")
        if element == 7 and self.how == "bug":
            raise ZeroDivisionError("seven")
        if element == 7 and self.how == "disk":
            raise OSError(28, "No space left on device", "part 7")
        if element == 7 and self.how == "missing":
            (self.folder / "only" / "there").read_bytes()
        if self.how == "both":
            self._meet()
        if element == 7 and (self.how == "kill" or (self.how == "kill once" and self._first())):
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / str(element)).write_text(str(os.getpid()))
        return "not wanted"

    def _meet(self) -> None:
        """Wait until another process has an element, too: a quick one alone could meet them all."""
        (self.folder / f"{os.getpid()}.here").touch()
        limit = time.monotonic() + 60
        while len(list(self.folder.glob("*.here"))) < 2 and time.monotonic() < limit:
            time.sleep(0.05)

    def _first(self) -> bool:
        try:
            (self.folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@dataclass(frozen=True)
class Slow:
    """Say that it has begun, then wait for a file before it leaves its own; keeps what is there already."""

    folder: Path
    until: Path

    def __call__(self, element: int) -> None:
        (self.folder / f"{element}.begun").touch()
        while not self.until.exists():
            time.sleep(0.05)
        (self.folder / str(element)).touch()


def done(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
