"""What the training runs of a corpus last said about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def runs_of(corpus: Path) -> dict[str, dict[str, Any]]:
    """The last line of every run's log.jsonl, by the run's name. A log that was cut short gives its last whole line."""
    found: dict[str, dict[str, Any]] = {}
    for log in sorted(corpus.glob("runs/*/log.jsonl")):
        for line in reversed(log.read_text(errors="replace").splitlines()):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and "step" in entry and "loss" in entry:
                found[log.parent.name] = entry
                break
    return found
