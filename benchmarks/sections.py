"""The sections of docs/benchmarks.md: machine, day and versions that each names, and how it is written."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "docs/benchmarks.md"


def heading(packages: Sequence[str] = ("numpy", "pyarrow", "apache-beam")) -> str:
    """The machine, the day and the versions, as one sentence."""
    tools = [f"{name} {version(name)}" for name in packages]
    return (
        ", ".join([machine(), f"{os.cpu_count()} cores", today(), f"Python {platform.python_version()}", *tools]) + "."
    )


def machine() -> str:
    """The processor's name, where the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        told = []
    return next((line.split(":")[1].strip() for line in told if "model name" in line), platform.machine())


def today() -> str:
    """The day, as in 2026-11-29."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def write_section(name: str, text: str, path: Path = BENCHMARKS) -> None:
    """Replace the section `## name` of a Markdown file where it stands, or append it."""
    whole = path.read_text() if path.exists() else "# Benchmarks\n"
    first, *sections = whole.split("\n## ")
    section = f"{name}\n\n{text.strip()}\n"
    places = [place for place, old in enumerate(sections) if old.splitlines()[0] == name]
    if places:
        sections[places[0]] = section
    else:
        sections.append(section)
    path.write_text("\n## ".join(part.rstrip("\n") + "\n" for part in (first, *sections)))
