"""What one crawl process is told: a JSON file, written by `crawl.make_pages`, read by `process`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webtext.corpus.settings import CrawlSettings
from webtext.crawler.fetch.shards import WHOLE, Numbering, Shard
from webtext.crawler.fetch.warc import SEGMENT_BYTES


@dataclass(frozen=True)
class Plan:
    """One crawl process. Paths are absolute."""

    pages: Path
    """The folder of ledger and segments."""
    settings: CrawlSettings
    parent: int
    """The process id with which this process ends."""
    replay: tuple[Path, ...] = ()
    replay_index: Path | None = None
    segment_bytes: int = SEGMENT_BYTES
    numbering: Numbering = field(default_factory=Numbering)
    """The numbers of its segments."""
    deadline: float | None = None
    """Seconds since 1970 from which no link is begun."""
    sealed: Path | None = None
    """Where it lists the pages of each segment that it will not append to any more; None: nowhere."""
    known: Mapping[int, int] = field(default_factory=dict)
    """Segments of an earlier, finished crawl and their bytes: pages in them are not listed."""
    hosts: Path | None = None
    """Where it remembers hosts (`site_store`), together with the others of its kind; None: nowhere."""
    turns: Path | None = None
    """Where the processes of a machine take turns at hosts (`shared_turns`); None: this one is alone."""
    shard: Shard = WHOLE
    """Of the machine: what other machines ask is asked more slowly here."""
    corpus: Path | None = None
    """Whose tombstones hold: an address that is forgotten is not asked."""
    allow_loopback: Mapping[str, str] = field(default_factory=dict)
    """Only for tests and the demo: host names that may lead to this machine, with the address. No flag reaches it."""
    clock: str = ""
    """Only for tests and the demo: the time (ISO 8601) at which every answer is said to come, so that a crawl can be
    repeated to the byte."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "pages": str(self.pages),
            "settings": dataclasses.asdict(self.settings),
            "parent": self.parent,
            "replay": [str(path) for path in self.replay],
            "replay_index": None if self.replay_index is None else str(self.replay_index),
            "segment_bytes": self.segment_bytes,
            "numbering": dataclasses.asdict(self.numbering),
            "deadline": self.deadline,
            "known": [[number, length] for number, length in self.known.items()],
            "sealed": None if self.sealed is None else str(self.sealed),
            "hosts": None if self.hosts is None else str(self.hosts),
            "turns": None if self.turns is None else str(self.turns),
            "shard": str(self.shard),
            "corpus": None if self.corpus is None else str(self.corpus),
            "allow_loopback": dict(self.allow_loopback),
            "clock": self.clock,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """The inverse of `to_json`."""
        settings: dict[str, Any] = {
            name: tuple(entry) if isinstance(entry, list) else entry for name, entry in value["settings"].items()
        }
        return cls(
            pages=Path(value["pages"]),
            settings=CrawlSettings(**settings),
            parent=value["parent"],
            replay=tuple(Path(path) for path in value["replay"]),
            replay_index=None if value["replay_index"] is None else Path(value["replay_index"]),
            segment_bytes=value["segment_bytes"],
            numbering=Numbering(**value["numbering"]),
            deadline=value["deadline"],
            known=dict(value["known"]),
            sealed=None if value["sealed"] is None else Path(value["sealed"]),
            hosts=None if value["hosts"] is None else Path(value["hosts"]),
            turns=None if value["turns"] is None else Path(value["turns"]),
            shard=Shard.parse(value["shard"]),
            corpus=None if value["corpus"] is None else Path(value["corpus"]),
            allow_loopback=value["allow_loopback"],
            clock=value["clock"],
        )
