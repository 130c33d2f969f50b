"""What a worker does: one row group of documents to a part of tokens, and rows of parts to one shard.

Both are functions of small references; they read and write files themselves, so any engine can spread them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from webtext.corpus.errors import DamagedFile
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, read_json, write_json, write_stream
from webtext.corpus.schemas import DOCUMENTS
from webtext.tokenize.assembly import gather
from webtext.tokenize.choosing import BATCH_ROWS
from webtext.tokenize.encoding import Encoder
from webtext.tokenize.files import read_vocabulary
from webtext.tokenize.shard_index import ShardEntry
from webtext.tokenize.shards import Shard, write_shard


@dataclass(frozen=True)
class Group:
    """One row group of clean/, and the part its tokens go to."""

    path: Path
    number: int
    part: Path


@dataclass(frozen=True)
class EncodeGroup:
    """Encodes row groups with the tokenizer in a file, which each worker reads once. A part has the form of a shard."""

    tokenizer: Path

    @cached_property
    def encoder(self) -> Encoder:
        """Made in the worker, on its first row group."""
        return Encoder(read_vocabulary(self.tokenizer))

    def __call__(self, group: Group) -> None:
        if group.part.exists():
            return
        with open_parquet(group.path, DOCUMENTS) as file:
            table = file.read_row_group(group.number, columns=["key", "url", "text"]).combine_chunks()
            table.validate(full=True)  # a flipped byte may have left text that is no UTF-8
        found = [np.empty(0, np.uint16)]
        lengths = [np.zeros(1, np.int64)]
        for start in range(0, len(table), BATCH_ROWS):
            texts = table["text"].slice(start, BATCH_ROWS).to_pylist()
            tokens, offsets = self.encoder.encode_batch(texts, endoftext=True)
            found.append(tokens)
            lengths.append(np.diff(offsets))
        write_shard(
            group.part,
            np.asarray(table["key"].to_numpy(), np.uint64),
            table["url"].to_pylist(),
            np.concatenate(found),
            np.cumsum(np.concatenate(lengths)),
            metadata={},
        )
        fault_point("tokenize.encoded")


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be made: `rows` names a file of (number in `parts`, row there), one a document."""

    split: str
    path: Path
    rows: Path
    parts: tuple[Path, ...]
    metadata: tuple[tuple[str, str], ...]

    @property
    def record(self) -> Path:
        """Says what the shard became; written after it, so where it is the shard is whole."""
        return self.path.with_suffix(".json")

    @property
    def made(self) -> bool:
        """Whether the shard is there."""
        return self.record.exists() and self.path.exists()

    def write_rows(self, rows: npt.NDArray[np.int64]) -> None:
        """Write the file `rows`: int64 [n, 2]."""
        write_stream(self.rows, lambda file: np.save(file, rows))

    def entry(self, file: str) -> ShardEntry:
        """What index.json says of the shard under its final name."""
        found = read_json(self.record)
        return ShardEntry(file, found["tokens"], found["documents"], found["sha256"])


def assemble_shard(plan: ShardPlan) -> None:
    """Copy the documents of a plan together and write its shard and its record."""
    if plan.made:
        return
    try:
        rows = np.load(plan.rows)
    except ValueError as error:
        raise DamagedFile(f"is no list of rows ({error})", where=plan.rows, hint="remove the folder work/") from error
    keys, urls, tokens, offsets = gather([Shard.open(part) for part in plan.parts], rows)
    write_shard(plan.path, keys, urls, tokens, offsets, metadata=dict(plan.metadata))
    write_json(plan.record, {"tokens": len(tokens), "documents": len(keys), "sha256": file_sha256(plan.path)})
