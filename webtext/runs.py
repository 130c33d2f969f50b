"""What the training runs of a corpus last said about themselves, and which shards they read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_json

FORGOTTEN_SHARDS = "forgotten-shards.json"
"""In a corpus: the identities of shards that held a document which was forgotten since."""


def runs_of(corpus: Path) -> dict[str, dict[str, Any]]:
    """The last line of every run's log.jsonl, by the run's name. A log that was cut short gives its last whole line."""
    found: dict[str, dict[str, Any]] = {}
    for log in sorted(corpus.glob("runs/*/log.jsonl")):
        for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
            if (entry := _step(line)) is not None:
                found[log.parent.name] = entry
                break
    return found


def pinned_shards(corpus: Path) -> dict[str, str]:
    """The identity of the shards that each run reads, by the run's name; runs without a whole run.json are left out."""
    found: dict[str, str] = {}
    for path in sorted(corpus.glob("runs/*/run.json")):
        try:
            settings = read_json(path)
        except WebtextError:
            continue
        if isinstance(settings, dict) and isinstance(settings.get("shards"), str):
            found[path.parent.name] = settings["shards"]
    return found


def run_notes(corpus: Path, shards: str | None) -> dict[str, str]:
    """What is to be known of runs that read other shards than those of now (`shards`: their identity)."""
    path = corpus / FORGOTTEN_SHARDS
    forgotten = set(read_json(path)["shards"]) if path.exists() else set()
    notes: dict[str, str] = {}
    for name, pinned in pinned_shards(corpus).items():
        if pinned in forgotten:
            notes[name] = f"trained on shards that held documents which were forgotten since ({pinned[:16]})"
        elif shards is not None and pinned != shards:
            notes[name] = f"trained on an older generation of the shards ({pinned[:16]})"
    return notes


def _step(line: str) -> dict[str, Any] | None:
    """A line that tells of a step, None for others and for what is none of ours."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if isinstance(entry, dict) and type(entry.get("step")) is int and type(entry.get("loss")) is float:
        return entry
    return None
