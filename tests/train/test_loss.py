from __future__ import annotations

import pytest
import torch
from torch import Tensor

from webtext.train import loss
from webtext.train.loss import head_loss, plain_head_loss


def some(rows: int, vocabulary: int, width: int = 12, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(rows)
    hidden = (scale * torch.randn(rows, width, generator=random)).requires_grad_()
    weight = torch.randn(vocabulary, width, generator=random).requires_grad_()
    return hidden, weight, torch.randint(0, vocabulary, (rows,), generator=random)


def gradients(hidden: Tensor, weight: Tensor, summed: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.autograd.grad(summed / 7, (hidden, weight))
    return found[0], found[1]


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 800])
def test_pieces_give_the_loss_and_gradients_of_the_whole(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "PIECE_BYTES_CPU", 1)  # pieces of LEAST_ROWS = 256
    hidden, weight, targets = some(rows, 31)
    summed, plain = head_loss(hidden, weight, targets), plain_head_loss(hidden, weight, targets)
    torch.testing.assert_close(summed, plain)
    for ours, theirs in zip(gradients(hidden, weight, summed), gradients(hidden, weight, plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_large_logits_stay_finite() -> None:
    hidden, weight, targets = some(20, 31, scale=1e4)
    summed, plain = head_loss(hidden, weight, targets), plain_head_loss(hidden, weight, targets)
    assert torch.isfinite(summed)
    torch.testing.assert_close(summed, plain)
    for ours, theirs in zip(gradients(hidden, weight, summed), gradients(hidden, weight, plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_without_gradients_the_loss_is_the_same() -> None:
    hidden, weight, targets = some(150, 31)
    with torch.no_grad():
        torch.testing.assert_close(head_loss(hidden, weight, targets), plain_head_loss(hidden, weight, targets))


def test_in_bf16_it_is_near_and_the_gradients_are_float32() -> None:
    hidden, weight, targets = some(100, 31)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        summed = head_loss(hidden, weight, targets)
    plain = plain_head_loss(hidden, weight, targets)
    assert summed.dtype == torch.float32
    assert summed != plain
    torch.testing.assert_close(summed, plain, rtol=0.02, atol=0)
    for ours, theirs in zip(gradients(hidden, weight, summed), gradients(hidden, weight, plain), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.05)
