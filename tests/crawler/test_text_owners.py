"""Which link owns a page that several lead to, and how the plan is read a stretch at a time."""

from __future__ import annotations

import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_plans import links_table, pages_table

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import write_parquet
from webtext.corpus.schemas import LINKS, key_text
from webtext.crawler.text.owners import NO_TIME, find_owners, owners
from webtext.crawler.text.plan import LINK_COLUMNS, PLAN, join_links
from webtext.crawler.text.stretches import read_stretches, refuse_lost, write_stretches

Row = tuple[int, int, int, int]  # key, final key, karma, first posted


def owners_of(rows: list[Row]) -> list[int]:
    """The key of each row's owner."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    keys, final_keys = (np.array(column, np.uint64) for column in columns[:2])
    karma, posted = (np.array(column, np.int64) for column in columns[2:])
    return [int(keys[row]) for row in owners(keys, final_keys, karma, posted)]


def slow_owners(rows: list[Row]) -> list[int]:
    """The rule in words: own key, most karma, earliest, smallest key."""
    owner = {}
    for final_key, group in groupby(sorted(rows, key=lambda row: row[1]), key=lambda row: row[1]):
        owner[final_key] = min(group, key=lambda row: (row[0] != final_key, -row[2], row[3], row[0]))[0]
    return [owner[row[1]] for row in rows]


def test_a_link_that_nobody_shares_owns_its_page() -> None:
    assert owners_of([]) == []
    assert owners_of([(5, 5, 3, 100), (6, 9, 3, 100)]) == [5, 6]


def test_the_link_of_the_final_address_owns_it_whatever_its_karma() -> None:
    assert owners_of([(1, 7, 9_000, 1), (7, 7, 3, NO_TIME), (9, 7, 50, 5)]) == [7, 7, 7]


def test_otherwise_karma_then_time_then_key() -> None:
    assert owners_of([(1, 7, 3, 1), (2, 7, 4, 9)]) == [2, 2]
    assert owners_of([(1, 7, 4, 9), (2, 7, 4, 8)]) == [2, 2]
    assert owners_of([(1, 7, 4, NO_TIME), (2, 7, 4, 8)]) == [2, 2]
    assert owners_of([(2, 7, 4, 8), (1, 7, 4, 8)]) == [1, 1]


def test_a_link_whose_own_address_led_elsewhere_does_not_own_what_lies_there() -> None:
    # 7 itself led to 8 when it was fetched: it competes for 8, and 1 keeps what lay at 7.
    assert owners_of([(1, 7, 3, 1), (7, 8, 3, 1), (8, 8, 3, 1)]) == [1, 8, 8]


def test_keys_in_the_upper_half_are_no_negative_numbers() -> None:
    high = 2**64 - 1
    assert owners_of([(high, 5, 3, 1), (1, 5, 3, 1)]) == [1, 1]
    assert owners_of([(high, high, 3, 1), (1, high, 9, 1)]) == [high, high]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*range(12), 2**63, 2**64 - 1]), st.integers(0, 5), st.integers(-2, 2), st.integers(0, 2)
        ),
        unique_by=lambda row: row[0],
    )
)
def test_owners_are_those_of_the_rule_in_words(rows: list[Row]) -> None:
    assert owners_of(rows) == slow_owners(rows)


def stretches_of(folder: Path, plan: pa.Table, rows: int) -> list[Path]:
    paths = []
    for start in range(0, plan.num_rows, rows):
        paths.append(folder / f"{start:05d}.parquet")
        write_parquet(paths[-1], plan.slice(start, rows), PLAN)
    return paths


def test_links_that_do_not_own_their_page_name_the_owner(tmp_path: Path) -> None:
    links = links_table((1, "http://a/", 5), (2**63 + 7, "http://b/", 9), (3, "http://c/", 3))
    plan = join_links(pages_table((1, 8), (2**63 + 7, 8), (3, 3)), links)
    owned, redirected = find_owners(stretches_of(tmp_path, plan, 1)).split(plan)
    assert owned["key"].to_pylist() == [3, 2**63 + 7]
    assert redirected.to_pylist() == [
        {
            "key": 1,
            "url": "http://a/",
            "stage": "documents",
            "outcome": "duplicate-redirect",
            "detail": f"the page of {key_text(2**63 + 7)} http://b/",
        }
    ]
    assert [table.num_rows for table in find_owners([]).split(plan.slice(0, 0))] == [0, 0]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2)), unique_by=lambda row: row[0], max_size=8
    ),
    st.sets(st.integers(0, 9)),
    st.integers(1, 4),
)
def test_owners_are_the_same_however_the_plan_is_cut(
    rows: list[tuple[int, int, int]], lost: set[int], size: int
) -> None:
    links = links_table(*((key, f"http://{key}/", karma) for key, _, karma in rows))
    plan = join_links(pages_table(*((key, final) for key, final, _ in rows)), links)
    expected = dict(zip((row[0] for row in rows), slow_owners([(*row, NO_TIME) for row in rows]), strict=True))
    left = [row for row in rows if row[0] not in lost]
    heirs = {row[1]: owner for row, owner in zip(left, slow_owners([(*row, NO_TIME) for row in left]), strict=True)}
    with tempfile.TemporaryDirectory() as name:
        stretches = stretches_of(Path(name), plan, size)
        found, inherited = find_owners(stretches), find_owners(stretches, np.array(sorted(lost), np.uint64))
    for answer, owner in (
        (found, expected),
        (inherited, {key: heirs.get(final, expected[key]) for key, final, _ in rows}),
    ):
        owned, others = answer.split(plan)
        assert owned["key"].to_pylist() == sorted(key for key in owner if owner[key] == key)
        assert dict(zip(others["key"].to_pylist(), others["detail"].to_pylist(), strict=True)) == {
            key: f"the page of {key_text(own)} http://{own}/" for key, own in owner.items() if own != key
        }


def links_files(folder: Path, links: pa.Table, rows: int) -> list[Path]:
    paths = []
    for start in range(0, links.num_rows, rows):
        paths.append(folder / f"links-{start:05d}.parquet")
        whole = links.slice(start, rows).append_column("submissions", pa.array([[]] * len(links.slice(start, rows))))
        write_parquet(paths[-1], whole.select(LINKS.names).cast(LINKS), LINKS)
    return paths


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_plan_in_stretches_is_the_plan_of_all_pages(tmp_path: Path, size: int) -> None:
    keys = [*range(1, 20), 2**63 + 1, 2**64 - 1]
    links = links_table(*((key, f"http://{key}/", key % 7) for key in keys))
    pages = pages_table(*((key, key) for key in keys[::2]))
    tables = [pages.slice(start, size) for start in range(0, len(pages), size)]
    paths = write_stretches(tmp_path / "plan", tables, links_files(tmp_path, links.select(LINK_COLUMNS), 6))
    assert len(paths) == len(tables)
    assert pa.concat_tables(read_stretches(paths)).equals(join_links(pages, links))
    assert write_stretches(tmp_path / "plan", [], []) == []


def test_pages_of_unknown_links_are_counted_over_all_stretches(tmp_path: Path) -> None:
    links = links_table((2, "http://a/", 5))
    tables = [pages_table((1, 1), (2, 2)), pages_table((3, 3)), pages_table((4, 4))]
    with pytest.raises(WebtextError, match="3 pages whose links links/ does not hold"):
        write_stretches(tmp_path / "plan", tables, links_files(tmp_path, links, 6))


def test_pages_whose_bodies_were_deleted_are_refused_with_a_list(tmp_path: Path) -> None:
    plan = join_links(
        pages_table(*((key, key) for key in range(1, 6))), links_table(*((k, f"u{k}", 3) for k in range(6)))
    )
    gone = plan.set_column(PLAN.names.index("length"), PLAN.field("length"), pa.array([9, 0, 9, 9, 0], pa.int64()))
    refuse_lost(tmp_path, stretches_of(tmp_path, plan, 2))
    with pytest.raises(WebtextError, match=r"2 pages .* among them u2") as found:
        refuse_lost(tmp_path, stretches_of(tmp_path, gone, 2))
    assert Path(str(found.value.where)).read_text() == "u2\nu5\n"
