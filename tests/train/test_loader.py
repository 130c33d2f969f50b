from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError, WebtextError
from webtext.tokenize.shard_index import open_shards
from webtext.train.loader import Windows
from webtext.train.permutation import window_at


@dataclass
class FakeShard:
    tokens: NDArray[np.uint16]
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))


def shards_of(*lengths: int) -> list[FakeShard]:
    """Token n of shard s is 1000 s + n, so a window shows where it came from."""
    return [FakeShard(np.arange(length, dtype=np.uint16) + 1_000 * shard) for shard, length in enumerate(lengths)]


def slow_windows(shards: list[FakeShard], context: int) -> list[list[int]]:
    """The definition: tokens[i*T : i*T+T+1] as long as there are so many, shard by shard."""
    found = []
    for shard in shards:
        place = 0
        while len(piece := shard.tokens[place * context : place * context + context + 1].tolist()) == context + 1:
            found.append(piece)
            place += 1
    return found


def test_a_window_is_t_inputs_and_the_next_tokens() -> None:
    inputs, targets = Windows(shards_of(9), context=4).read([1])
    assert inputs.tolist() == [[4, 5, 6, 7]]
    assert targets.tolist() == [[5, 6, 7, 8]]
    assert (inputs.dtype, targets.dtype) == (np.int64, np.int64)


def test_no_window_crosses_a_shard_and_the_tails_are_counted() -> None:
    windows = Windows(shards_of(9, 3, 12), context=4)
    # 9 tokens: two windows, nothing left. 3: none, two are never predicted. 12: two windows, three left.
    assert len(windows) == 4
    assert windows.tail_tokens == 2 + 3
    assert windows.read(range(4))[0].tolist() == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [2000, 2001, 2002, 2003],
        [2004, 2005, 2006, 2007],
    ]


@given(lengths=st.lists(st.integers(0, 60), max_size=6), context=st.integers(1, 20))
def test_windows_are_those_of_the_definition(lengths: list[int], context: int) -> None:
    shards = shards_of(*lengths)
    windows, slow = Windows(shards, context), slow_windows(shards, context)
    assert len(windows) == len(slow)
    inputs, targets = windows.read(range(len(slow)))
    assert inputs.tolist() == [window[:-1] for window in slow]
    assert targets.tolist() == [window[1:] for window in slow]
    predicted = sum(max(0, length - 1) for length in lengths)
    assert windows.tail_tokens == predicted - len(slow) * context


@given(position=st.integers(0, 100), count=st.integers(0, 30), micro=st.integers(1, 10))
def test_a_batch_is_read_in_order_whatever_the_micro_batch(position: int, count: int, micro: int) -> None:
    shards = shards_of(33, 21)
    windows, slow = Windows(shards, context=4), slow_windows(shards, 4)
    rows: list[list[int]] = []
    for offset in range(0, count, micro):
        inputs, targets = windows.batch(position + offset, min(micro, count - offset), seed=3)
        rows += np.concatenate([inputs, targets[:, -1:]], axis=1).tolist()
    assert rows == [slow[window_at(position + place, seed=3, size=len(slow))] for place in range(count)]


def test_a_window_names_the_documents_it_reads() -> None:
    offsets = np.array([0, 3, 5, 9, 13], dtype=np.int64)
    keys = np.array([11, 22, 33, 2**63 + 44], dtype=np.uint64)
    windows = Windows([FakeShard(np.arange(13, dtype=np.uint16), offsets, keys)], context=4)
    # Window 0 reads tokens 0 .. 4, the last as a target; window 1 reads 4 .. 8, window 2 reads 8 .. 12.
    assert [windows.documents(window) for window in range(3)] == [[11, 22], [22, 33], [33, 2**63 + 44]]


def test_documents_of_later_shards_are_found(make_corpus: Callable[..., Path]) -> None:
    corpus = make_corpus(documents=6, words=50)
    shards = open_shards(corpus / "shards", "train")
    windows = Windows(shards, context=16)
    found = [windows.documents(window) for window in range(len(windows))]
    assert found[0] == [1]
    assert found[-1] == [6]
    assert sorted({key for keys in found for key in keys}) == [1, 2, 3, 4, 5, 6]
    assert not any({3, 4} <= set(keys) for keys in found)  # the shards' border: documents 1-3, 4-6


def test_what_is_not_there_is_refused() -> None:
    windows = Windows(shards_of(9), context=4)
    with pytest.raises(UsageError, match="there is no window 2; there are 2"):
        windows.read([2])
    with pytest.raises(UsageError, match="no window -1"):
        windows.documents(-1)
    with pytest.raises(WebtextError, match="too little text for one window of 100 tokens"):
        Windows(shards_of(9), context=100).batch(0, 1, seed=1)
    with pytest.raises(UsageError, match="context of 0"):
        Windows(shards_of(9), context=0)
