"""Exact copies: documents whose texts are the same but for white space.

The same text is the same hash: xxh3_128 of the UTF-8 text in which each run of ASCII white space is one space, with
none at the ends. Letters, case and punctuation count. Not for near copies: those are `survivors`' matter.

The same text at two addresses of one site is a `duplicate`. On another site it is syndicated, a near copy with a
similarity of 1, whatever the template around it: `near-duplicate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray


def normalised(text: str) -> bytes:
    """What is compared."""
    return b" ".join(text.encode("utf-8", "surrogatepass").split())


def digests(texts: Sequence[str]) -> NDArray[np.uint64]:
    """The xxh3_128 of each normalised text, as its upper and lower half; uint64 of shape (documents, 2)."""
    data = b"".join(xxhash.xxh3_128_digest(normalised(text)) for text in texts)
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(-1, 2)


def sites(domains: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each registered domain, its xxh3_64; uint64 of shape (documents,)."""
    return np.fromiter((xxhash.xxh3_64_intdigest(domain.encode()) for domain in domains), np.uint64, len(domains))


def first_copies(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each document the first one with the same text: itself, where there is none before it.

    Args:
        hashes: uint64 of shape (documents, 2), documents in the order in which they are preferred.

    Returns:
        int64 of shape (documents,).
    """
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable: within one text the earliest comes first
    ordered = hashes[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
    place = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    first = np.empty(len(order), np.int64)
    first[order] = order[place]
    return first
