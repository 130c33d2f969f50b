"""The documents that stay as a dataset: Parquet with splits and a card (Hugging Face), or JSON lines.

Documents lie in the order of their keys, which are hashes: every file is a fair sample. The split is that of the
shards. Read row group by row group, so memory does not grow with the corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.files import open_parquet, write_bytes, write_parquet_sized, write_stream
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import Progress, progress
from webtext.corpus.schemas import DOCUMENTS, key_text
from webtext.corpus.stages import stage_manifest
from webtext.crawler.forgotten import Forgotten
from webtext.export_folder import ExportFolder
from webtext.exporting import CorpusExport
from webtext.exporting_cards import CARD, dataset_card
from webtext.tokenize.assembly import held_out

if TYPE_CHECKING:
    from webtext.api import Corpus

SPLITS = ("train", "validation")

FILE_BYTES = 450_000_000
"""The largest file that is meant: with one more file above it, none is below half of this (200 to 500 MB)."""

_COLUMNS = (
    "key", "url", "title", "text", "domain", "language", "karma", "first_posted", "fetched", "characters", "words",
)  # fmt: skip
_KINDS: Mapping[str, pa.DataType] = {
    "string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_(), "json": pa.string(),
}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """What is exported: files of clean/, the further columns of imported rows, and how it is split."""

    files: tuple[Path, ...]
    extra: Mapping[str, str]
    """By name their kind."""
    share: float
    salt: str
    forgotten: Forgotten

    @property
    def schema(self) -> pa.Schema:
        """The columns of the dataset. Keys are text there: 64 bits without a sign are not known everywhere."""
        own = [pa.field("key", pa.string()), *(DOCUMENTS.field(name) for name in _COLUMNS[1:])]
        return pa.schema([*own, *(pa.field(self.named(name), _KINDS[kind]) for name, kind in self.extra.items())])

    def named(self, extra: str) -> str:
        """The name of a further column."""
        return f"extra_{extra}" if extra in _COLUMNS else extra

    def held(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which documents are validation."""
        return held_out(keys, self.share, self.salt)

    def rows(self, split: str) -> Iterator[pa.Table]:
        """The documents of a split, a row group or less at a time."""
        for path in self.files:
            with open_parquet(path, DOCUMENTS) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=[*_COLUMNS, "extra"])
                    mask = self._chosen(table, split)
                    if mask.any():
                        yield self._converted(table.filter(pa.array(mask)))

    def sizes(self) -> tuple[dict[str, int], int]:
        """The rows of each split, and the compressed bytes of all of them, about."""
        counts, size = dict.fromkeys(SPLITS, 0), 0
        for path in self.files:
            with open_parquet(path, DOCUMENTS) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=["key", "url"])
                    for split in SPLITS:
                        counts[split] += int(np.count_nonzero(self._chosen(table, split)))
                    found = file.metadata.row_group(group)
                    columns = (found.column(number) for number in range(found.num_columns))
                    size += sum(
                        column.total_compressed_size
                        for column in columns
                        if column.path_in_schema in _COLUMNS or column.path_in_schema == "extra"
                    )
        return counts, size

    def _chosen(self, table: pa.Table, split: str) -> npt.NDArray[np.bool_]:
        keys = np.asarray(table["key"].to_numpy(), np.uint64)
        held = self.held(keys)
        mine = held if split == "validation" else ~held
        return mine & ~self.forgotten.rows(keys, table["url"].to_pylist()) if self.forgotten else mine

    def _converted(self, table: pa.Table) -> pa.Table:
        columns: dict[str, Any] = {name: table[name] for name in _COLUMNS}
        columns["key"] = pa.array([key_text(key) for key in table["key"].to_pylist()], pa.string())
        rows = [json.loads(text) if text else {} for text in table["extra"].to_pylist()] if self.extra else []
        for name, kind in self.extra.items():
            columns[self.named(name)] = pa.array([_value(row.get(name), kind) for row in rows], _KINDS[kind])
        return pa.table(columns).cast(self.schema)


