"""From encoded parts to shards: which documents are held out, where a shard ends, and the gathering of its rows.

Pure functions of keys and lengths: the same documents give the same shards, however they lay in parts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xxhash

from webtext.tokenize.shards import Shard


def held_out(keys: npt.NDArray[np.uint64], share: float, salt: str) -> npt.NDArray[np.bool_]:
    """Which documents are validation, bool [n]: those with xxh3_64("SALT:KEY") / 2^64 < share.

    It depends on the document's key alone, so a document stays on its side while the corpus grows.
    """
    below = math.ceil(share * 2**64)  # exact: a power of two scales a float without rounding
    hashes = (xxhash.xxh3_64_intdigest(f"{salt}:{key:016x}".encode()) for key in keys.tolist())
    return np.fromiter((value < below for value in hashes), np.bool_, len(keys))


def cut(lengths: npt.NDArray[np.int64], shard_tokens: int) -> list[tuple[int, int]]:
    """Where shards begin and end: ranges of documents, of about `shard_tokens` tokens each and nearly equal.

    The total is divided into the number of shards that comes nearest to `shard_tokens`; a shard ends with the document
    that reaches its share, so no document is cut and a long one may fill a shard alone.

    Args:
        lengths: int64 [n], tokens a document, in the order of the stream.
    """
    ends = np.cumsum(lengths)
    if len(ends) == 0:
        return []
    total = int(ends[-1])
    count = max(1, round(total / shard_tokens))
    marks = [total * number // count for number in range(1, count)]
    places = sorted({0, *(int(np.searchsorted(ends, mark)) + 1 for mark in marks), len(ends)})
    return list(itertools.pairwise(places))


def gather(
    parts: Sequence[Shard], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], list[str], npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Copy documents together.

    Args:
        rows: int64 [n, 2]: for each document, in the order wanted, the number of its part and its row there.

    Returns:
        keys, urls, tokens and offsets as `write_shard` takes them.
    """
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    keys = np.empty(len(rows), dtype=np.uint64)
    for number, part in enumerate(parts):
        mine = rows[:, 0] == number
        taken = rows[mine, 1]
        keys[mine] = part.keys[taken]
        offsets[1:][mine] = part.offsets[taken + 1] - part.offsets[taken]
    np.cumsum(offsets, out=offsets)
    tokens = np.empty(int(offsets[-1]), dtype=np.uint16)
    urls: list[str] = []
    for start, end in _runs(rows):
        part, first = parts[int(rows[start, 0])], int(rows[start, 1])
        last = first + end - start
        tokens[offsets[start] : offsets[end]] = part.tokens[part.offsets[first] : part.offsets[last]]
        urls += part.urls.slice(first, end - start).to_pylist()
    return keys, urls, tokens, offsets


def _runs(rows: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of `rows` that lie one after another in one part: most of them, as parts are sorted by key."""
    if len(rows) == 0:
        return []
    joined = (rows[1:, 0] == rows[:-1, 0]) & (rows[1:, 1] == rows[:-1, 1] + 1)
    edges = [0, *(np.flatnonzero(~joined) + 1).tolist(), len(rows)]
    return list(itertools.pairwise(edges))
