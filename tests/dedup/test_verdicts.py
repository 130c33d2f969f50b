"""From signatures to verdicts: Wikipedia's copies first, exact copies follow their first, and everything is named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from webtext.corpus.errors import DamagedFile
from webtext.corpus.schemas import DUPLICATES, OUTCOMES
from webtext.dedup.bands import Buckets
from webtext.dedup.parts import matrix
from webtext.dedup.removals import duplicate_rows, outcome_rows
from webtext.dedup.verdicts import EXACT, NEAR, STAYS, WIKIPEDIA, Ints, explain, give_verdicts, line_up

NO_BUCKETS = Buckets(np.empty(0, np.int32), np.zeros(1, np.int64))


class Same:
    """A comparison that finds every pair 0.9 alike."""

    def __init__(self, rows: Ints) -> None:
        self.rows = rows

    def likely(self, earlier: Ints, later: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return np.ones(len(earlier), bool)

    def jaccard(self, earlier: Ints, later: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.full(len(earlier), 0.9)


def signed(*rows: tuple[int, int, int, str, int], sites: Sequence[int] = ()) -> pa.Table:
    """Signatures of documents given as (key, karma, exact, mark, shingles); all on one site by default."""
    key, karma, exact, mark, shingles = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 5
    return pa.table(
        {
            "key": pa.array(key, pa.uint64()),
            "url": pa.array([f"https://site.example/{number}" for number in key], pa.string()),
            "karma": pa.array(karma, pa.int64()),
            "length": pa.array([9] * len(key), pa.int64()),
            "posted": pa.array([0] * len(key), pa.int64()),
            "site": pa.array(sites or [1] * len(key), pa.uint64()),
            "exact": matrix(np.array([(0, value) for value in exact], np.uint64).reshape(-1, 2)),
            "wikipedia": pa.array(mark, pa.string()),
            "shingles": pa.array(shingles, pa.int64()),
        }
    )


def test_only_first_copies_with_shingles_are_compared_in_the_order_of_preference() -> None:
    tables = [
        signed((1, 3, 70, "", 9), (2, 5, 70, "", 9), (3, 9, 71, "mark", 9)),
        signed((4, 7, 72, "", 0), (5, 1, 73, "", 1)),
    ]
    lined = line_up(tables)
    assert lined.rows.tolist() == [3, 1, 0, 4]
    assert lined.first.tolist() == [0, 1, 1, 3]
    assert lined.compared.tolist() == [1, 4]
    assert lined.places.tolist() == [-1, 0, -1, -1, 1]


def test_no_documents_make_an_empty_line_up() -> None:
    for tables in ([], [signed()]):
        lined = line_up(tables)
        verdicts = give_verdicts(lined, NO_BUCKETS, Same, 0.7)
        assert (lined.total, len(lined.compared), len(explain(verdicts, tables))) == (0, 0, 0)


def test_two_documents_with_one_key_are_an_error_that_names_it() -> None:
    with pytest.raises(DamagedFile, match="000000000000002a"):
        line_up([signed((42, 1, 1, "", 1)), signed((42, 2, 2, "", 1))])


def test_a_copy_of_a_document_that_stays_is_a_duplicate() -> None:
    found = give_verdicts(line_up([signed((1, 1, 7, "", 9), (2, 5, 7, "", 9))]), NO_BUCKETS, Same, 0.7)
    assert (found.verdict.tolist(), found.keeper.tolist(), found.jaccard.tolist()) == ([EXACT, STAYS], [1, -1], [1, 0])


def test_the_same_text_on_another_site_is_a_near_copy() -> None:
    tables = [signed((1, 1, 7, "", 9), (2, 5, 7, "", 9), sites=[30, 31])]
    found = give_verdicts(line_up(tables), NO_BUCKETS, Same, 0.7)
    assert (found.verdict.tolist(), found.keeper.tolist(), found.jaccard.tolist()) == ([NEAR, STAYS], [1, -1], [1, 0])


def test_a_copy_of_a_near_copy_goes_to_the_same_keeper_so_that_no_chain_arises() -> None:
    lined = line_up([signed((1, 9, 7, "", 9), (2, 5, 8, "", 9), (3, 4, 8, "", 9))])
    found = give_verdicts(lined, Buckets(np.array([0, 1], np.int32), np.array([0, 2])), Same, 0.7)
    assert found.verdict.tolist() == [STAYS, NEAR, NEAR]
    assert found.keeper.tolist() == [-1, 0, 0]
    assert found.jaccard.tolist() == [0, 0.9, 0.9]


def test_copies_of_wikipedia_neither_keep_nor_follow_anyone() -> None:
    found = give_verdicts(line_up([signed((1, 9, 7, "mark", 9), (2, 5, 7, "", 9))]), NO_BUCKETS, Same, 0.7)
    assert found.verdict.tolist() == [WIKIPEDIA, STAYS]


def test_every_removed_document_is_explained() -> None:
    tables = [
        signed((1, 9, 7, "", 9), (2, 8, 6, "title 'X - Wikipedia'", 9)),
        signed(),
        signed((3, 1, 7, "", 9), (4, 5, 5, "", 9)),
    ]
    shared = Buckets(np.array([0, 1], np.int32), np.array([0, 2]))
    why = explain(give_verdicts(line_up(tables), shared, Same, 0.7), tables).filter(pa.array([False, True, True, True]))
    removed = pa.table(
        {
            "key": pa.array([2, 3, 4], pa.uint64()),
            "url": ["https://b.example/", "https://c.example/", "https://d.example/"],
        }
    )
    outcomes, duplicates = outcome_rows(removed, why), duplicate_rows(removed, why)
    assert outcomes.schema.equals(OUTCOMES)
    assert duplicates.schema.equals(DUPLICATES)
    assert [(row["key"], row["stage"], row["outcome"], row["detail"]) for row in outcomes.to_pylist()] == [
        (2, "clean", "wikipedia", "copy of Wikipedia: title 'X - Wikipedia'"),
        (3, "clean", "duplicate", "jaccard 1.000 with https://site.example/1 (key 0000000000000001)"),
        (4, "clean", "near-duplicate", "jaccard 0.900 with https://site.example/1 (key 0000000000000001)"),
    ]
    assert duplicates.to_pylist()[0] == {
        "removed": 2, "removed_url": "https://b.example/", "keeper": None, "keeper_url": None, "jaccard": None,
        "why": "wikipedia",
    }  # fmt: skip
    assert duplicates.to_pylist()[2] == {
        "removed": 4, "removed_url": "https://d.example/", "keeper": 1, "keeper_url": "https://site.example/1",
        "jaccard": 0.9, "why": "near-duplicate",
    }  # fmt: skip