def export_dataset(corpus: Corpus, folder: Path, *, to: str, name: str | None) -> CorpusExport:
    """Write the dataset; `to` is huggingface or jsonl."""
    manifest = corpus._finished(Stage.CLEAN)
    dataset = _dataset(corpus, manifest)
    counts, size = dataset.sizes()
    every = max(sum(counts.values()), 1)
    described = {
        "format": to, "identity": manifest.identity, "validation": dataset.share, "salt": dataset.salt,
        "tombstones": dataset.forgotten.tombstones.identity,
    }  # fmt: skip
    with (
        ExportFolder.opened(folder, described) as target,
        progress(None, "export", every, "documents") as shown,
    ):
        for split in SPLITS:
            files = max(1, -(-size * counts[split] // every // FILE_BYTES))
            _write_split(target, dataset, split, counts[split], files, to, shown)
        title = name or corpus.path.absolute().name
        if to == "huggingface":
            card = dataset_card(corpus, title, target.files, dataset.schema, counts)
            if not target.has(CARD) or (target.path / CARD).read_bytes() != card:
                write_bytes(target.path / CARD, card)
                target.add(CARD)
        upload = f"hf upload USER/{title} {folder} --repo-type dataset" if to == "huggingface" else ""
        return CorpusExport(str(folder), to, manifest.identity, dict(target.files), target.made, upload)


def _dataset(corpus: Corpus, manifest: Manifest) -> Dataset:
    documents = stage_manifest(corpus.path, Stage.DOCUMENTS)
    shards = stage_manifest(corpus.path, Stage.SHARDS)
    settings = corpus.settings.tokenize
    made: Mapping[str, Any] = shards.settings if shards is not None else {}
    return Dataset(
        files=tuple(corpus._files(manifest, "clean/part-")),
        extra=dict(documents.facts.get("extra_columns", {})) if documents is not None else {},
        share=float(made.get("validation", settings.validation)),
        salt=str(made.get("salt", settings.salt)),
        forgotten=Forgotten.of(corpus.path),
    )


def _write_split(
    target: ExportFolder, dataset: Dataset, split: str, rows: int, files: int, to: str, shown: Progress
) -> None:
    """Cut a split into files of even row counts. A split without rows has no file: readers take an empty one amiss."""
    if not rows:
        return
    stream = _Stream(dataset.rows(split))
    for number in range(files):
        count = (number + 1) * rows // files - number * rows // files
        if to == "huggingface":
            name = f"data/{split}-{number:05d}-of-{files:05d}.parquet"
        else:
            name = f"{split}-{number:05d}.jsonl"
        tables = _counted(stream.take(count), shown)
        if target.has(name):
            for _ in tables:
                pass
        elif to == "huggingface":
            write_parquet_sized(target.path / name, tables, dataset.schema)
            target.add(name, rows=count, split=split)
        else:
            _write_lines(target.path / name, tables)
            target.add(name, rows=count, split=split)


def _counted(tables: Iterator[pa.Table], shown: Progress) -> Iterator[pa.Table]:
    for table in tables:
        yield table
        shown.add(len(table))


class _Stream:
    """Tables one after the other, of which so many rows are taken at a time."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rest: pa.Table | None = None

    def take(self, rows: int) -> Iterator[pa.Table]:
        while rows:
            table = self._rest if self._rest is not None else next(self._tables)
            self._rest = table.slice(rows) if len(table) > rows else None
            table = table.slice(0, rows)
            rows -= len(table)
            yield table


def _write_lines(path: Path, tables: Iterator[pa.Table]) -> None:
    def write(out: Any) -> None:
        for table in tables:
            for row in table.to_pylist():
                for name in ("first_posted", "fetched"):
                    row[name] = None if row[name] is None else row[name].strftime("%Y-%m-%dT%H:%M:%SZ")
                out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    write_stream(path, write)


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return float(value) if kind == "double" else value
