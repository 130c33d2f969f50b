"""From signatures to what becomes of every document: Wikipedia's copies first, then exact copies, then near ones.

Documents are known by three numbers: the *row* among all documents as they lie in files; the *place* in the order of
preference among those compared (not Wikipedia's, the first with their text, long enough for a shingle); and, while
survivors are decided, a running number among the places that share a bucket with another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile
from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import key_text
from webtext.dedup.bands import Buckets
from webtext.dedup.exact import first_copies
from webtext.dedup.parts import column, matrix_of
from webtext.dedup.survivors import Comparison, decide, priority

Ints = NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.uint64)

STAYS, EXACT, NEAR, WIKIPEDIA = 0, 1, 2, 3
OUTCOME = {EXACT: Outcome.DUPLICATE, NEAR: Outcome.NEAR_DUPLICATE, WIKIPEDIA: Outcome.WIKIPEDIA}
"""The outcome of each verdict but `STAYS`."""


_NAMES = pa.schema([pa.field("key", pa.uint64()), pa.field("url", pa.large_string())])


@dataclass(frozen=True)
class Verdicts:
    """What becomes of each document, arrays of shape (documents,).

    `verdict` is uint8; `keeper` the int64 row of the document that stays for it, -1 where there is none; `jaccard`
    (float64) their similarity, 1 for exact copies and 0 where there is no keeper.
    """

    verdict: NDArray[np.uint8]
    keeper: Ints
    jaccard: NDArray[np.float64]


@dataclass(frozen=True)
class LineUp:
    """Who is compared with whom, before any comparison.

    `rows` gives the row of each document that Wikipedia's marks leave, in the order of preference; `first` the position
    in `rows` of the first document with the same text; `compared` the row of each place; `site` (uint64 of shape
    (total,)) the registered domain by row.
    """

    total: int
    rows: Ints
    first: Ints
    compared: Ints
    site: NDArray[np.uint64]

    @property
    def places(self) -> NDArray[np.int32]:
        """The place of each row, -1 where it is not compared; shape (total,)."""
        places = np.full(self.total, -1, np.int32)
        places[self.compared] = np.arange(len(self.compared))
        return places


def line_up(signatures: Sequence[pa.Table]) -> LineUp:
    """Put the documents of all signature tables (`signatures.sign`) in order.

    Raises:
        DamagedFile: two documents have one key: the order would depend on how they lie in files.
    """
    key = _joined(signatures, "key", np.uint64)
    _check_unique(key)
    marked = np.concatenate([np.empty(0, bool), *(np.asarray(table["wikipedia"]) != "" for table in signatures)])
    karma, length, posted, shingles = (
        _joined(signatures, name, np.int64) for name in ("karma", "length", "posted", "shingles")
    )
    rows = np.flatnonzero(~marked)
    rows = rows[priority(karma[rows], length[rows], posted[rows], key[rows])]
    exact = np.concatenate([np.empty((0, 2), np.uint64), *(matrix_of(table, "exact") for table in signatures)])
    first = first_copies(exact[rows])
    is_compared = (first == np.arange(len(rows))) & (shingles[rows] > 0)
    return LineUp(len(key), rows, first, rows[is_compared], _joined(signatures, "site", np.uint64))


def give_verdicts(
    lined: LineUp, shared: Buckets, comparison: Callable[[Ints], Comparison], threshold: float
) -> Verdicts:
    """Decide every document.

    Args:
        shared: the buckets of all bands; members are places.
        comparison: makes the comparison of the documents with these rows, numbered in that order.

    Returns:
        One row a document, in the order of rows.
    """
    verdict = np.full(lined.total, WIKIPEDIA, np.uint8)
    verdict[lined.rows] = STAYS
    keeper = np.full(lined.total, -1, np.int64)
    jaccard = np.zeros(lined.total)

    sharing = np.unique(shared.members)
    rows = lined.compared[sharing]
    renumbered = Buckets(np.searchsorted(sharing, shared.members).astype(np.int32), shared.offsets)
    survivors = decide(len(sharing), renumbered, comparison(rows), threshold)
    near = survivors.keeper >= 0
    verdict[rows[near]] = NEAR
    keeper[rows[near]] = rows[survivors.keeper[near]]
    jaccard[rows[near]] = survivors.jaccard[near]

    # A copy goes the way of the first document with its text: to that one if it stays, else to its keeper.
    is_copy = lined.first != np.arange(len(lined.rows))
    copies, firsts = lined.rows[is_copy], lined.rows[lined.first[is_copy]]
    stays = verdict[firsts] == STAYS
    same_site = lined.site[copies] == lined.site[firsts]
    verdict[copies] = np.where(stays & same_site, EXACT, NEAR)
    keeper[copies] = np.where(stays, firsts, keeper[firsts])
    jaccard[copies] = np.where(stays, 1.0, jaccard[firsts])
    return Verdicts(verdict, keeper, jaccard)


def explain(verdicts: Verdicts, signatures: Sequence[pa.Table]) -> pa.Table:
    """The verdicts with what a person is told.

    Returns:
        One row a document: verdict (uint8); keeper (uint64 key), keeper_url, jaccard (float64), each null where there
        is no keeper; mark (what gives a copy of Wikipedia away, else empty).
    """
    has_keeper = verdicts.keeper >= 0
    keepers, which = np.unique(verdicts.keeper[has_keeper], return_inverse=True)
    starts = np.cumsum([0, *(len(table) for table in signatures)])
    cuts = np.searchsorted(keepers, starts)
    taken = [
        table.select(["key", "url"]).take(keepers[low:high] - start)
        for table, start, low, high in zip(signatures, starts, cuts[:-1], cuts[1:], strict=False)
    ]
    found = pa.concat_tables([_NAMES.empty_table(), *(table.cast(_NAMES) for table in taken)])
    index = np.zeros(len(has_keeper), np.int64)
    index[has_keeper] = which
    named = found.take(pa.array(index, mask=~has_keeper))
    marks = [table["wikipedia"] for table in signatures]
    return pa.table(
        {
            "verdict": verdicts.verdict,
            "keeper": named["key"],
            "keeper_url": named["url"],
            "jaccard": pa.array(verdicts.jaccard, mask=~has_keeper),
            "mark": pa.chunked_array([chunk for mark in marks for chunk in mark.chunks], pa.string()),
        }
    )


def _joined(tables: Sequence[pa.Table], name: str, dtype: type[Number]) -> NDArray[Number]:
    return np.concatenate([np.empty(0, dtype), *(column(table, name) for table in tables)])


def _check_unique(key: NDArray[np.uint64]) -> None:
    ordered = np.sort(key)
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise DamagedFile(
            f"{len(twice):,} documents have a key that another has, such as {key_text(int(ordered[twice[0]]))}",
            where="documents/",
            hint="make the stage again: webtext extract CORPUS --redo",
        )
