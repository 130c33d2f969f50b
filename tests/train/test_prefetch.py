"""The loader's sequence: the same for any number of ranks, workers and any micro-batch; resumed by one integer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError, WebtextError
from webtext.train.boundaries import document_mask, document_numbers, positions_in_document
from webtext.train.data import open_data
from webtext.train.loader import Windows, share
from webtext.train.permutation import window_at
from webtext.train.prefetch import Prefetcher, Reading

CPU = torch.device("cpu")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of four tokens would fill thousands of batches before the first is given."""
    monkeypatch.setattr("webtext.train.prefetch.CHUNK_TOKENS", 64)


class _Shard:
    def __init__(self, tokens: NDArray[np.uint16]) -> None:
        self.tokens = tokens
        self.offsets = np.array([0, len(tokens)], dtype=np.int64)
        self.keys = np.zeros(1, dtype=np.uint64)


def _windows(*lengths: int, context: int = 4) -> Windows:
    """Token n of shard s is 1000 s + n."""
    return Windows([_Shard(np.arange(length, dtype=np.uint16) + 1_000 * number)
                    for number, length in enumerate(lengths)], context)  # fmt: skip


def _plainly(windows: Windows, position: int, count: int, seed: int) -> list[list[int]]:
    """The definition: one window after another, by plain integers."""
    found = []
    for place in range(position, position + count):
        shard, start = windows.locate(window_at(place, seed=seed, size=len(windows)))
        found.append(windows.shards[shard].tokens[start : start + windows.context].tolist())
    return found


