"""Exact copies: documents whose texts are the same but for white space.

The same text is the same hash: xxh3_128 of the UTF-8 text in which each run of ASCII white space is one space, with
none at the ends. Letters, case and punctuation count. Not for near copies: those are `survivors`' matter.

A copy whose page has the same bytes, too, is a `duplicate`: one page at two addresses. The same text in another page
(syndicated under another template) is a near copy with a similarity of 1: `near-duplicate`.
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


def payloads(sha256: Sequence[str]) -> NDArray[np.uint64]:
    """The upper half of each payload's sha256 (hex); uint64 of shape (documents, 2)."""
    data = b"".join(bytes.fromhex(digest[:32]) for digest in sha256)
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(-1, 2)


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
