"""What a worker does: one row group of documents to parts of tokens, and ranges of parts to one shard.

Both are functions of small references; they read and write files themselves, so any engine can spread them. Neither
holds more than the tokens of one row group in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.errors import DamagedFile
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, open_parquet, read_json, write_json
from webtext.corpus.schemas import DOCUMENTS
from webtext.tokenize.assembly import Range, held_out
from webtext.tokenize.encoding import Encoder, Offsets, Tokens
from webtext.tokenize.fast import FastEncoder
from webtext.tokenize.files import read_vocabulary
from webtext.tokenize.proof import GIGATOKEN, is_failure
from webtext.tokenize.reading import text_batches
from webtext.tokenize.shard_index import SPLITS, ShardEntry
from webtext.tokenize.shards import Shard, write_shard

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Group:
    """One row group of clean/, and the parts its tokens go to: of each split, those that have documents."""

    path: Path
    number: int
    train: Path
    val: Path

    @property
    def record(self) -> Path:
        """Says what the group became; written after its parts, so where it is they are whole."""
        return self.train.with_suffix(".json")

    def part(self, split: str) -> Path:
        """The part of a split."""
        return self.train if split == "train" else self.val


@dataclass(frozen=True)
class EncodeGroup:
    """Encodes row groups with the tokenizer in a file, which each worker reads once. A part has the form of a shard.

    `engine` says which of the two encoders; both give the same (`proof`).
    """

    tokenizer: Path
    engine: str
    validation: float
    salt: str

    @cached_property
    def encoder(self) -> Encoder | FastEncoder:
        """Made in the worker, on its first row group."""
        vocabulary = read_vocabulary(self.tokenizer)
        return FastEncoder(vocabulary) if self.engine == GIGATOKEN else Encoder(vocabulary)

    def __call__(self, group: Group) -> None:
        if group.record.exists():
            return
        all_keys: list[Keys] = []
        documents = {split: _Documents() for split in SPLITS}
        for keys, urls, tokens, offsets in self._encoded(group):
            all_keys.append(keys)
            held = held_out(keys, self.validation, self.salt)
            for split, mine in (("train", ~held), ("val", held)):
                rows = np.flatnonzero(mine)
                lengths = np.diff(offsets)
                kept = tokens if len(rows) == len(keys) else tokens[np.repeat(mine, lengths)]
                documents[split].add(keys[rows], [urls[row] for row in rows.tolist()], lengths[rows], kept)
        keys = np.concatenate(all_keys)
        if np.any(keys[1:] == keys[:-1]):
            raise DamagedFile("a key stands there twice", where=group.path, hint=_AGAIN)
        if np.any(keys[1:] < keys[:-1]):
            raise DamagedFile("its documents do not stand in the order of their keys", where=group.path, hint=_AGAIN)
        for split, found in documents.items():
            if found.urls:
                found.write(group.part(split))
        fault_point("tokenize.encoded")
        sizes = {split: [len(found.urls), found.size] for split, found in documents.items()}
        write_json(group.record, {"first": int(keys[0]), "last": int(keys[-1]), "sizes": sizes})

    def _encoded(self, group: Group) -> Iterator[tuple[Keys, list[str], Tokens, Offsets]]:
        for batch in text_batches(group.path, group.number, ("key", "url", "text")):
            tokens, offsets = self._column(batch["text"])
            yield np.asarray(batch["key"].to_numpy(), np.uint64), batch["url"].to_pylist(), tokens, offsets

    def _column(self, texts: pa.Array) -> tuple[Tokens, Offsets]:
        try:
            return self.encoder.encode_column(texts)
        except BaseException as error:
            if self.engine != GIGATOKEN or not is_failure(error):
                raise
            return Encoder(self.encoder.vocabulary).encode_column(texts)  # the same ids, more slowly


_AGAIN = "make it again: webtext dedup CORPUS --redo"


class _Documents:
    """The documents of one split of a row group, as they come: what becomes a part."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.size = 0
        """Of all documents, in tokens."""
        self._keys = [np.empty(0, np.uint64)]
        self._lengths = [np.zeros(1, np.int64)]
        self._tokens: list[Tokens] = []

    def add(self, keys: Keys, urls: list[str], lengths: npt.NDArray[np.int64], tokens: Tokens) -> None:
        """Some documents; `tokens` holds all of theirs, one after another."""
        self.urls += urls
        self.size += len(tokens)
        self._keys.append(keys)
        self._lengths.append(lengths)
        self._tokens.append(tokens)

    def write(self, path: Path) -> None:
        """Write the part: it has the form of a shard."""
        offsets = np.cumsum(np.concatenate(self._lengths))
        write_shard(path, np.concatenate(self._keys), self.urls, self._tokens, offsets, metadata={})


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be made of rows of parts."""

    split: str
    path: Path
    pieces: tuple[tuple[Path, Range], ...]
    metadata: tuple[tuple[str, str], ...]

    @property
    def record(self) -> Path:
        """Says what the shard became; written after it, so where it is the shard is whole."""
        return self.path.with_suffix(".json")

    @property
    def made(self) -> bool:
        """Whether the shard is there."""
        return self.record.exists() and self.path.exists()

    def entry(self, file: str) -> ShardEntry:
        """What index.json says of the shard under its final name."""
        found = read_json(self.record)
        return ShardEntry(file, found["tokens"], found["documents"], found["sha256"])


def assemble_shard(plan: ShardPlan) -> None:
    """Copy the documents of a plan together and write its shard and its record."""
    if plan.made:
        return
    keys, urls, offsets = gathered(plan.pieces)
    write_shard(plan.path, keys, urls, gathered_tokens(plan.pieces), offsets, metadata=dict(plan.metadata))
    fault_point("tokenize.assembled")
    write_json(plan.record, {"tokens": int(offsets[-1]), "documents": len(keys), "sha256": file_sha256(plan.path)})


def gathered(pieces: tuple[tuple[Path, Range], ...]) -> tuple[Keys, list[str], Offsets]:
    """The documents of all pieces, one after another: keys, urls and offsets as `write_shard` takes them.

    One part is open at a time: the pages of a mapped file count as memory while it is.
    """
    keys, lengths = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    urls: list[str] = []
    for path, piece in pieces:
        part = Shard.open(path)
        keys.append(part.keys[piece.first : piece.last].copy())
        lengths.append(np.diff(part.offsets[piece.first : piece.last + 1]))
        urls += part.urls.slice(piece.first, piece.last - piece.first).to_pylist()
    return np.concatenate(keys), urls, np.cumsum(np.concatenate(lengths))


def gathered_tokens(pieces: tuple[tuple[Path, Range], ...]) -> Iterator[Tokens]:
    """The tokens of the documents of all pieces, a piece at a time: views of the one part that is open."""
    for path, piece in pieces:
        part = Shard.open(path)
        yield part.tokens[part.offsets[piece.first] : part.offsets[piece.last]]


def sample_texts(groups: list[tuple[Path, int]], size: int) -> list[pa.Array]:
    """Some texts from row groups spread evenly over all, about `size` bytes: what the fast engine is tried on."""
    count = min(len(groups), 16)
    found = []
    for number in range(count):
        path, group = groups[number * len(groups) // count]
        with open_parquet(path, DOCUMENTS) as file:
            batch = next(file.iter_batches(64, [group], ["text"], use_threads=False))
            batch.validate(full=True)
        texts = batch["text"]
        rows, taken = 0, 0
        while rows < len(texts) and taken < size // count:
            taken += len(texts[rows].as_buffer())
            rows += 1
        found.append(texts.slice(0, rows))
    return found