@settings(max_examples=50, deadline=None)
@given(
    position=st.integers(0, 10**12),
    step=st.integers(1, 12),
    steps=st.integers(1, 3),
    ranks=st.integers(1, 4),
    micro=st.integers(1, 5),
    workers=st.integers(1, 3),
    ahead=st.integers(1, 4),
    chunk=st.sampled_from([1, 13, 64, 400]),
    seed=st.integers(0, 2**40),
)
def test_ranks_workers_and_micro_batches_read_the_same_sequence(
    position: int, step: int, steps: int, ranks: int, micro: int, workers: int, ahead: int, chunk: int, seed: int
) -> None:
    windows = _windows(33, 21, 3, 90)
    step = max(step, ranks)
    found: dict[int, list[int]] = {}
    for rank in range(ranks):
        reading = Reading(step, micro, seed, rank, ranks)
        _, mine = share(0, step, part=rank, parts=ranks)
        # Small chunks, so that what is read here takes several of them.
        with (
            patch("webtext.train.prefetch.CHUNK_TOKENS", chunk),
            Prefetcher(windows, reading, position, device=CPU, workers=workers, ahead=ahead) as batches,
        ):
            for batch in islice(batches, steps * -(-mine // micro)):
                assert len(batch.inputs) <= micro
                for row, tokens in enumerate(batch.inputs.tolist()):
                    assert batch.position + row not in found
                    found[batch.position + row] = tokens
                assert torch.equal(batch.targets[:, :-1], batch.inputs[:, 1:])
    assert [found[place] for place in sorted(found)] == _plainly(windows, position, step * steps, seed)
    assert sorted(found) == list(range(position, position + step * steps))


@given(st.integers(0, 10**12), st.integers(0, 1000), st.integers(1, 20))
def test_shares_are_consecutive_equal_and_complete(position: int, count: int, parts: int) -> None:
    found = [share(position, count, part=part, parts=parts) for part in range(parts)]
    assert [place for first, size in found for place in range(first, first + size)] == list(
        range(position, position + count)
    )
    assert max(size for _, size in found) - min(size for _, size in found) <= 1


def test_golden_batches() -> None:
    # If these change, every run that was begun reads other text.
    windows = _windows(33, 21, 90)
    with Prefetcher(windows, Reading(4, 2, seed=7), 10**15, device=CPU, workers=2) as batches:
        found = [(batch.position, batch.inputs.tolist()) for batch in islice(batches, 3)]
    assert found == GOLDEN


GOLDEN = [
    (10**15, [[2008, 2009, 2010, 2011], [2076, 2077, 2078, 2079]]),
    (10**15 + 2, [[2024, 2025, 2026, 2027], [2044, 2045, 2046, 2047]]),
    (10**15 + 4, [[1000, 1001, 1002, 1003], [2084, 2085, 2086, 2087]]),
]


@pytest.mark.usefixtures("small_chunks")
def test_a_run_goes_on_by_its_position_alone() -> None:
    windows, reading = _windows(200, 77), Reading(6, 2, seed=3)
    with Prefetcher(windows, reading, 0, device=CPU) as batches:
        whole = [batch.inputs.tolist() for batch in islice(batches, 12)]
    with Prefetcher(windows, reading, 12, device=CPU, workers=3, ahead=5) as batches:
        assert [batch.inputs.tolist() for batch in islice(batches, 6)] == whole[6:]


def test_ten_billion_windows_begin_at_once() -> None:
    class Endless(Windows):
        """As many windows as no disk here holds: each is its own number, again and again."""

        def __len__(self) -> int:
            return 10_000_000_000

        def rows(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:  # type: ignore[override]
            return np.repeat(wanted[:, None], 5, axis=1)

    windows = Endless([], 4)
    position = 9_999_999_998
    with Prefetcher(windows, Reading(4, 4, seed=42), position, device=CPU) as batches:
        found = next(batches).inputs[:, 0].tolist()
    assert found == [window_at(position + place, seed=42, size=10_000_000_000) for place in range(4)]


def test_what_cannot_be_read_is_refused() -> None:
    windows = _windows(33)
    for reading, options in ((Reading(0, 1, 1), {}), (Reading(4, 0, 1), {}), (Reading(4, 1, 1), {"workers": 0}),
                             (Reading(4, 1, 1), {"ahead": 0}), (Reading(2, 1, 1, 0, 3), {})):  # fmt: skip
        with pytest.raises(UsageError):
            Prefetcher(windows, reading, 0, device=CPU, **options)
    with pytest.raises(UsageError, match="part 2 of 2"):
        share(0, 10, part=2, parts=2)


def test_a_failure_of_a_reader_reaches_the_caller() -> None:
    batches = Prefetcher(_windows(3), Reading(4, 2, seed=1), 0, device=CPU)
    with batches, pytest.raises(WebtextError, match="too little text"):
        next(batches)


# --- documents inside windows

TOKENS = st.lists(st.lists(st.integers(0, 3), min_size=8, max_size=8), min_size=1, max_size=4)


@given(TOKENS)
def test_the_mask_is_causal_and_stays_within_documents(rows: list[list[int]]) -> None:
    inputs = torch.tensor(rows)
    mask = document_mask(inputs, endoftext=3)
    assert mask.shape == (len(rows), 1, 8, 8)
    for number, row in enumerate(rows):
        for later in range(8):
            for earlier in range(8):
                crossed = any(row[place] == 3 for place in range(earlier + 1, later + 1))
                assert bool(mask[number, 0, later, earlier]) == (earlier <= later and not crossed)


@given(TOKENS)
def test_positions_begin_anew_with_each_document(rows: list[list[int]]) -> None:
    inputs = torch.tensor(rows)
    expected = []
    for row in rows:
        place, places = -1, []
        for token in row:
            place = 0 if token == 3 else place + 1
            places.append(place)
        expected.append(places)
    assert positions_in_document(inputs, 3).tolist() == expected
    numbers = document_numbers(inputs, 3)
    assert numbers[:, 0].tolist() == [0] * len(rows)
    assert numbers.diff(dim=1).tolist() == (inputs[:, 1:] == 3).long().tolist()


@pytest.mark.usefixtures("small_chunks")
def test_a_batch_carries_the_mask_where_it_is_asked_for() -> None:
    windows = _windows(40)
    with Prefetcher(windows, Reading(3, 3, 1, endoftext=6), 0, device=CPU) as batches:
        batch = next(batches)
    assert batch.mask is not None
    assert torch.equal(batch.mask, document_mask(batch.inputs, 6))


def test_masked_attention_gives_a_document_what_it_would_see_alone() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 8, 4).unbind(0)
    inputs = torch.tensor([[1, 2, 3, 1, 2, 2, 3, 1]])
    attend = torch.nn.functional.scaled_dot_product_attention
    mixed = attend(query, key, value, attn_mask=document_mask(inputs, 3))
    for start, end in ((0, 2), (2, 6), (6, 8)):
        alone = attend(query[:, :, start:end], key[:, :, start:end], value[:, :, start:end], is_causal=True)
        assert torch.allclose(mixed[:, :, start:end], alone, atol=1e-6)


# --- vocabularies


def test_a_model_of_another_vocabulary_is_refused_and_both_are_named(make_corpus: Callable[..., Path]) -> None:
    data = open_data(make_corpus(), context=16)
    index = data.index
    data.check_model(index.vocab_size, index.tokenizer, where="model")
    data.check_model(50_304, index.tokenizer, where="model")  # padded, as models often are
    for size, tokenizer in ((index.vocab_size - 1, index.tokenizer), (index.vocab_size, "f" * 64)):
        with pytest.raises(WebtextError) as caught:
            data.check_model(size, tokenizer, where="runs/default")
        message = str(caught.value)
        assert f"a vocabulary of {size:,} tokens ({tokenizer[:16]})" in message
        assert f"one of {index.vocab_size:,} ({index.tokenizer[:16]})" in message
        assert message.startswith("runs/default: ")
