from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtext.corpus.errors import UsageError
from webtext.train.permutation import LARGEST, ORDER_VERSION, half_bits, permute, window_at, windows_at


def test_the_order_is_that_of_its_version() -> None:
    # Golden vectors: if these change, every run that was begun reads other text. Raise ORDER_VERSION then.
    assert ORDER_VERSION == 1
    assert windows_at(0, 12, seed=1, size=10).tolist() == [2, 7, 4, 3, 0, 6, 9, 8, 1, 5, 9, 5]
    assert windows_at(10**15, 4, seed=42, size=10_000_000_000).tolist() == [
        797688160, 5399584966, 3572810082, 2471797841,
    ]  # fmt: skip
    assert windows_at(0, 3, seed=2**63 - 1, size=LARGEST).tolist() == [
        1309111991245268634, 4592589036879777686, 3706319279443303434,
    ]  # fmt: skip


def test_an_epoch_reads_every_window_once() -> None:
    for size in range(1, 200):
        assert sorted(windows_at(0, size, seed=7, size=size).tolist()) == list(range(size))


@given(size=st.integers(1, 3_000), seed=st.integers(0, 2**64), epoch=st.integers(0, 2**40))
def test_it_is_a_permutation_of_any_size_seed_and_epoch(size: int, seed: int, epoch: int) -> None:
    places = np.arange(size, dtype=np.int64)
    assert np.array_equal(np.sort(permute(places, seed=seed, epoch=epoch, size=size)), places)


@given(
    size=st.one_of(st.integers(1, 5_000), st.integers(1, LARGEST)),
    seed=st.integers(0, 2**63),
    position=st.integers(0, 2**70),
    count=st.integers(0, 40),
)
def test_it_equals_the_plain_reference(size: int, seed: int, position: int, count: int) -> None:
    expected = [window_at(position + place, seed=seed, size=size) for place in range(count)]
    assert windows_at(position, count, seed=seed, size=size).tolist() == expected


@given(position=st.integers(0, 500), cuts=st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_it_does_not_matter_in_which_pieces_it_is_read(position: int, cuts: list[int]) -> None:
    whole = windows_at(position, sum(cuts), seed=3, size=97).tolist()
    pieces: list[int] = []
    for cut in cuts:
        pieces += windows_at(position + len(pieces), cut, seed=3, size=97).tolist()
    assert pieces == whole


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    size = 1_000
    orders = [windows_at(epoch * size, size, seed=seed, size=size).tolist() for epoch in range(3) for seed in (1, 2)]
    assert len({tuple(order) for order in orders}) == 6
    # Nearly independent: two random orders of 1,000 agree in one place on average.
    for order in orders[1:]:
        assert sum(a == b for a, b in zip(orders[0], order, strict=True)) < 10


def test_neighbours_do_not_stay_neighbours() -> None:
    order = windows_at(0, 4_096, seed=5, size=4_096)
    assert abs(np.corrcoef(np.arange(4_096), order)[0, 1]) < 0.05
    assert np.count_nonzero(np.diff(order) == 1) < 10


def test_the_network_is_as_small_as_its_form_allows() -> None:
    assert [half_bits(size) for size in (1, 2, 4, 5, 16, 17, 1 << 32, LARGEST)] == [1, 1, 1, 2, 2, 3, 16, 31]


@pytest.mark.parametrize(("seed", "position", "size"), [(-1, 0, 5), (0, -1, 5), (0, 0, 0), (0, 0, LARGEST + 1)])
def test_what_is_no_order_is_refused(seed: int, position: int, size: int) -> None:
    with pytest.raises(UsageError):
        windows_at(position, 1, seed=seed, size=size)
    with pytest.raises(UsageError):
        window_at(position, seed=seed, size=size)
