"""The order in which a run reads its windows: f(seed, epoch, position), computed, never stored.

A pseudo-random permutation by a balanced Feistel network (Luby & Rackoff 1988; Black & Rogaway 2002 for the walk that
fits it to any size). The whole state of the order is one integer, the position: a run of ten billion windows goes on
at once, with any micro-batch and any number of ranks. Not cryptography, and not a shuffle in memory.

`ORDER_VERSION` names this function; changing a bit of it changes every run, so a change needs a new version.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError

ORDER_VERSION = 1
ROUNDS = 6
LARGEST = 1 << 62

# The finaliser of SplitMix64 (Steele, Lea & Flood 2014, with Stafford's variant 13).
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
_WORD = (1 << 64) - 1


def round_keys(seed: int, epoch: int) -> tuple[int, ...]:
    """Six 64-bit keys: BLAKE2b of "seed epoch" in decimal, 48 bytes, little-endian."""
    digest = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8 * ROUNDS, person=b"webtext-order-1").digest()
    return struct.unpack(f"<{ROUNDS}Q", digest)


def half_bits(size: int) -> int:
    """Half of the network's width: the least even number of bits that counts to `size`, divided by two."""
    return max(1, ((size - 1).bit_length() + 1) // 2)


def permute(places: NDArray[np.int64], *, seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """Where each of `places` (int64, each from 0 to `size` - 1) goes in one epoch: a permutation of 0 .. size - 1."""
    half = np.uint64(half_bits(size))
    keys = np.array(round_keys(seed, epoch), dtype=np.uint64)
    values = _rounds(places.astype(np.uint64), keys, half)
    # The network permutes up to four times as many numbers; who lands outside walks on until inside. Following a
    # permutation's cycle from inside always leads back inside, and never where another walk ends.
    outside = np.flatnonzero(values >= np.uint64(size))
    while len(outside):
        values[outside] = _rounds(values[outside], keys, half)
        outside = outside[values[outside] >= np.uint64(size)]
    return values.astype(np.int64)


def windows_at(position: int, count: int, *, seed: int, size: int) -> NDArray[np.int64]:
    """The windows at positions `position` .. `position` + `count` - 1.

    Position p stands in epoch p div size, at place p mod size.

    Returns:
        (count,) int64, each from 0 to `size` - 1.

    Raises:
        UsageError: no window, or more than 2^62; a negative seed or position.
    """
    _check(seed, position, size)
    found = np.empty(count, dtype=np.int64)
    done = 0
    while done < count:
        epoch, place = divmod(position + done, size)
        here = min(count - done, size - place)
        places = np.arange(place, place + here, dtype=np.int64)
        found[done : done + here] = permute(places, seed=seed, epoch=epoch, size=size)
        done += here
    return found


def window_at(position: int, *, seed: int, size: int) -> int:
    """The window at one position, by plain integers: the slow reference of `windows_at`."""
    _check(seed, position, size)
    epoch, value = divmod(position, size)
    half = half_bits(size)
    keys = round_keys(seed, epoch)
    while True:
        left, right = value >> half, value & ((1 << half) - 1)
        for key in keys:
            mixed = (right + key) & _WORD
            for shift, factor in _MIX:
                mixed = ((mixed ^ (mixed >> shift)) * factor) & _WORD
            mixed ^= mixed >> _LAST_SHIFT
            left, right = right, left ^ (mixed >> (64 - half))
        value = left << half | right
        if value < size:
            return value


def _rounds(values: NDArray[np.uint64], keys: NDArray[np.uint64], half: np.uint64) -> NDArray[np.uint64]:
    left = values >> half
    right = values & ((np.uint64(1) << half) - np.uint64(1))
    for key in keys:
        mixed = right + key  # wraps at 2^64, as it should
        for shift, factor in _MIX:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(_LAST_SHIFT)
        left, right = right, left ^ (mixed >> (np.uint64(64) - half))
    return left << half | right


def _check(seed: int, position: int, size: int) -> None:
    if not 1 <= size <= LARGEST:
        raise UsageError(f"an order of {size:,} windows; it takes from 1 to 2^62")
    if seed < 0 or position < 0:
        raise UsageError(f"seed {seed} and position {position}; both start at 0")
