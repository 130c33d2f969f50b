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

from webtext.dedup.utf8 import Texts


def digests(texts: Texts) -> NDArray[np.uint64]:
    """The xxh3_128 of each normalised text, as its upper and lower half; uint64 of shape (texts, 2)."""
    parts = [np.empty(0, ">u8"), *(np.frombuffer(_digests(texts[part]), ">u8") for part in texts.blocks())]
    return np.concatenate(parts).astype(np.uint64).reshape(-1, 2)


def normalised_reference(text: str) -> bytes:
    """What is compared: slow and obvious."""
    return b" ".join(text.encode().split())


def _digests(texts: Texts) -> bytes:
    offsets = texts.offsets - texts.offsets[0]
    data = texts.data[texts.offsets[0] : texts.offsets[-1]].copy()
    data[np.flatnonzero((data - np.uint8(9)) < 5)] = 32  # these and the space itself bytes.split calls white space
    space = data == 32
    further = space[1:] & space[:-1]
    if further.any():
        # The first space of a text after the last one of the text before may go, too: neither counts.
        dropped = np.flatnonzero(further) + 1
        data = np.delete(data, dropped)
        offsets = offsets - np.searchsorted(dropped, offsets)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    filled = np.flatnonzero(ends > starts)
    starts[filled] += data[starts[filled]] == 32
    filled = np.flatnonzero(ends > starts)
    ends[filled] -= data[ends[filled] - 1] == 32
    view = data.data
    return b"".join(
        xxhash.xxh3_128_digest(view[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def sites(domains: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each registered domain, its xxh3_64; uint64 of shape (documents,)."""
    return np.fromiter(map(xxhash.xxh3_64_intdigest, map(str.encode, domains)), np.uint64, len(domains))


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
