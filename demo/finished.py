"""A finished corpus, asked for facts: what became of an address, under whose name, with what text.

Reads what is on disk as any reader would; knows nothing of how the demo's web was made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.stages import stage_manifest
from webtext.crawler.reddit.urls import url_key

DOCUMENT = "document"
"""The fate of a link that became training text."""


@dataclass(frozen=True)
class Fate:
    """Where a link ended: the stage's word, the outcome's word (or `DOCUMENT`), and the detail."""

    stage: str
    outcome: str
    detail: str = ""

    def __str__(self) -> str:
        return self.outcome + (f" ({self.detail})" if self.detail else "")


NOTHING = Fate("", "nothing", "no such link in the corpus")


@dataclass(frozen=True)
class Finished:
    """A corpus whose stages are all finished.

    `asked` counts the requests that reached the demo's server, by (host, target).
    """

    corpus: Path
    asked: Mapping[tuple[str, str], int] = field(default_factory=Counter)

    def fate(self, url: str) -> Fate:
        """What became of the link of any spelling of an address."""
        return self._fates.get(url_key(url), NOTHING)

    def link(self, url: str) -> dict[str, Any] | None:
        """The row of links/ (karma, submissions …), None where the link was not kept."""
        return self._links.get(url_key(url))

    def text(self, url: str) -> str:
        """The text of a document that stays, "" where there is none."""
        return self.texts.get(url_key(url), "")

    def document(self, url: str) -> dict[str, Any] | None:
        """What documents/ has of an address beside its text (source, fetched …), None where it has nothing."""
        return self._documents.get(url_key(url))

    def copy_of(self, url: str) -> dict[str, Any] | None:
        """The row of clean/duplicates.parquet for an address, None where it was no copy."""
        return self._copies.get(url_key(url))

    @cached_property
    def manifests(self) -> Mapping[Stage, Manifest]:
        """The manifests of all stages."""
        found = {stage: stage_manifest(self.corpus, stage) for stage in Stage}
        return {stage: manifest for stage, manifest in found.items() if manifest is not None}

    @cached_property
    def texts(self) -> Mapping[int, str]:
        """The text of each document that stays, by key."""
        return {row["key"]: row["text"] for row in self._rows("clean/part-*.parquet", "key", "text")}

    @cached_property
    def shards(self) -> Mapping[str, list[int]]:
        """The keys of the documents in the shards of each split."""
        index = json.loads((self.corpus / "shards" / "index.json").read_bytes())
        found: dict[str, list[int]] = {}
        for split, entries in index["splits"].items():
            found[split] = []
            for entry in entries:
                with pa.memory_map(str(self.corpus / "shards" / entry["file"])) as source:
                    found[split] += pa.ipc.open_file(source).read_all()["key"].to_pylist()
        return found

    @cached_property
    def losses(self) -> list[float]:
        """The training loss of each step of the run "default"."""
        log = (self.corpus / "runs" / "default" / "log.jsonl").read_text().splitlines()
        return [line["loss"] for line in map(json.loads, log) if "loss" in line]

    @cached_property
    def _fates(self) -> Mapping[int, Fate]:
        found: dict[int, Fate] = {}
        for row in self._rows("outcomes/*.parquet", "key", "stage", "outcome", "detail"):
            # A further line of a link, whose own fate stands elsewhere.
            if row["outcome"] != Outcome.DUPLICATE_URL:
                found[row["key"]] = Fate(row["stage"], row["outcome"], row["detail"])
        return found | dict.fromkeys(self.texts, Fate(Stage.CLEAN, DOCUMENT))

    @cached_property
    def _links(self) -> Mapping[int, dict[str, Any]]:
        return {row["key"]: row for row in self._rows("links/part-*.parquet", "key", "url", "karma", "submissions")}

    @cached_property
    def _documents(self) -> Mapping[int, dict[str, Any]]:
        return {
            row["key"]: row for row in self._rows("documents/part-*.parquet", "key", "final_url", "source", "fetched")
        }

    @cached_property
    def _copies(self) -> Mapping[int, dict[str, Any]]:
        columns = ("removed", "keeper", "keeper_url", "jaccard", "why")
        return {row["removed"]: row for row in self._rows("clean/duplicates.parquet", *columns)}

    def _rows(self, pattern: str, *columns: str) -> Iterator[dict[str, Any]]:
        for path in sorted(self.corpus.glob(pattern)):
            yield from pq.read_table(path, columns=list(columns)).to_pylist()
