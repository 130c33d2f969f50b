"""What a corpus holds of what is to be forgotten: counted by stage, and named by run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from webtext.corpus.files import open_parquet
from webtext.corpus.manifests import Manifest, current, is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS, LINKS, OUTCOMES
from webtext.corpus.stages import stage_manifest
from webtext.corpus.tombstones import Tombstones
from webtext.crawler.forgotten import Forgotten
from webtext.runs import pinned_shards


@dataclass(frozen=True)
class ForgetReport:
    """What is forgotten, or with `done` False: what would be. Rows by stage; runs that read such documents."""

    corpus: str
    done: bool
    keys: int
    domains: int
    rows: Mapping[str, int] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Stages that were older than their source: they go as a whole, and their commands make them again."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        what = ", ".join(f"{count:,} {name}" for name, count in self.rows.items() if count) or "nothing of it is here"
        lines = [
            f"{self.keys:,} address{'es' if self.keys != 1 else ''} and {self.domains:,} "
            f"domain{'s' if self.domains != 1 else ''}: {what}"
        ]
        if self.removed:
            lines.append(f"older than what they are made of, removed as a whole: {', '.join(self.removed)}")
        for run in self.runs:
            lines.append(f"run {run} was trained on them: what a model has learned is not removed")
        return "\n".join(lines)


def finished_stages(path: Path) -> dict[Stage, Manifest]:
    """The manifests of what is finished."""
    found = {stage: stage_manifest(path, stage) for stage in Stage}
    return {stage: manifest for stage, manifest in found.items() if manifest is not None}


def look(
    path: Path,
    every: Tombstones,
    wanted: Tombstones,
    finished: Mapping[Stage, Manifest],
    note: Mapping[str, Any] | None,
) -> ForgetReport:
    """Count what is here."""
    from webtext.crawler.fetch.forgetting import find_forgotten
    from webtext.crawler.reddit.listing_forget import LISTINGS, forgotten_submissions

    forgotten = Forgotten(every)
    rows: dict[str, int] = {}
    for stage, prefix, schema in (
        (Stage.LINKS, "links/part-", LINKS),
        (Stage.DOCUMENTS, "documents/part-", DOCUMENTS),
        (Stage.CLEAN, "clean/part-", DOCUMENTS),
    ):
        names = [name for name in finished[stage].files if name.startswith(prefix)] if stage in finished else []
        rows[str(stage)] = sum(rows_in(path / name, schema, forgotten) for name in names if (path / name).is_file())
    imported = finished.get(Stage.DOCUMENTS)
    if imported is not None and is_imported(imported):  # of a crawl they are rows of links/, too
        names = [name for name in imported.files if not name.startswith("documents/")]
        rows["outcomes"] = sum(rows_in(path / name, OUTCOMES, forgotten) for name in names if (path / name).is_file())
    rows["lines of dumps"] = lines_in(path, finished, forgotten)
    if (path / LISTINGS).is_dir():
        rows["submissions in listings"] = forgotten_submissions(path, forgotten)
    found = find_forgotten(path / Stage.PAGES, forgotten)
    rows["pages"] = found.links + found.leading
    rows["WARC records"] = found.responses
    rows["documents in shards"] = sum(in_shards(folder, forgotten) for folder in generations(path))
    if note is not None:
        rows = {**rows, **{name: max(count, rows.get(name, 0)) for name, count in note["report"]["rows"].items()}}
    flagged = set(shards_to_flag(path, every)) | set(note["shards"] if note else ())
    # pages/ stays, whatever has become of links/: only its manifest goes, and the crawl goes on later.
    stale = [str(stage) for stage in finished if stage not in current(finished) and stage is not Stage.PAGES]
    return ForgetReport(
        str(path), False, len(wanted.keys), len(wanted.domains), rows,
        tuple(name for name, shards in pinned_shards(path).items() if shards in flagged), tuple(stale),
    )  # fmt: skip


def rows_in(path: Path, schema: pa.Schema, forgotten: Forgotten) -> int:
    """The rows of a Parquet file that are forgotten."""
    with open_parquet(path, schema) as file:
        return sum(
            _count(batch["key"], batch["url"], forgotten) for batch in file.iter_batches(65_536, columns=["key", "url"])
        )


def lines_in(path: Path, finished: Mapping[Stage, Manifest], forgotten: Forgotten) -> int:
    """All lines that were read of dumps, whether they became links or not."""
    from webtext.crawler.reddit.lines import SCHEMA as LINES

    if Stage.LINKS not in finished:
        return 0
    names = [name for name in finished[Stage.LINKS].files if name.startswith("links/lines/") and "parquet" in name]
    return sum(rows_in(path / name, LINES, forgotten) for name in names if (path / name).is_file())


def _count(keys: Any, urls: Any, forgotten: Forgotten) -> int:
    return int(np.count_nonzero(forgotten.rows(np.asarray(keys.to_numpy(), np.uint64), urls.to_pylist())))


def generations(path: Path) -> list[Path]:
    """The folders of shards: the one of now, and older ones."""
    from webtext.tokenize.shard_index import INDEX_NAME, OLDER

    folder = path / Stage.SHARDS
    return [one for one in (folder, *sorted((folder / OLDER).glob("*"))) if (one / INDEX_NAME).is_file()]


def in_shards(folder: Path, forgotten: Forgotten) -> int:
    """The documents of a generation of shards that are forgotten."""
    from webtext.tokenize.shard_index import SPLITS, ShardIndex
    from webtext.tokenize.shards import Shard

    index = ShardIndex.read(folder)
    files = [folder / entry.file for split in SPLITS for entry in index.splits[split]]
    opened = (Shard.open(file) for file in files if file.is_file())
    return sum(int(np.count_nonzero(forgotten.rows(shard.keys, shard.urls.to_pylist()))) for shard in opened)


def shards_to_flag(path: Path, every: Tombstones) -> list[str]:
    """The identities of all generations of shards that hold a forgotten document."""
    from webtext.tokenize.shard_index import ShardIndex

    forgotten = Forgotten(every)
    return sorted(ShardIndex.read(one).identity for one in generations(path) if in_shards(one, forgotten))
