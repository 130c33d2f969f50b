"""From signatures to verdicts: Wikipedia's copies first, exact copies follow their first, and everything is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from webtext.corpus.errors import DamagedFile
from webtext.corpus.schemas import DUPLICATES, OUTCOMES
from webtext.dedup.bands import Buckets
from webtext.dedup.parts import matrix, write_part
from webtext.dedup.removals import duplicate_rows, outcome_rows, removed_table
from webtext.dedup.survivors import Survivors
from webtext.dedup.verdicts import EXACT, NEAR, STAYS, WIKIPEDIA, Ints, LineUp, give_verdicts, line_up, near_copies

Rows = Sequence[tuple[int, int, int, str, int]]


def signed(folder: Path, *tables: Rows, sites: Sequence[int] = ()) -> list[Path]:
    """Parts of signatures of documents given as (key, karma, exact, mark, shingles); all on one site by default."""
    paths = []
    for number, rows in enumerate(tables):
        key, karma, exact, mark, shingles = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 5
        table = pa.table(
            {
                "key": pa.array(key, pa.uint64()),
                "url": pa.array([f"https://site.example/{number}" for number in key], pa.string()),
                "karma": pa.array(karma, pa.int64()),
                "length": pa.array([9] * len(key), pa.int64()),
                "posted": pa.array([0] * len(key), pa.int64()),
                "site": pa.array(sites or [1] * len(key), pa.uint64()),
                "exact": matrix(np.array([(0, value) for value in exact], np.uint64).reshape(-1, 2)),
                "wikipedia": pa.array(mark, pa.string()),
                "shingles": pa.array(shingles, pa.int32()),
            }
        )
        paths.append(folder / f"{number}.arrow")
        write_part(paths[-1], table)
    return paths


def near(lined: LineUp, *pairs: tuple[int, int]) -> Survivors:
    """Survivors by place: each pair (removed, keeper) 0.9 alike."""
    keeper, jaccard = np.full(len(lined.compared), -1, np.int64), np.zeros(len(lined.compared))
    for removed, kept in pairs:
        keeper[removed], jaccard[removed] = kept, 0.9
    return Survivors(keeper, jaccard)


def test_only_first_copies_with_shingles_are_compared_in_the_order_of_preference(tmp_path: Path) -> None:
    tables: list[Rows] = [
        [(1, 3, 70, "", 9), (2, 5, 70, "", 9), (3, 9, 71, "mark", 9)],
        [(4, 7, 72, "", 0), (5, 1, 73, "", 1)],
    ]
    lined = line_up(signed(tmp_path, *tables))
    assert lined.rows.tolist() == [3, 1, 0, 4]
    assert lined.first.tolist() == [0, 1, 1, 3]
    assert lined.compared.tolist() == [1, 4]
    assert lined.documents.is_compared.tolist() == [False, True, False, False, True]
    assert lined.places.tolist() == [-1, 0, -1, -1, 1]


def test_no_documents_make_an_empty_line_up(tmp_path: Path) -> None:
    for paths in ([], signed(tmp_path, [])):
        lined = line_up(paths)
        verdicts = give_verdicts(lined, near(lined))
        assert (lined.total, len(lined.compared), len(removed_table(verdicts, lined, paths))) == (0, 0, 0)


def test_two_documents_with_one_key_are_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="000000000000002a"):
        line_up(signed(tmp_path, [(42, 1, 1, "", 1)], [(42, 2, 2, "", 1)]))


def test_a_copy_of_a_document_that_stays_is_a_duplicate(tmp_path: Path) -> None:
    lined = line_up(signed(tmp_path, [(1, 1, 7, "", 9), (2, 5, 7, "", 9)]))
    found = give_verdicts(lined, near(lined))
    assert (found.verdict.tolist(), found.keeper.tolist(), found.jaccard.tolist()) == ([EXACT, STAYS], [1, -1], [1, 0])


def test_the_same_text_on_another_site_is_a_near_copy(tmp_path: Path) -> None:
    lined = line_up(signed(tmp_path, [(1, 1, 7, "", 9), (2, 5, 7, "", 9)], sites=[30, 31]))
    found = give_verdicts(lined, near(lined))
    assert (found.verdict.tolist(), found.keeper.tolist(), found.jaccard.tolist()) == ([NEAR, STAYS], [1, -1], [1, 0])


def test_a_copy_of_a_near_copy_goes_to_the_same_keeper_so_that_no_chain_arises(tmp_path: Path) -> None:
    lined = line_up(signed(tmp_path, [(1, 9, 7, "", 9), (2, 5, 8, "", 9), (3, 4, 8, "", 9)]))
    found = give_verdicts(lined, near(lined, (1, 0)))
    assert found.verdict.tolist() == [STAYS, NEAR, NEAR]
    assert found.keeper.tolist() == [-1, 0, 0]
    assert found.jaccard.tolist() == [0, 0.9, 0.9]


def test_copies_of_wikipedia_neither_keep_nor_follow_anyone(tmp_path: Path) -> None:
    lined = line_up(signed(tmp_path, [(1, 9, 7, "mark", 9), (2, 5, 7, "", 9)]))
    assert give_verdicts(lined, near(lined)).verdict.tolist() == [WIKIPEDIA, STAYS]


def test_every_removed_document_is_explained(tmp_path: Path) -> None:
    paths = signed(
        tmp_path,
        [(1, 9, 7, "", 9), (4, 5, 5, "", 9)],
        [],
        [(3, 1, 7, "", 9), (2, 8, 6, "title 'X - Wikipedia'", 9)],
    )
    lined = line_up(paths)
    removed = removed_table(give_verdicts(lined, near(lined, (1, 0))), lined, paths)
    outcomes, duplicates = outcome_rows(removed), duplicate_rows(removed)
    assert outcomes.schema.equals(OUTCOMES)
    assert duplicates.schema.equals(DUPLICATES)
    assert [(row["key"], row["stage"], row["outcome"], row["detail"]) for row in outcomes.to_pylist()] == [
        (2, "clean", "wikipedia", "copy of Wikipedia: title 'X - Wikipedia'"),
        (3, "clean", "duplicate", "jaccard 1.000 with https://site.example/1 (key 0000000000000001)"),
        (4, "clean", "near-duplicate", "jaccard 0.900 with https://site.example/1 (key 0000000000000001)"),
    ]
    assert duplicates.to_pylist()[0] == {
        "removed": 2, "removed_url": "https://site.example/2", "keeper": None, "keeper_url": None, "jaccard": None,
        "why": "wikipedia",
    }  # fmt: skip
    assert duplicates.to_pylist()[2] == {
        "removed": 4, "removed_url": "https://site.example/4", "keeper": 1, "keeper_url": "https://site.example/1",
        "jaccard": 0.9, "why": "near-duplicate",
    }  # fmt: skip


class Alike:
    """A comparison that finds every pair 0.9 alike, and notes which it was asked about."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def likely(self, earlier: Ints, later: Ints) -> NDArray[np.bool_]:
        return np.ones(len(earlier), bool)

    def jaccard(self, earlier: Ints, later: Ints) -> NDArray[np.float64]:
        self.asked += zip(earlier.tolist(), later.tolist(), strict=True)
        return np.full(len(earlier), 0.9)


def test_where_a_decision_still_holds_nothing_is_compared() -> None:
    shared = Buckets(np.array([0, 2, 1, 3], np.int32), np.array([0, 2, 4]))
    known = Survivors(np.array([-1, -1, 0, -1]), np.array([0, 0, 0.8, 0]))
    comparison = Alike()
    found = near_copies(shared, comparison, 0.7, known, np.array([False, True, False, True]))
    assert found.keeper.tolist() == [-1, -1, 0, 1]
    assert found.jaccard.tolist() == [0, 0, 0.8, 0.9]
    assert comparison.asked == [(1, 3)]
