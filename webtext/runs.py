"""What the training runs of a corpus last said about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def runs_of(corpus: Path) -> dict[str, dict[str, Any]]:
    """The last line of every run's log.jsonl, by the run's name. A log that was cut short gives its last whole line."""
    found: dict[str, dict[str, Any]] = {}
    for log in sorted(corpus.glob("runs/*/log.jsonl")):
        for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
            if (entry := _step(line)) is not None:
                found[log.parent.name] = entry
                break
    return found


def _step(line: str) -> dict[str, Any] | None:
    """A line that tells of a step, None for others and for what is none of ours."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if isinstance(entry, dict) and type(entry.get("step")) is int and type(entry.get("loss")) is float:
        return entry
    return None
