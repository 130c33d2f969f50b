"""From signatures to what becomes of every document: those set aside first, then exact copies, then near ones.

Set aside, before any comparison, are copies of Wikipedia and documents with text of test sets. Documents are known by
two numbers: the *row* among all documents as they lie in files, and the *place* in the order of preference among those
compared (not set aside, the first with their text, long enough for a shingle).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile
from webtext.corpus.outcomes import Outcome
from webtext.corpus.schemas import key_text
from webtext.dedup.bands import Buckets
from webtext.dedup.exact import first_copies
from webtext.dedup.index import Documents
from webtext.dedup.parts import columns, matrix_of, read_part
from webtext.dedup.survivors import Comparison, Survivors, decide, priority

Ints = NDArray[np.int64]

STAYS, EXACT, NEAR, WIKIPEDIA, CONTAMINATED = 0, 1, 2, 3, 4
OUTCOME = {
    EXACT: Outcome.DUPLICATE,
    NEAR: Outcome.NEAR_DUPLICATE,
    WIKIPEDIA: Outcome.WIKIPEDIA,
    CONTAMINATED: Outcome.CONTAMINATED,
}
"""The outcome of each verdict but `STAYS`."""


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
class SetAside:
    """Documents that go whatever the others are: `rows` (int64, ascending), their verdicts (uint8) and in words why."""

    rows: Ints
    verdict: NDArray[np.uint8]
    details: tuple[str, ...]

    @classmethod
    def of(cls, verdict: int, rows: Ints, details: Sequence[str]) -> SetAside:
        """All of one verdict."""
        order = np.argsort(rows, kind="stable")
        told = tuple(details[place] for place in order.tolist())
        return cls(rows[order], np.full(len(rows), verdict, np.uint8), told)

    @classmethod
    def none(cls) -> SetAside:
        """No document."""
        return cls.of(STAYS, np.empty(0, np.int64), ())

    def over(self, other: SetAside) -> SetAside:
        """These, and those of `other` that are not among them."""
        rest = ~np.isin(other.rows, self.rows)
        rows = np.concatenate((self.rows, other.rows[rest]))
        order = np.argsort(rows)
        details = (*self.details, *(other.details[place] for place in np.flatnonzero(rest).tolist()))
        verdict = np.concatenate((self.verdict, other.verdict[rest]))
        return SetAside(rows[order], verdict[order], tuple(details[place] for place in order.tolist()))


@dataclass(frozen=True)
class LineUp:
    """Who is compared with whom, before any comparison.

    By row: `documents`, `site` (uint64, the registered domain), `aside` (uint8, the verdict of those set aside, else
    `STAYS`). `rows` gives the row of each other document, in the order of preference; `first` the position in `rows`
    of the first document with the same text; `compared` the row of each place. `why` is what `aside` was told.
    """

    documents: Documents
    site: NDArray[np.uint64]
    aside: NDArray[np.uint8]
    rows: Ints
    first: Ints
    compared: Ints
    why: SetAside

    @property
    def total(self) -> int:
        """The number of documents."""
        return len(self.documents.key)

    @property
    def places(self) -> NDArray[np.int32]:
        """The place of each row, -1 where it is not compared; shape (total,)."""
        places = np.full(self.total, -1, np.int32)
        places[self.compared] = np.arange(len(self.compared))
        return places


def line_up(signatures: Sequence[Path], why: SetAside | None = None) -> LineUp:
    """Put the documents of all signature tables (parts that hold `signatures.sign`) in order.

    Args:
        why: who is set aside beside the copies of Wikipedia that the tables mark.

    Raises:
        DamagedFile: two documents have one key: the order would depend on how they lie in files.
    """
    key = columns(signatures, "key", np.uint64)
    _check_unique(key)
    tables = map(read_part, signatures)
    marked = np.concatenate([np.empty(0, bool), *(np.asarray(table["wikipedia"]) != "" for table in tables)])
    karma, length, posted = (columns(signatures, name, np.int64) for name in ("karma", "length", "posted"))
    shingles = columns(signatures, "shingles", np.int32)
    exact = np.concatenate([np.empty((0, 2), np.uint64), *(matrix_of(read_part(path), "exact") for path in signatures)])
    why = why or SetAside.none()
    aside = np.zeros(len(key), np.uint8)
    aside[why.rows] = why.verdict
    aside[marked] = WIKIPEDIA
    rows = np.flatnonzero(aside == STAYS)
    rows = rows[priority(karma[rows], length[rows], posted[rows], key[rows])]
    first = first_copies(exact[rows])
    compared = rows[(first == np.arange(len(rows))) & (shingles[rows] > 0)]
    is_compared = np.zeros(len(key), bool)
    is_compared[compared] = True
    documents = Documents(key, exact, karma, length, posted, is_compared)
    return LineUp(documents, columns(signatures, "site", np.uint64), aside, rows, first, compared, why)


def near_copies(
    shared: Buckets, comparison: Comparison, threshold: float, known: Survivors, again: NDArray[np.bool_]
) -> Survivors:
    """Decide the documents compared.

    Args:
        shared: the buckets of all bands; members are places.
        known: what an earlier decision says of places where it still holds.
        again: the places that are decided now: all that buckets connect with one of them (`index.reached`).
    """
    inside = again[shared.members[shared.offsets[:-1]]]  # a bucket holds none of them, or no other
    sizes = np.diff(shared.offsets)
    places = np.flatnonzero(again)
    members = np.searchsorted(places, shared.members[np.repeat(inside, sizes)]).astype(np.int32)
    buckets = Buckets(members, np.concatenate(([0], np.cumsum(sizes[inside]))))
    found = decide(len(places), buckets, _Renumbered(comparison, places), threshold)
    keeper, jaccard = known.keeper.copy(), known.jaccard.copy()
    keeper[places] = np.where(found.keeper < 0, -1, places[found.keeper])
    jaccard[places] = found.jaccard
    return Survivors(keeper, jaccard)


def give_verdicts(lined: LineUp, survivors: Survivors) -> Verdicts:
    """What becomes of every document, by row, where `survivors` says it of those compared, by place."""
    verdict = lined.aside.copy()
    keeper = np.full(lined.total, -1, np.int64)
    jaccard = np.zeros(lined.total)

    near = np.flatnonzero(survivors.keeper >= 0)
    rows = lined.compared[near]
    verdict[rows] = NEAR
    keeper[rows] = lined.compared[survivors.keeper[near]]
    jaccard[rows] = survivors.jaccard[near]

    # A copy goes the way of the first document with its text: to that one if it stays, else to its keeper.
    is_copy = lined.first != np.arange(len(lined.rows))
    copies, firsts = lined.rows[is_copy], lined.rows[lined.first[is_copy]]
    stays = verdict[firsts] == STAYS
    same_site = lined.site[copies] == lined.site[firsts]
    verdict[copies] = np.where(stays & same_site, EXACT, NEAR)
    keeper[copies] = np.where(stays, firsts, keeper[firsts])
    jaccard[copies] = np.where(stays, 1.0, jaccard[firsts])
    return Verdicts(verdict, keeper, jaccard)


@dataclass(frozen=True)
class _Renumbered:
    """A comparison of places by their running numbers among `places`."""

    comparison: Comparison
    places: Ints

    def likely(self, earlier: Ints, later: Ints) -> NDArray[np.bool_]:
        return self.comparison.likely(self.places[earlier], self.places[later])

    def jaccard(self, earlier: Ints, later: Ints) -> NDArray[np.float64]:
        return self.comparison.jaccard(self.places[earlier], self.places[later])


def _check_unique(key: NDArray[np.uint64]) -> None:
    ordered = np.sort(key)
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise DamagedFile(
            f"{len(twice):,} documents have a key that another has, such as {key_text(int(ordered[twice[0]]))}",
            where="documents/",
            hint="make the stage again: webtext extract CORPUS --redo",
        )
