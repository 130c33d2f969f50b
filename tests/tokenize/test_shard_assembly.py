"""Which documents are held out, where shards end, and the gathering of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from webtext.tokenize.assembly import cut, gather, held_out
from webtext.tokenize.shards import Shard, write_shard


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


def test_shards_are_nearly_equal_and_of_about_the_size_asked() -> None:
    lengths = np.full(105, 10, dtype=np.int64)
    assert cut(lengths, 100) == [(0, 11), (11, 21), (21, 32), (32, 42), (42, 53), (53, 63), (63, 74), (74, 84),
                                 (84, 95), (95, 105)]  # fmt: skip
    assert cut(lengths, 10_000) == [(0, 105)]


def test_a_long_document_fills_a_shard_alone() -> None:
    assert cut(np.array([1, 1000, 1, 1], dtype=np.int64), 100) == [(0, 2), (2, 4)]


def test_no_documents_make_no_shard() -> None:
    assert cut(np.array([], dtype=np.int64), 100) == []


@given(st.lists(st.integers(1, 500), min_size=1, max_size=200), st.integers(1, 2000))
def test_every_document_lies_in_one_shard_and_none_is_far_too_large(lengths: list[int], wanted: int) -> None:
    ranges = cut(np.array(lengths, dtype=np.int64), wanted)
    assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == len(lengths)
    for start, end in ranges:
        assert start < end
        assert sum(lengths[start:end]) <= 1.5 * wanted + max(lengths) or len(ranges) == 1


@given(
    st.lists(st.lists(st.integers(0, 65535), min_size=1, max_size=6), min_size=1, max_size=20),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_gathering_gives_the_rows_asked_for(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]], count: int, random: object
) -> None:
    folder: Path = tmp_path_factory.mktemp("parts")
    parts, places = [], []
    for number in range(count):
        mine = list(range(number, len(documents), count))
        offsets = np.cumsum([0, *(len(documents[index]) for index in mine)]).astype(np.int64)
        tokens = np.array([token for index in mine for token in documents[index]], dtype=np.uint16)
        urls = [f"u{index}" for index in mine]
        write_shard(folder / f"{number}.arrow", np.array(mine, np.uint64), urls, tokens, offsets, metadata={})
        parts.append(Shard.open(folder / f"{number}.arrow"))
        places += [(index, number, row) for row, index in enumerate(mine)]
    random.shuffle(places)  # type: ignore[attr-defined]
    wanted = [index for index, _, _ in places]
    rows = np.array([place[1:] for place in places], dtype=np.int64).reshape(-1, 2)
    keys, urls, tokens, offsets = gather(parts, rows)
    assert keys.tolist() == wanted
    assert urls == [f"u{index}" for index in wanted]
    found = [tokens[offsets[row] : offsets[row + 1]].tolist() for row in range(len(wanted))]
    assert found == [documents[index] for index in wanted]
