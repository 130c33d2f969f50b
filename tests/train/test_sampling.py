from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from webtext.corpus.errors import UsageError
from webtext.train.model import GPT2, GPTConfig, build
from webtext.train.sampling import Rows, Sampling, random_numbers

CONFIG = GPTConfig(vocab_size=101, context=16, layers=2, heads=2, width=24)


def lively(config: GPTConfig = CONFIG) -> GPT2:
    """A random model whose logits differ enough for a choice."""
    model = build(config, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


def drawn(
    model: GPT2, starts: Sequence[Sequence[int]], count: int, *, seed: int = 0, **options: Any
) -> list[list[int]]:
    """`count` tokens of each row."""
    sampling = Sampling(**{"max_tokens": count, "top_k": 0, **options})
    rows = Rows(model, starts, sampling, [random_numbers(seed, number) for number in range(len(starts))])
    return torch.tensor([rows.step() for _ in range(count)]).T.tolist()


def greedy(model: GPT2, starts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    return drawn(model, starts, count, temperature=0.0)


def slow_greedy(model: GPT2, start: Sequence[int], count: int) -> list[int]:
    """The reference, without a cache: the whole text is read again for each token.

    A full context goes on with its last half, as the cache does.
    """
    history, window = list(start), min(len(start), 16)
    for _ in range(count):
        with torch.no_grad():
            history.append(int(model(torch.tensor([history[-window:]]))[0, -1].argmax()))
        window = 8 if window == 16 else window + 1
    return history[len(start) :]


def test_tokens_are_those_of_reading_everything_again() -> None:
    model = lively()
    assert greedy(model, [[1, 2, 3]], 12) == [slow_greedy(model, [1, 2, 3], 12)]


def test_text_may_be_longer_than_the_context() -> None:
    model = lively()
    for start in ([1], list(range(15)), list(range(16)), list(range(40))):
        assert greedy(model, [start], 50) == [slow_greedy(model, start, 50)]


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4), count=st.integers(1, 30))
def test_rows_of_any_lengths_go_on_together_as_they_would_alone(lengths: list[int], count: int) -> None:
    model = lively()
    starts = [[(7 * row + place) % 101 for place in range(length)] for row, length in enumerate(lengths)]
    alone = [greedy(model, [start], count)[0] for start in starts]
    assert greedy(model, starts, count) == alone == [slow_greedy(model, start, count) for start in starts]


def test_rows_may_leave() -> None:
    model = lively()
    starts = [[1, 2, 3], [4, 5], [6]]
    rows = Rows(model, starts, Sampling(8, temperature=0.0), [random_numbers(0, number) for number in range(3)])
    found: list[list[int]] = [[], [], []]
    living = [0, 1, 2]
    for turn in range(8):
        for row, token in zip(living, rows.step(), strict=True):
            found[row].append(token)
        if turn == 3:
            rows.keep([2, 0])
            living = [2, 0]
    assert found == [slow_greedy(model, [1, 2, 3], 8), slow_greedy(model, [4, 5], 4), slow_greedy(model, [6], 8)]


def test_only_the_k_likeliest_are_drawn() -> None:
    model = lively()
    with torch.no_grad():
        likeliest = model(torch.tensor([[1, 2, 3]]))[0, -1].topk(5).indices.tolist()
    first = {row[0] for row in drawn(model, [[1, 2, 3]] * 200, 1, top_k=5, temperature=5.0)}
    assert first == set(likeliest)
    assert len({row[0] for row in drawn(model, [[1, 2, 3]] * 200, 1, temperature=5.0)}) > 20


@pytest.mark.parametrize(
    ("top_p", "allowed"),
    [(0.3, {2}), (0.5, {2}), (0.51, {2, 0}), (0.8, {2, 0}), (0.81, {2, 0, 1}), (1.0, {0, 1, 2, 3})],
)
def test_only_the_likeliest_of_a_probability_are_drawn(top_p: float, allowed: set[int]) -> None:
    logits = torch.tensor([0.3, 0.15, 0.5, 0.05]).log()
    sampling = Sampling(1, top_k=0, top_p=top_p)
    random = random_numbers(0, 0)
    assert {sampling.draw(logits, random) for _ in range(400)} == allowed


def test_draws_are_as_likely_as_the_softmax_says() -> None:
    logits = torch.tensor([0.3, 0.2, 0.5]).log()
    random = random_numbers(3, 0)
    for temperature, wanted in ((1.0, [0.3, 0.2, 0.5]), (0.5, [9 / 38, 4 / 38, 25 / 38])):
        draws = torch.tensor([Sampling(1, temperature, 0).draw(logits, random) for _ in range(4_000)])
        for token, share in enumerate(wanted):
            assert abs(float((draws == token).float().mean()) - share) < 0.03


def test_k_and_p_together_are_those_of_transformers() -> None:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(1)) * 2
    left = TemperatureLogitsWarper(0.7)(None, logits)
    left = TopPLogitsWarper(0.8)(None, TopKLogitsWarper(12)(None, left))
    wanted = set(torch.isfinite(left[0]).nonzero().flatten().tolist())
    sampling, random = Sampling(1, 0.7, 12, 0.8), random_numbers(0, 0)
    found = {sampling.draw(logits[0], random) for _ in range(3_000)}
    assert 2 < len(wanted) < 12
    assert found <= wanted
    assert len(wanted - found) <= 1  # the least likely of them


def test_temperature_zero_and_one_choice_are_the_likeliest() -> None:
    model = lively()
    assert drawn(model, [[1, 2, 3]], 10, top_k=1, seed=9) == greedy(model, [[1, 2, 3]], 10)
    assert drawn(model, [[1, 2, 3]], 10, top_p=1e-9, seed=9) == greedy(model, [[1, 2, 3]], 10)


def test_the_seed_decides_and_more_rows_do_not_change_the_first() -> None:
    model = lively()
    five = drawn(model, [[1]] * 5, 10, seed=7)
    assert len({tuple(row) for row in five}) == 5
    assert drawn(model, [[1]] * 2, 10, seed=7) == five[:2]
    assert drawn(model, [[1]] * 2, 10, seed=8) != five[:2]


def test_ids_that_the_tokenizer_does_not_have_are_never_drawn() -> None:
    model = lively()
    rows = Rows(model, [[1]] * 50, Sampling(20, 5.0, 0), [random_numbers(0, n) for n in range(50)], vocabulary=10)
    found = {token for _ in range(20) for token in rows.step()}
    assert found == set(range(10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"top_p": float("nan")}, "top_p is nan"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Sampling(**options)
    with pytest.raises(UsageError, match="seed is -1"):
        random_numbers(-1, 0)
