"""Shards in the formats of others: nanoGPT's .bin, Parquet, JSON lines. Each file is read back and compared.

An export lies in a folder of its own with a record, `export.json`, of what is finished: the same command goes on with
what is not. Files are written aside and renamed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import TEMPORARY, atomic, file_sha256, os_errors, read_json, sweep, write_json, write_stream
from webtext.corpus.lock import LOCK_NAME, corpus_lock
from webtext.corpus.schemas import SHARD, key_text
from webtext.tokenize.shard_index import SPLITS, ShardIndex, open_shards
from webtext.tokenize.shards import Shard
from webtext.tokenize.vocabulary import Vocabulary

RECORD = "export.json"
_CHUNK = 16_000_000  # tokens copied at once: 32 MB
_ROWS = 1_024  # documents that are Python lists at once


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote, or found finished."""

    folder: str
    format: str
    identity: str
    files: Mapping[str, Mapping[str, Any]]
    """By name: tokens, documents, sha256."""
    made: int
    """How many of them this call wrote."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{name}: {file['tokens']:,} tokens, {file['documents']:,} documents"
                 for name, file in self.files.items()]  # fmt: skip
        return "\n".join([*lines, f"{self.folder}: {len(self.files)} files, read back and equal ({self.made} new)"])


@dataclass(frozen=True)
class _File:
    """One file to be made: its name and the shards it holds."""

    name: str
    shards: tuple[Shard, ...]

    @property
    def tokens(self) -> int:
        return sum(len(shard.tokens) for shard in self.shards)

    @property
    def documents(self) -> int:
        return sum(len(shard) for shard in self.shards)


def export_shards(
    source: Path,
    target: Path,
    to: str,
    vocabulary: Vocabulary,
    *,
    done: Callable[[int], None] = lambda tokens: None,
) -> ExportReport:
    """Write the shards of `source` into the folder `target`, which is locked meanwhile.

    Args:
        to: one of `FORMATS`.
        vocabulary: that of the shards; JSON lines carry the text beside the tokens.
        done: told the tokens of each finished file.

    Raises:
        UsageError: no such format; the folder holds other things, or another export.
        DamagedFile: a shard is not as it was written, or what was written does not read back.
    """
    if to not in FORMATS:
        raise UsageError(f"there is no export to {to!r}", hint=f"one of {', '.join(FORMATS)}")
    index = ShardIndex.read(source)
    if vocabulary.fingerprint != index.tokenizer:
        raise WebtextError(
            f"the tokenizer ({vocabulary.size:,} tokens, {vocabulary.fingerprint[:16]}) is not that of the shards "
            f"({index.vocab_size:,} tokens, {index.tokenizer[:16]})",
            where=source,
        )
    described = {"format": to, "identity": index.identity, "tokenizer": index.tokenizer,
                 "vocab_size": index.vocab_size, "endoftext": index.endoftext}  # fmt: skip
    files = begun(target, described)
    made = 0
    with corpus_lock(target, "shards export"):
        sweep(target)
        write_json(target / RECORD, {**described, "files": files})
        for split in SPLITS:
            for file in _files(to, split, open_shards(source, split, verify=True)):
                path = target / file.name
                if not _finished(path, files.get(file.name)):
                    write, read = FORMATS[to]
                    write(path, file, vocabulary)
                    _compare(path, file, read(path))
                    fault_point("export.written")
                    size = {"tokens": file.tokens, "documents": file.documents}
                    files[file.name] = {**size, "sha256": file_sha256(path)}
                    write_json(target / RECORD, {**described, "files": files})
                    made += 1
                done(file.tokens)
    return ExportReport(str(target), to, index.identity, files, made)


def _finished(path: Path, recorded: Mapping[str, Any] | None) -> bool:
    return recorded is not None and path.is_file() and file_sha256(path) == recorded["sha256"]


def begun(target: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded of the files of this export. Touches nothing in a folder that is none of ours.

    Raises:
        UsageError: the folder holds other things, or another export.
    """
    with os_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        inside = [path.name for path in target.iterdir() if path.name != LOCK_NAME and TEMPORARY not in path.name]
    path = target / RECORD
    if path.exists():
        record = read_json(path)
        before = {name: record.get(name) for name in described} if isinstance(record, dict) else {}
        wrong = next((name for name in described if before.get(name) != described[name]), None)
        if wrong is not None:
            raise UsageError(
                f"holds another export: its {wrong} is {before.get(wrong)!r}, now it is {described[wrong]!r}",
                where=target,
                hint="name another folder, or remove this one",
            )
        return dict(record["files"])
    if inside:
        raise UsageError(
            f"is not empty ({sorted(inside)[0]}) and holds no export",
            where=target,
            hint="name a new or an empty folder",
        )
    return {}


