from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

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


class Held(TorchDispatchMode):
    """The bytes of all tensors that are alive, and the most there were; of the largest one, too."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = self.largest = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self._known:
                    self._add(storage)
        return found

    def _add(self, storage: torch.UntypedStorage) -> None:
        size, name = storage.nbytes(), storage._cdata
        self._known.add(name)
        self.now += size
        self.most, self.largest = max(self.most, self.now), max(self.largest, size)
        weakref.finalize(storage, self._drop, name, size)

    def _drop(self, name: int, size: int) -> None:
        self._known.discard(name)
        self.now -= size


@pytest.mark.parametrize("half", [False, True])
def test_all_logits_are_never_held_at_once(monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
    monkeypatch.setattr(loss, "PIECE_BYTES_CPU", 1)  # pieces of LEAST_ROWS = 256
    hidden, weight, targets = some(1_024, 2_000)
    all_logits, piece = 4 * 1_024 * 2_000, 4 * 256 * 2_000

    def held(compute: Callable[..., Tensor]) -> Held:
        with Held() as counted, torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            compute(hidden, weight, targets).backward()
        return counted

    ours, theirs = held(head_loss), held(plain_head_loss)
    assert theirs.largest == all_logits  # the reference does hold them, so the measure sees it
    assert theirs.most >= 2 * all_logits
    assert ours.largest == piece
    assert ours.most < 2.5 * piece + 8 * weight.nbytes
