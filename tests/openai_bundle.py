"""Writes a TensorFlow checkpoint of version 2 in plain Python, for tests: small, and as odd as a test wants it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TYPES = {"float32": 1, "float64": 2, "float16": 19}


def slow_crc32c(data: bytes) -> int:
    """CRC-32C, bit by bit (RFC 3720, appendix B.4)."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    plain = slow_crc32c(data)
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def _block(entries: list[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    body, before = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    body += struct.pack("<II", 0, 1)
    return body + bytes([kind]) + struct.pack("<I", masked(body + bytes([kind])))


def write_bundle(
    prefix: Path,
    tensors: Mapping[str, NDArray[np.floating]],
    *,
    files: int = 1,
    per_block: int = 5,
    kind: int = 0,
    big_endian: bool = False,
) -> None:
    """Write PREFIX.index and PREFIX.data-…; tensors take turns among the `files`."""
    data = [b"" for _ in range(files)]
    entries = [(b"", _field(1, files) + (_field(2, 1) if big_endian else b"") + _field(3, _field(1, 1)))]
    for number, name in enumerate(sorted(tensors)):
        tensor = tensors[name]
        raw = tensor.tobytes()
        shape = b"".join(_field(2, _field(1, size)) for size in tensor.shape)
        shard = number % files
        entry = _field(1, TYPES[tensor.dtype.name]) + _field(2, shape) + (_field(3, shard) if shard else b"")
        entry += _field(4, len(data[shard])) + _field(5, len(raw)) + varint(6 << 3 | 5) + struct.pack("<I", masked(raw))
        entries.append((name.encode(), entry))
        data[shard] += raw
    table, handles = b"", []
    for start in range(0, len(entries), per_block):
        some = entries[start : start + per_block]
        block = _block(some, kind)
        handles.append((some[-1][0] + b"\x00", varint(len(table)) + varint(len(block) - 5)))
        table += block
    meta, index = _block([]), _block(handles)
    footer = varint(len(table)) + varint(len(meta) - 5)
    footer += varint(len(table) + len(meta)) + varint(len(index) - 5)
    table += meta + index + footer.ljust(40, b"\x00") + struct.pack("<Q", 0xDB4775248B80FB57)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table)
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{files:05d}").write_bytes(content)