def _files(to: str, split: str, shards: list[Shard]) -> list[_File]:
    if to == "nanogpt":  # one stream a split; numpy maps no empty file
        return [_File(f"{split}.bin", tuple(shards))] if shards else []
    suffix = {"parquet": ".parquet", "jsonl": ".jsonl"}[to]
    return [_File(shard.path.with_suffix(suffix).name, (shard,)) for shard in shards]


def _compare(path: Path, file: _File, read: Iterator[npt.NDArray[np.uint16]]) -> None:
    meant, found, count = hashlib.sha256(), hashlib.sha256(), 0
    for shard in file.shards:
        meant.update(shard.tokens.data)
    for tokens in read:
        found.update(np.ascontiguousarray(tokens).data)
        count += len(tokens)
    if count != file.tokens or meant.digest() != found.digest():
        raise DamagedFile(
            f"reads back as other tokens than were written ({count:,}, not {file.tokens:,})", where=path,
            hint="is the disk sound? the same command writes it again",
        )  # fmt: skip


def _write_bin(path: Path, file: _File, vocabulary: Vocabulary) -> None:
    def write(out: BinaryIO) -> None:
        for shard in file.shards:
            for start in range(0, len(shard.tokens), _CHUNK):
                out.write(shard.tokens[start : start + _CHUNK].astype("<u2", copy=False).data)

    write_stream(path, write)


def _read_bin(path: Path) -> Iterator[npt.NDArray[np.uint16]]:
    """As nanoGPT's train.py does."""
    data = np.memmap(path, dtype=np.uint16, mode="r")
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]


def _write_parquet(path: Path, file: _File, vocabulary: Vocabulary) -> None:
    (shard,) = file.shards
    with atomic(path) as aside, pq.ParquetWriter(aside, SHARD, compression="zstd", compression_level=3) as writer:
        for start in range(0, len(shard), _ROWS):
            writer.write_table(_rows(shard, start, min(start + _ROWS, len(shard))))


def _rows(shard: Shard, start: int, end: int) -> pa.Table:
    offsets = shard.offsets[start : end + 1]
    tokens = pa.LargeListArray.from_arrays(
        pa.array(offsets - offsets[0]),
        pa.array(shard.tokens[offsets[0] : offsets[-1]]),
        type=SHARD.field("tokens").type,
    )
    columns = [tokens, pa.array(shard.keys[start:end]), shard.urls.slice(start, end - start)]
    return pa.Table.from_arrays(columns, schema=SHARD)


def _read_parquet(path: Path) -> Iterator[npt.NDArray[np.uint16]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS, columns=["tokens"]):
            yield np.asarray(batch.column(0).flatten().to_numpy(zero_copy_only=False), np.uint16)


def _write_jsonl(path: Path, file: _File, vocabulary: Vocabulary) -> None:
    (shard,) = file.shards
    known = vocabulary.tokens

    def write(out: BinaryIO) -> None:
        for row in range(len(shard)):
            tokens = shard.document(row).tolist()
            text = b"".join([known[token] for token in tokens[1:]]).decode("utf-8", "replace")
            value = {"key": key_text(int(shard.keys[row])), "url": shard.urls[row].as_py(), "text": text,
                     "tokens": tokens}  # fmt: skip
            out.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")

    write_stream(path, write)


def _read_jsonl(path: Path) -> Iterator[npt.NDArray[np.uint16]]:
    with path.open("rb") as file:
        for line in file:
            yield np.array(json.loads(line)["tokens"], np.uint16)


Write = Callable[[Path, _File, Vocabulary], None]
Read = Callable[[Path], Iterator[npt.NDArray[np.uint16]]]

FORMATS: Mapping[str, tuple[Write, Read]] = {
    "nanogpt": (_write_bin, _read_bin),
    "parquet": (_write_parquet, _read_parquet),
    "jsonl": (_write_jsonl, _read_jsonl),
}
"""nanogpt: train.bin and val.bin, uint16; the others: one file a shard. JSON lines hold key, url, text and tokens."""
