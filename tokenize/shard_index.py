"""shards/index.json: which shards there are, in the order of the stream, and what each must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.files import file_sha256, read_json, write_json
from webtext.corpus.schemas import SCHEMA_VERSION
from webtext.tokenize.shards import Shard

INDEX_NAME = "index.json"
SPLITS = ("train", "val")
OLDER = "older"
"""Folder below shards/ where earlier generations lie, each in one of the first 16 hex digits of its identity."""

_AGAIN = "make the shards again: webtext tokenize CORPUS --redo"


@dataclass(frozen=True)
class ShardEntry:
    """One shard: its file (a name in the folder), tokens, documents, and the sha256 of its bytes."""

    file: str
    tokens: int
    documents: int
    sha256: str


@dataclass(frozen=True)
class ShardIndex:
    """All shards of one generation. `identity` is what a training run pins: it covers all that shapes the stream."""

    identity: str
    corpus: str
    """Identity of the clean documents."""
    tokenizer: str
    """Fingerprint of the vocabulary."""
    vocab_size: int
    endoftext: int
    splits: Mapping[str, Sequence[ShardEntry]]

    def tokens(self, split: str) -> int:
        """Tokens of all shards of a split."""
        return sum(entry.tokens for entry in self.splits[split])

    def to_json(self) -> dict[str, Any]:
        """What index.json holds."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def write(self, path: Path) -> None:
        """Write index.json, atomically."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> ShardIndex:
        """Read the index.json of a folder of shards.

        Raises:
            WebtextError: there is none, or it was written by a newer webtext.
            DamagedFile: it is no index.
        """
        path = folder / INDEX_NAME
        if not path.is_file():
            raise WebtextError("there are no shards here", where=folder, hint="make them: webtext tokenize CORPUS")
        found = read_json(path)
        version = found.get("schema_version") if isinstance(found, dict) else None
        if not isinstance(version, int):
            raise DamagedFile("is no index of shards", where=path, hint=_AGAIN)
        if version != SCHEMA_VERSION:
            raise WebtextError(
                f"has schema version {version}; this webtext reads {SCHEMA_VERSION}",
                where=path,
                hint="use the newer webtext that made it" if version > SCHEMA_VERSION else _AGAIN,
            )
        try:
            entries = {split: tuple(ShardEntry(**entry) for entry in found["splits"][split]) for split in SPLITS}
            return cls(**{**{name: found[name] for name in cls.__dataclass_fields__}, "splits": entries})
        except (KeyError, TypeError) as error:
            raise DamagedFile(f"is no whole index of shards ({error})", where=path, hint=_AGAIN) from error


def open_shards(folder: Path, split: str, *, verify: bool = False) -> list[Shard]:
    """Open the shards of a split ("train" or "val"), in the order of the stream.

    Args:
        folder: `shards/` of a corpus, or an older generation below `shards/older/`.
        verify: also compare the bytes of each file with the sha256 in the index (reads all of it).

    Raises:
        DamagedFile: a file is missing, truncated, foreign, or not the one the index means.
        WebtextError: there are no shards, or a newer webtext made them.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}", hint=f"one of {', '.join(SPLITS)}")
    index = ShardIndex.read(folder)
    return [_open_entry(folder / entry.file, entry, index, split, verify=verify) for entry in index.splits[split]]


def _open_entry(path: Path, entry: ShardEntry, index: ShardIndex, split: str, *, verify: bool) -> Shard:
    if not path.is_file():
        raise DamagedFile("is missing", where=path, hint=_AGAIN)
    shard = Shard.open(path)
    meant = {"identity": index.identity, "tokenizer": index.tokenizer, "split": split}
    for name, value in meant.items():
        if shard.metadata.get(name) != value:
            raise DamagedFile(
                f"belongs elsewhere: its {name} is {shard.metadata.get(name)}, that of {INDEX_NAME} is {value}",
                where=path,
                hint=_AGAIN,
            )
    if (len(shard.tokens), len(shard)) != (entry.tokens, entry.documents):
        raise DamagedFile(
            f"has {len(shard.tokens):,} tokens in {len(shard):,} documents, {INDEX_NAME} says "
            f"{entry.tokens:,} in {entry.documents:,}",
            where=path,
            hint=_AGAIN,
        )
    if verify and file_sha256(path) != entry.sha256:
        raise DamagedFile("has other bytes than when it was written (sha256 differs)", where=path, hint=_AGAIN)
    return shard
