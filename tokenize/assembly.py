"""From encoded parts to shards: which documents are held out, and where a shard begins and ends.

Pure functions of keys and lengths: the same documents give the same shards, however they lay in parts. A part holds the
documents of one split in key order; a shard is made of ranges of consecutive parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

Ends = npt.NDArray[np.int64]


def held_out(keys: npt.NDArray[np.uint64], share: float, salt: str) -> npt.NDArray[np.bool_]:
    """Which documents are validation, bool [n]: those with xxh3_64("SALT:KEY") / 2^64 < share.

    It depends on the document's key alone, so a document stays on its side while the corpus grows.
    """
    below = math.ceil(share * 2**64)  # exact: a power of two scales a float without rounding
    hashes = (xxhash.xxh3_64_intdigest(f"{salt}:{key:016x}".encode()) for key in keys.tolist())
    return np.fromiter((value < below for value in hashes), np.bool_, len(keys))


@dataclass(frozen=True)
class Range:
    """Rows `first` to `last` (exclusive) of one part, by its number."""

    part: int
    first: int
    last: int


@dataclass(frozen=True)
class Size:
    """How much one part holds."""

    documents: int
    tokens: int


def cut(sizes: Sequence[Size], ends_of: Callable[[int], Ends], shard_tokens: int) -> list[list[Range]]:
    """Where shards begin and end: of about `shard_tokens` tokens each and nearly equal.

    The total is divided into the number of shards that comes nearest to `shard_tokens`; a shard ends with the document
    that reaches its share, so no document is cut and a long one may fill a shard alone.

    Args:
        sizes: of each part, in the order of the stream.
        ends_of: gives int64 [documents + 1], where the documents of a part begin and end; asked only for parts in
            which a shard ends, one at a time.

    Returns:
        For each shard its ranges, in the order of the stream, none of them empty.
    """
    total = sum(size.tokens for size in sizes)
    if not any(size.documents for size in sizes):
        return []
    count = max(1, round(total / shard_tokens))
    marks = [total * number // count for number in range(1, count)]
    shards: list[list[Range]] = [[]]
    before = 0
    for number, size in enumerate(sizes):
        edges: list[int] = []
        inside = [mark - before for mark in marks if before < mark <= before + size.tokens]
        if inside and size.documents:
            ends = ends_of(number)[1:]
            edges = sorted({int(np.searchsorted(ends, mark)) + 1 for mark in inside})
        first = 0
        for edge in edges:
            shards[-1].append(Range(number, first, edge))
            shards.append([])
            first = edge
        if first < size.documents:
            shards[-1].append(Range(number, first, size.documents))
        before += size.tokens
    return [shard for shard in shards if shard]
