"""A section of docs/benchmarks.md, written by a benchmark."""

from __future__ import annotations

from pathlib import Path


def write_section(path: Path, text: str) -> None:
    """Replace the section of the same title, or append it."""
    old = path.read_text() if path.exists() else "# Benchmarks\n"
    title = text.splitlines()[0]
    before, found, after = old.partition(f"{title}\n")
    rest = after[place:] if found and (place := after.find("\n## ")) >= 0 else "\n"
    path.write_text(f"{before.rstrip()}\n\n{text}" + (rest if rest.strip() else ""))
