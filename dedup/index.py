"""The signature index that clean/ keeps, so that a corpus that grows signs and matches only what is new.

One row a document, by key: its exact hash, its sketch, and what its place in the order of preference depended on. A
signature holds for as long as the text has the same hash. A verdict holds for as long as nothing changed in the whole
group of documents that buckets connect, directly or through others: the walk of `survivors` looks no further than that.
So what is found with the index is what would be found without it. The index is made of all documents alone, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.dedup.bands import Buckets
from webtext.dedup.parts import column, columns, matrix, matrix_of, read_part

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Documents:
    """What dedup knows of documents without their texts and sketches; arrays of shape (documents,).

    `exact` is uint64 of shape (documents, 2); `is_compared` says whether a document takes part in the search for near
    copies (`verdicts.line_up`).
    """

    key: NDArray[np.uint64]
    exact: NDArray[np.uint64]
    karma: Ints
    length: Ints
    posted: Ints
    is_compared: Bools


def index_table(documents: Documents, shingles: NDArray[np.int32], sketches: NDArray[np.uint8]) -> pa.Table:
    """The rows of an index file; `sketches` uint8 of shape (documents, permutations)."""
    return pa.table(
        {
            "key": documents.key,
            "exact": matrix(documents.exact),
            "karma": documents.karma,
            "length": documents.length,
            "posted": documents.posted,
            "is_compared": pa.array(documents.is_compared.astype(np.uint8)),
            "shingles": pa.array(shingles, pa.int32()),
            "sketch": matrix(sketches),
        }
    )


def empty_index(permutations: int) -> pa.Table:
    """An index file of no documents."""
    none = np.empty(0, np.int64)
    documents = Documents(np.empty(0, np.uint64), np.empty((0, 2), np.uint64), none, none, none, np.empty(0, bool))
    return index_table(documents, np.empty(0, np.int32), np.empty((0, permutations), np.uint8))


def read_documents(paths: Sequence[Path]) -> Documents:
    """The rows of all index files but for their sketches."""
    exact = [np.empty((0, 2), np.uint64), *(matrix_of(read_part(path), "exact") for path in paths)]
    karma, length, posted = (columns(paths, name, np.int64) for name in ("karma", "length", "posted"))
    is_compared = columns(paths, "is_compared", np.uint8).astype(bool)
    return Documents(columns(paths, "key", np.uint64), np.concatenate(exact), karma, length, posted, is_compared)


def known_signatures(
    paths: Sequence[Path], key: NDArray[np.uint64], exact: NDArray[np.uint64], permutations: int
) -> tuple[Bools, NDArray[np.int32], NDArray[np.uint8]]:
    """Look documents up.

    Returns:
        Which are known with the same text, their shingle counts and their sketches; rows that are not known are not
        set.
    """
    known = np.zeros(len(key), bool)
    shingles = np.zeros(len(key), np.int32)
    sketches = np.empty((len(key), permutations), np.uint8)
    for path in paths:
        table = read_part(path)
        found, at = _find(column(table, "key"), key)
        rows = np.flatnonzero(found)
        same = np.all(matrix_of(table, "exact")[at[rows]] == exact[rows], axis=1)
        rows, at = rows[same], at[rows[same]]
        known[rows] = True
        shingles[rows] = column(table, "shingles")[at]
        sketches[rows] = matrix_of(table, "sketch")[at]
    return known, shingles, sketches


def unchanged(before: Documents, now: Documents, aside: Bools) -> Bools | None:
    """Which documents are what they were when the index was made, and are compared then and now.

    Args:
        before: the index, by key.
        aside: which of the documents now are set aside.

    Returns:
        bool of shape (documents now,); None where a document that was compared is gone, has another text, or was set
        aside: its neighbours of then are no longer known.
    """
    order = np.argsort(now.key)
    found, at = _find(now.key[order], before.key)
    row = order[at]
    same_text = found & np.all(now.exact[row] == before.exact, axis=1)
    if np.any(before.is_compared & ~(same_text & ~aside[row])):
        return None
    same = same_text & before.is_compared & now.is_compared[row]
    for then, today in ((before.karma, now.karma), (before.length, now.length), (before.posted, now.posted)):
        same &= then == today[row]
    result = np.zeros(len(now.key), bool)
    result[row[same]] = True
    return result


def reached(buckets: Buckets, start: Bools) -> Bools:
    """All documents that share a bucket with one of `start`, or with one so reached; shape (documents,)."""
    found = start.copy()
    if not len(buckets.members):
        return found
    sizes = np.diff(buckets.offsets)
    while True:
        count = np.count_nonzero(found)
        inside = np.logical_or.reduceat(found[buckets.members], buckets.offsets[:-1])
        found[buckets.members[np.repeat(inside, sizes)]] = True
        if np.count_nonzero(found) == count:
            return found


def _find(ordered: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[Bools, Ints]:
    """Which of `wanted` are in `ordered`, and where."""
    if not len(ordered):
        return np.zeros(len(wanted), bool), np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return ordered[at] == wanted, at
