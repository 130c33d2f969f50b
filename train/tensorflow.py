"""OpenAI's own checkpoints of GPT-2, read without TensorFlow: hparams.json and a checkpoint of version 2 (a "bundle").

```
hparams.json checkpoint encoder.json vocab.bpe
model.ckpt.index                  a sorted table (LevelDB's format): name of a tensor to type, shape, place, checksum
model.ckpt.data-00000-of-00001    the tensors' bytes
```

The formats: tensorflow/core/protobuf/tensor_bundle.proto, tensorflow/core/lib/io/format.h and LevelDB's
doc/table_format.md. Every block and tensor is checked with its CRC-32C. model.ckpt.meta, the graph, is not read: it is
a program. Only what OpenAI's checkpoints use is understood; anything else is refused by name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors, read_json
from webtext.train.crc32c import Crc32c
from webtext.train.model import GPTConfig
from webtext.train.protobuf import fields_of, varint

HPARAMS, CHECKPOINT = "hparams.json", "checkpoint"
DEFAULT_NAME = "model.ckpt"  # openai/gpt-2, download_model.py

_FOOTER, _TRAILER = 48, 5  # bytes, format.h
_MAGIC = 0xDB4775248B80FB57  # format.h, kTableMagicNumber
# tensorflow/core/framework/types.proto
_TYPES: Mapping[int, torch.dtype] = {1: torch.float32, 2: torch.float64, 14: torch.bfloat16, 19: torch.float16}


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies (BundleEntryProto)."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


def is_openai_folder(folder: Path) -> bool:
    """Whether a folder looks like one of OpenAI's: hparams.json and an index."""
    return (folder / HPARAMS).is_file() and checkpoint_prefix(folder).with_name(
        f"{checkpoint_prefix(folder).name}.index"
    ).is_file()


def checkpoint_prefix(folder: Path) -> Path:
    """What the names of the checkpoint's files begin with: as `checkpoint` says, which is text."""
    try:
        said = (folder / CHECKPOINT).read_text(encoding="utf-8", errors="replace")
    except OSError:
        said = ""
    found = re.search(r'^model_checkpoint_path:\s*"([^"\n]+)"', said, re.MULTILINE)
    # The folder in it is that of the machine which wrote it.
    return folder / (Path(found[1]).name if found else DEFAULT_NAME)


def read_hparams(folder: Path) -> GPTConfig:
    """The shape that hparams.json names.

    Raises:
        DamagedFile: it is no whole one.
    """
    path = folder / HPARAMS
    found = read_json(path)
    try:
        names = ("n_vocab", "n_ctx", "n_layer", "n_head", "n_embd")
        return GPTConfig(*(_whole(found[name]) for name in names))
    except (KeyError, TypeError, ValueError, WebtextError) as error:
        raise DamagedFile(f"is no whole hparams.json of a GPT-2 ({error})", where=path) from error


