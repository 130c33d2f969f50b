"""One token shard: an Arrow IPC file whose flat child buffer *is* the training stream.

Uncompressed, memory-mapped, one record batch, one row a document. Not for the folder of shards (`shard_index`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import atomic, os_errors
from webtext.corpus.schemas import SCHEMA_VERSION, SHARD

PREFIX = "webtext."
"""Keys of the file metadata begin so: other programs may add their own."""

METADATA = ("schema_version", "identity", "corpus", "tokenizer", "vocab_size", "endoftext", "split", "rules")
"""What the metadata of a shard says: `identity` of all the shards it belongs to, `corpus` (the identity of the clean
documents), `tokenizer` (fingerprint), and so on. All values are text."""


def write_shard(
    path: Path,
    keys: npt.NDArray[np.uint64],
    urls: Sequence[str],
    tokens: npt.NDArray[np.uint16] | Iterable[npt.NDArray[np.uint16]],
    offsets: npt.NDArray[np.int64],
    *,
    metadata: Mapping[str, str],
) -> None:
    """Write the documents as one shard, atomically; the bytes depend on the arguments alone.

    The tokens are in memory a piece at a time.

    Args:
        keys: uint64 [n].
        urls: n addresses.
        tokens: uint16 [m], all documents one after another; or pieces of that, however they are cut.
        offsets: int64 [n + 1]: document i is `tokens[offsets[i]:offsets[i + 1]]`.
        metadata: by the names of `METADATA`; `schema_version` is added.
    """
    if len(offsets) != len(keys) + 1 or len(urls) != len(keys) or offsets[0] != 0:
        raise ValueError(f"{len(keys)} keys, {len(urls)} urls, {len(offsets)} offsets from {offsets[:1]} do not fit")
    described = {"schema_version": str(SCHEMA_VERSION), **metadata}
    # Arrow keeps the order in which metadata came: sort it, or equal shards differ in their bytes.
    schema = SHARD.with_metadata({f"{PREFIX}{name}": described[name] for name in sorted(described)})
    # Arrays of our own making, never slices of others: a slice writes other bytes than a copy of it.
    columns = [
        pa.LargeListArray.from_arrays(
            pa.array(np.ascontiguousarray(offsets, dtype=np.int64)),
            # A record batch is written whole. Zeros that nobody wrote take no memory: all are one page of the kernel's.
            pa.array(np.zeros(int(offsets[-1]), dtype=np.uint16)),
            type=SHARD.field("tokens").type,
        ),
        pa.array(np.ascontiguousarray(keys, dtype=np.uint64)),
        pa.array(list(urls), pa.string()),
    ]
    options = pa.ipc.IpcWriteOptions(compression=None, use_threads=False)
    with atomic(path) as aside:
        with pa.ipc.new_file(str(aside), schema, options=options) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        _fill(aside, [tokens] if isinstance(tokens, np.ndarray) else tokens, int(offsets[-1]))


def _fill(path: Path, tokens: Iterable[npt.NDArray[np.uint16]], count: int) -> None:
    """Write the tokens over the zeros that stand for them."""
    with pa.memory_map(str(path)) as source:
        values = pa.ipc.open_file(source).get_batch(0).column("tokens").values
        source.seek(0)
        place = values.buffers()[1].address - source.read_buffer(1).address if count else 0
    written = 0
    with path.open("r+b") as file:
        file.seek(place)
        for piece in tokens:
            written += len(piece)
            if written <= count:
                np.ascontiguousarray(piece, dtype=np.uint16).tofile(file)
    if written != count:
        raise ValueError(f"{written} tokens do not fit offsets to {count}")


@dataclass(frozen=True)
class Shard:
    """An open shard: arrays over the mapped file, nothing copied. They stay valid as long as they are held."""

    path: Path
    tokens: npt.NDArray[np.uint16]
    """uint16 [m]: the flat stream."""
    offsets: npt.NDArray[np.int64]
    """int64 [documents + 1]: document i is `tokens[offsets[i]:offsets[i + 1]]`."""
    keys: npt.NDArray[np.uint64]
    """uint64 [documents]."""
    urls: pa.Array
    """string [documents]."""
    metadata: Mapping[str, str]
    """By the names of `METADATA`."""

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Map a shard into memory. Reads the footer and the metadata, none of the tokens.

        Raises:
            DamagedFile: truncated, no Arrow file, or no shard of webtext.
            WebtextError: written by a newer webtext.
        """
        try:
            with os_errors(path):
                reader = pa.ipc.open_file(pa.memory_map(str(path)))
                schema = reader.schema
                metadata = _metadata(schema, path)
                _check_form(schema, reader.num_record_batches, path)
                batch = reader.get_batch(0)
                batch.validate()
        except (pa.ArrowException, OSError) as error:
            raise DamagedFile(
                f"is no whole shard: {str(error).splitlines()[0]}",
                where=path,
                hint="make the shards again: webtext tokenize CORPUS --redo",
            ) from error
        column = batch.column("tokens")
        tokens, offsets = column.values.to_numpy(), column.offsets.to_numpy()
        if offsets[0] != 0 or offsets[-1] != len(tokens):
            raise DamagedFile("its documents do not cover its tokens", where=path)
        return cls(path, tokens, offsets, batch.column("key").to_numpy(), batch.column("url"), metadata)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.keys)

    def windows(self, length: int) -> int:
        """How many training windows of `length` inputs (and as many targets, one further) the stream holds.

        Window i is `tokens[i * length : i * length + length + 1]`; the tail that fills none is not counted.
        """
        return max(0, (len(self.tokens) - 1) // length)

    def document(self, number: int) -> npt.NDArray[np.uint16]:
        """The tokens of one document, `<|endoftext|>` first: a view."""
        return self.tokens[self.offsets[number] : self.offsets[number + 1]]


def _metadata(schema: pa.Schema, path: Path) -> dict[str, str]:
    stored = {name.decode(errors="replace"): value.decode(errors="replace")
              for name, value in (schema.metadata or {}).items()}  # fmt: skip
    found = {name.removeprefix(PREFIX): value for name, value in stored.items() if name.startswith(PREFIX)}
    version = found.get("schema_version", "")
    if not version.isdecimal():
        raise DamagedFile("is an Arrow file, but no shard of webtext", where=path)
    if int(version) != SCHEMA_VERSION:
        newer = int(version) > SCHEMA_VERSION
        raise WebtextError(
            f"has schema version {version}; this webtext reads {SCHEMA_VERSION}",
            where=path,
            hint="use the newer webtext that made it" if newer else "make the shards again with --redo",
        )
    return found


def _check_form(schema: pa.Schema, batches: int, path: Path) -> None:
    if not schema.remove_metadata().equals(SHARD):
        raise DamagedFile(f"has other columns than a shard: {', '.join(schema.names)}", where=path)
    if batches != 1:
        raise DamagedFile(f"has {batches} record batches; a shard has one", where=path)
