"""The walk that whole-command tests share: its commands, their arguments, and what it left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from small_web import SmallWeb

TRAIN = ("--preset", "tiny", "--steps", "6")


@dataclass
class Walk:
    """A finished corpus, and a copy of it as it was after each command."""

    web: SmallWeb
    corpus: Path
    fingerprint: str
    after: dict[str, Path]

    def arguments(self, command: str) -> tuple[object, ...]:
        """What follows `webtext COMMAND CORPUS` in the walk."""
        return {
            "links": (self.web.dump,),
            "crawl": ("--replay", self.web.warc),
            "tokenize": ("--vocab-size", 1000),
            "train": TRAIN,
        }.get(command, ())


STAGES = ("links", "crawl", "extract", "dedup", "tokenize")
BEFORE = dict(zip(STAGES, (None, *STAGES[:-1]), strict=True)) | {"train": "tokenize"}