def read_openai(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint under Hugging Face's names and in its layout, which is OpenAI's (in, out).

    Raises:
        DamagedFile: a file is missing, truncated or has other bytes than its checksums say.
        WebtextError: a tensor of a type or form that OpenAI's checkpoints do not have.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in read_bundle(checkpoint_prefix(folder)).items():
        # Of a training, the optimizer's variables are there, too; the model's stand under "model/".
        if name.startswith("model/") and not re.search(r"/Adam(_1)?$", name):
            found[hugging_face_name(name)] = tensor.squeeze(0) if name.endswith("/w") and tensor.dim() == 3 else tensor
    return found


def hugging_face_name(name: str) -> str:
    """model/h0/attn/c_attn/w to h.0.attn.c_attn.weight."""
    name = re.sub(r"^h(\d+)/", r"h.\1.", name.removeprefix("model/"))
    name = re.sub(r"/(w|g)$", ".weight", name)
    name = re.sub(r"/b$", ".bias", name).replace("/", ".")
    return f"{name}.weight" if name in ("wte", "wpe") else name


def read_bundle(prefix: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its TensorFlow name; `prefix` is its path without `.index`."""
    index = prefix.with_name(f"{prefix.name}.index")
    checksums = Crc32c()
    entries = read_index(index, checksums)
    shards = entries.pop("")
    count = int(shards.get(1, [0])[-1])
    if int(shards.get(2, [0])[-1]) != 0:
        raise WebtextError("was written on a big-endian machine", where=index)
    data = [prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{count:05d}") for number in range(count)]
    return {name: _read_tensor(_entry(name, fields, index), name, data, checksums) for name, fields in entries.items()}


def read_index(path: Path, checksums: Crc32c) -> dict[str, dict[int, list[Any]]]:
    """The protocol buffers of the index by name; that of "" is the header."""
    with os_errors(path):
        data = path.read_bytes()
    if len(data) < _FOOTER or struct.unpack_from("<Q", data, len(data) - 8)[0] != _MAGIC:
        raise DamagedFile("is no index of a TensorFlow checkpoint, or not a whole one", where=path)
    try:
        place = len(data) - _FOOTER
        for _ in range(2):  # the handle of the meta block, which is empty, is passed over
            _, place = varint(data, place)
        offset, place = varint(data, place)
        size, _ = varint(data, place)
        found: dict[str, dict[int, list[Any]]] = {}
        for _, handle in _block(data, offset, size, path, checksums):
            start, after = varint(handle, 0)
            length, _ = varint(handle, after)
            for key, value in _block(data, start, length, path, checksums):
                found[key.decode()] = fields_of(value)
    except (IndexError, ValueError, struct.error) as error:
        raise DamagedFile(f"is no whole index of a TensorFlow checkpoint ({error})", where=path) from error
    if "" not in found:
        raise DamagedFile("has no header", where=path)
    return found


def _block(data: bytes, offset: int, size: int, path: Path, checksums: Crc32c) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block: each key is written without what it shares with the one before."""
    block = data[offset : offset + size + _TRAILER]
    if len(block) != size + _TRAILER:
        raise DamagedFile(f"is cut off: a block at byte {offset:,} is not all there", where=path)
    (stored,) = struct.unpack_from("<I", block, size + 1)
    if checksums.masked(np.frombuffer(block, dtype=np.uint8)[: size + 1]) != stored:
        raise DamagedFile(f"has other bytes than were written: the block at byte {offset:,}", where=path)
    if block[size] != 0:
        raise WebtextError("has compressed blocks, which OpenAI's checkpoints do not have", where=path)
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    end, place, key = size - 4 - 4 * restarts, 0, b""
    while place < end:
        shared, place = varint(block, place)
        fresh, place = varint(block, place)
        length, place = varint(block, place)
        key = key[:shared] + block[place : place + fresh]
        yield key, block[place + fresh : place + fresh + length]
        place += fresh + length


def _entry(name: str, fields: Mapping[int, list[Any]], path: Path) -> Entry:
    dtype = _TYPES.get(fields.get(1, [0])[-1])
    if dtype is None:
        raise WebtextError(f"has the tensor {name} of a type that no weight has", where=path)
    if 7 in fields:
        raise WebtextError(f"has the tensor {name} in slices, which OpenAI's checkpoints do not have", where=path)
    shape: list[int] = []
    for message in fields.get(2, []):
        shape += [fields_of(dimension).get(1, [0])[-1] for dimension in fields_of(message).get(2, [])]
    shard, offset, size = (int(fields.get(number, [0])[-1]) for number in (3, 4, 5))
    if size != torch.Size(shape).numel() * dtype.itemsize:
        raise DamagedFile(f"has {size:,} bytes for the tensor {name} of the shape {tuple(shape)}", where=path)
    return Entry(dtype, tuple(shape), shard, offset, size, int(fields.get(6, [0])[-1]))


def _read_tensor(entry: Entry, name: str, data: list[Path], checksums: Crc32c) -> Tensor:
    if entry.shard >= len(data):
        raise DamagedFile(f"the tensor {name} lies in file {entry.shard} of {len(data)}", where=data[0].parent)
    path = data[entry.shard]
    with os_errors(path), path.open("rb") as file:
        file.seek(entry.offset)
        read = bytearray(file.read(entry.size))
    if len(read) != entry.size:
        raise DamagedFile(f"is cut off: the tensor {name} is not all there", where=path)
    if checksums.masked(np.frombuffer(read, dtype=np.uint8)) != entry.checksum:
        raise DamagedFile(f"has other bytes than were written: the tensor {name}", where=path)
    return torch.frombuffer(read, dtype=entry.dtype).reshape(entry.shape) if read else torch.empty(entry.shape)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no whole number")
    return value
