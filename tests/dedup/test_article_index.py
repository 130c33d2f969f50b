"""The index of articles: whom a document may come from, and exactly how much of it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.dedup import article_index
from webtext.dedup.article_index import (
    FREQUENT,
    MOST_ARTICLES,
    Sample,
    candidates,
    containment,
    look_up,
    make_table,
    packed,
    short_sets,
    table_count,
    table_slice,
)
from webtext.dedup.shingles import Shingles, shingle_sets
from webtext.dedup.utf8 import Texts

HASH = st.integers(0, 2**64 - 1)


@given(st.lists(HASH, max_size=60), st.sampled_from([1, 2, 8, 64]))
def test_every_hash_is_in_one_table(hashes: list[int], tables: int) -> None:
    ordered = np.sort(np.array(hashes, np.uint64))
    slices = [table_slice(ordered, number, tables) for number in range(tables)]
    assert [ordered[mine].tolist() for mine in slices] == [
        [value for value in ordered.tolist() if value * tables >> 64 == number] for number in range(tables)
    ]


def test_tables_grow_with_the_entries() -> None:
    assert [table_count(entries) for entries in (0, 1 << 21, 5 << 21, 600_000_000)] == [1, 2, 8, 512]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), max_size=80), st.lists(st.integers(0, 25)))
def test_a_table_names_all_articles_of_an_n_gram_but_for_frequent_ones(
    pairs: list[tuple[int, int]], asked: list[int]
) -> None:
    pairs = sorted(set(pairs))
    shuffled = random.Random(1).sample(pairs, len(pairs))
    table = make_table(
        np.array([gram for gram, _ in shuffled], np.uint64), np.array([article for _, article in shuffled], np.uint32)
    )
    expected = []
    for place, gram in enumerate(sorted(asked)):
        articles = [article for known, article in pairs if known == gram]
        named = [int(FREQUENT)] if len(articles) > MOST_ARTICLES else articles
        expected += [(place, article) for article in named]
    at, articles = look_up(table, np.array(sorted(asked), np.uint64))
    assert list(zip(at.tolist(), articles.tolist(), strict=True)) == expected


def test_a_sample_is_the_same_n_grams_of_whatever_text() -> None:
    choice = random.Random(2)
    words = [f"w{choice.randrange(500)}" for _ in range(2_000)]
    whole = shingle_sets(Texts.of([" ".join(words)]), 5)
    part = shingle_sets(Texts.of(["own words before", " ".join(words[700:1_200])]), 5)
    chosen, excerpt = Sample.of(whole), Sample.of(part)
    assert set(excerpt.hashes.tolist()) <= set(chosen.hashes.tolist())
    assert set(excerpt.owners.tolist()) == {1}
    assert 0.08 < len(chosen.hashes) / len(whole.hashes) < 0.17
    assert np.all(np.diff(chosen.hashes.astype(object)) >= 0)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_containment_is_the_share_of_the_document(document: set[int], article: set[int]) -> None:
    found = containment(np.array(sorted(document), np.uint32), np.array(sorted(article), np.uint32))
    assert found == (len(document & article) / len(document) if document else 0.0)


def test_candidates_are_the_articles_that_may_reach_the_threshold() -> None:
    sampled = np.array([100, 4, 100, 100, 0])
    rows, articles = [], []
    for row, article, hits in (
        (0, 7, 60), (0, 8, 20), (1, 9, 1), (2, 7, 10), (3, 5, 15), (3, int(FREQUENT), 80),
    ):  # fmt: skip
        rows += [row] * hits
        articles += [article] * hits
    found = candidates(sampled, np.array(rows), np.array(articles, np.uint32), 0.5)
    # Row 0: 60 of 100; 20 are too few. Row 1: of four, one may be enough. Row 3: 15 of the 20 that are not frequent.
    assert list(zip(*(each.tolist() for each in found), strict=True)) == [(0, 7), (1, 9), (3, 5)]


def test_of_many_candidates_those_with_most_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(article_index, "CANDIDATES", 2)
    rows = np.zeros(6, np.int64)
    articles = np.array([3, 1, 1, 2, 2, 9], np.uint32)
    found = candidates(np.array([6]), rows, articles, 0.1)
    assert found[1].tolist() == [1, 2]


@given(st.lists(st.sets(HASH, max_size=9), max_size=5))
def test_packed_sets_read_back(sets: list[set[int]]) -> None:
    values = [sorted(one) for one in sets]
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int64)
    flat = np.array([value for one in values for value in one], np.uint64)
    short = short_sets(Shingles(flat, offsets))
    column = packed(short)
    assert len(column) == len(sets)
    for one, stored in zip(values, column.to_pylist(), strict=True):
        read = np.array(stored, np.uint64).view(np.uint32)
        assert sorted(set(read.tolist())) == sorted({value >> 32 for value in one})
