"""As much of the protocol buffers' wire format as an index of TensorFlow needs (protobuf.dev, "Encoding")."""

from __future__ import annotations

import struct
from typing import Any


def varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of up to 64 bits, and where it ends.

    Raises:
        IndexError: the data end within it.
        ValueError: it has more than ten bytes.
    """
    value = 0
    for count in range(10):
        byte = data[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError(f"no number at byte {place}")


def fields_of(message: bytes) -> dict[int, list[Any]]:
    """The values of each field by its number: whole numbers, or bytes of what has a length.

    Raises:
        ValueError, IndexError: this is no message.
    """
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(message):
        tag, place = varint(message, place)
        value: Any
        kind = tag & 7
        if kind == 0:
            value, place = varint(message, place)
        elif kind == 2:
            length, place = varint(message, place)
            value, place = message[place : place + length], place + length
        elif kind in (1, 5):
            form = "<Q" if kind == 1 else "<I"
            try:
                (value,) = struct.unpack_from(form, message, place)
            except struct.error as error:
                raise ValueError(str(error)) from error
            place += struct.calcsize(form)
        else:
            raise ValueError(f"wire type {kind} at byte {place}")
        if place > len(message):
            raise ValueError("a field ends after the message")
        found.setdefault(tag >> 3, []).append(value)
    return found
