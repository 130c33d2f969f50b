"""log.jsonl: one line a step, and one a validation; after any crash the same lines as without it, but for the times.

Appended to, so not written through `corpus.files`: a torn last line is cut off when the run goes on.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from webtext.corpus.files import os_errors, write_bytes
from webtext.train.ranks import Ranks

LOG_NAME = "log.jsonl"
TIMES = ("seconds", "tokens_per_second", "mfu", "memory_bytes")
"""The fields that differ from one running of the same steps to another."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines up to the first that is torn; none where there is no file."""
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    with os_errors(path):
        data = path.read_bytes()
    for line in data.split(b"\n"):
        try:
            found = json.loads(line)
        except ValueError:
            break
        if not isinstance(found, dict) or not isinstance(found.get("step"), int):
            break
        lines.append(found)
    return lines


def best_step(validations: Mapping[int, float | None], steps: Iterable[int]) -> int | None:
    """Of `steps` that with the lowest validation loss, the earliest of equals; None where none was validated."""
    known = [(loss, step) for step in steps if (loss := validations.get(step)) is not None]
    return min(known)[1] if known else None


def validations_in(lines: Iterable[Mapping[str, Any]]) -> dict[int, float | None]:
    """Validation loss by step; None where it was no number."""
    found: dict[int, float | None] = {}
    for line in lines:
        if "val_loss" in line:
            loss = line["val_loss"]
            found[line["step"]] = loss if isinstance(loss, float) and math.isfinite(loss) else None
    return found


class StepLog:
    """The log of a run that stands at `step`: lines of later steps, which will be taken again, are cut off.

    Where there is nothing to cut off and nothing to add, the file is not written to. On other ranks than the first it
    remembers what rank 0 writes, and writes nothing. Close it, or use it as a context.
    """

    def __init__(self, path: Path, *, step: int, ranks: Ranks | None = None) -> None:
        self.path = path
        kept = _cut(path, step) if ranks is None else ranks.told(lambda: _cut(path, step))
        self.steps = [line for line in kept if "loss" in line]
        """The lines of the steps that were there."""
        self.validations = validations_in(kept)
        """Validation loss by step; None where it was no number."""
        self.hooks = _hooks_in(kept)
        """Step and name of each hook whose numbers are here."""
        self._file: BinaryIO | None = None
        if ranks is None or ranks.first:
            with os_errors(path):
                self._file = path.open("ab")

    def __enter__(self) -> StepLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()

    def add(self, line: dict[str, Any]) -> None:
        """Append one line; a number that is none (NaN, infinity) is written as null."""
        if self._file is not None:
            with os_errors(self.path):
                self._file.write(_encode(line))
                self._file.flush()
        self.validations |= validations_in([line])
        self.hooks |= _hooks_in([line])

    def sync(self) -> None:
        """Make what was added survive a power cut, before the checkpoint that relies on it."""
        if self._file is not None:
            with os_errors(self.path):
                os.fsync(self._file.fileno())


def _cut(path: Path, step: int) -> list[dict[str, Any]]:
    kept = [line for line in read_log(path) if line["step"] <= step]
    data = b"".join(_encode(line) for line in kept)
    with os_errors(path):
        before = path.read_bytes() if path.exists() else None
    if data != before:
        write_bytes(path, data)
    return kept


def _hooks_in(lines: Iterable[Mapping[str, Any]]) -> set[tuple[int, str]]:
    return {(line["step"], line["after"]) for line in lines if "after" in line}


def _encode(line: dict[str, Any]) -> bytes:
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in line.items()
    }
    return json.dumps(finite, allow_nan=False).encode() + b"\n"
