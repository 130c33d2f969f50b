"""Which documents are held out, where shards end, and the gathering of rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.tokenize.assembly import Range, Size, cut, held_out
from webtext.tokenize.parts import gathered, gathered_tokens
from webtext.tokenize.shards import write_shard


def test_the_held_out_are_those_whose_hash_is_below_the_share() -> None:
    keys = np.arange(2000, dtype=np.uint64)
    found = held_out(keys, 0.1, "salt")
    slow = [xxhash.xxh3_64(f"salt:{key:016x}".encode(), seed=0).intdigest() / 2**64 < 0.1 for key in range(2000)]
    assert found.tolist() == slow
    assert 150 < found.sum() < 250


def test_a_share_of_zero_holds_none_out() -> None:
    assert not held_out(np.arange(1000, dtype=np.uint64), 0.0, "webtext").any()


def test_a_larger_share_keeps_what_was_held_out() -> None:
    keys = np.arange(1000, dtype=np.uint64)
    assert not (held_out(keys, 0.05, "s") & ~held_out(keys, 0.2, "s")).any()
    assert (held_out(keys, 0.2, "s") != held_out(keys, 0.2, "t")).any()


def _cut(lengths: Sequence[int], shard_tokens: int, parts: Sequence[int] = ()) -> list[tuple[int, int]]:
    """The shards as ranges of documents, where the documents lie in parts that end at `parts`."""
    borders = [0, *sorted(parts), len(lengths)]
    pieces = [np.array(lengths[start:end], np.int64) for start, end in itertools.pairwise(borders)]
    sizes = [Size(len(piece), int(piece.sum())) for piece in pieces]
    shards = cut(sizes, lambda number: np.cumsum(np.concatenate([[0], pieces[number]])), shard_tokens)
    found = []
    for ranges in shards:
        documents = [borders[piece.part] + row for piece in ranges for row in range(piece.first, piece.last)]
        assert documents == list(range(documents[0], documents[-1] + 1))
        found.append((documents[0], documents[-1] + 1))
    return found


def test_shards_are_nearly_equal_and_of_about_the_size_asked() -> None:
    lengths = [10] * 105
    assert _cut(lengths, 100) == [(0, 11), (11, 21), (21, 32), (32, 42), (42, 53), (53, 63), (63, 74), (74, 84),
                                  (84, 95), (95, 105)]  # fmt: skip
    assert _cut(lengths, 10_000) == [(0, 105)]


def test_a_long_document_fills_a_shard_alone() -> None:
    assert _cut([1, 1000, 1, 1], 100) == [(0, 2), (2, 4)]


def test_no_documents_make_no_shard() -> None:
    assert _cut([], 100) == []
    assert _cut([], 100, parts=[0, 0]) == []


@given(st.lists(st.integers(1, 500), min_size=1, max_size=200), st.integers(1, 2000))
def test_every_document_lies_in_one_shard_and_none_is_far_too_large(lengths: list[int], wanted: int) -> None:
    ranges = _cut(lengths, wanted)
    assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == len(lengths)
    for start, end in ranges:
        assert start < end
        assert sum(lengths[start:end]) <= 1.5 * wanted + max(lengths) or len(ranges) == 1


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 300), st.data())
def test_how_documents_lie_in_parts_decides_nothing(lengths: list[int], wanted: int, data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.integers(0, len(lengths)), max_size=8))
    assert _cut(lengths, wanted, parts) == _cut(lengths, wanted)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.lists(st.integers(0, 65535), min_size=1, max_size=6), min_size=1, max_size=20), st.data())
def test_a_shard_holds_the_documents_of_its_pieces(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]], data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("parts")
    borders = [0, *sorted(data.draw(st.lists(st.integers(0, len(documents)), max_size=4))), len(documents)]
    pieces, expected = [], []
    for number, (start, end) in enumerate(itertools.pairwise(borders)):
        mine = documents[start:end]
        offsets = np.cumsum([0, *map(len, mine)]).astype(np.int64)
        tokens = np.array([token for document in mine for token in document], dtype=np.uint16)
        keys = np.arange(start, end, dtype=np.uint64)
        write_shard(folder / f"{number}.arrow", keys, [f"u{key}" for key in keys], tokens, offsets, metadata={})
        first = data.draw(st.integers(0, len(mine)))
        last = data.draw(st.integers(first, len(mine)))
        pieces.append((folder / f"{number}.arrow", Range(number, first, last)))
        expected += list(range(start + first, start + last))
    keys, urls, offsets = gathered(tuple(pieces))
    tokens = np.concatenate(list(gathered_tokens(tuple(pieces))))
    assert keys.tolist() == expected
    assert urls == [f"u{index}" for index in expected]
    found = [tokens[offsets[row] : offsets[row + 1]].tolist() for row in range(len(expected))]
    assert found == [documents[index] for index in expected]
