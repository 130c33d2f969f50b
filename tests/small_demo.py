"""The small demo that its tests share: its size, and what a walk over it left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webtext.demo.build import Size
from webtext.demo.finished import Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.run import DemoReport

SMALL = Size(pages=60, hosts=12, timeout=2.0, delay=0.0, vocab_size=1_000, steps=5)


@dataclass
class SmallDemo:
    """A finished demo, its web, what it printed as results and what was asked of its server."""

    folder: Path
    web: DemoWeb
    report: DemoReport
    printed: str
    finished: Finished
