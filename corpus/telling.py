"""What a process that works for another one tells it: objects of JSON, one a line, on its standard output.

An expected failure is told, too, and raised by the other as itself. Standard error belongs to people.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any

from webtext.corpus import errors
from webtext.corpus.errors import Interrupted, WebtextError


def tell(value: Mapping[str, Any]) -> None:
    """A line for the parent."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def tell_error(error: WebtextError) -> int:
    """Tell the parent what it is to raise; the exit code."""
    name = "Interrupted" if isinstance(error, Interrupted) else type(error).__name__
    tell({"error": {"kind": name, "message": error.message, "where": error.where, "hint": error.hint}})
    return 1


def told_by(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """What a process tells, until it ends; a line in the middle of which it was killed is none."""
    for line in stream:
        if line.endswith(b"\n"):
            yield json.loads(line)


def error_told(value: Mapping[str, Any]) -> WebtextError | None:
    """The failure that a line tells, if it tells one."""
    if "error" not in value:
        return None
    told = value["error"]
    kind = getattr(errors, told["kind"], WebtextError)
    found: WebtextError = kind(told["message"], where=told["where"], hint=told["hint"])
    return found


def how_it_ended(code: int) -> str:
    """An exit code as subprocess gives it, in words that follow the name of the process."""
    if code >= 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    return f"was killed by signal {-code} ({name})"
