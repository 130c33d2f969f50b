"""Cross-entropy of the tied head, without ever holding all its logits.

Logits are the memory peak of a GPT-2 (8 sequences of 1,024 tokens: 1.6 GB in float32) and, written and read again,
slow on a CPU. So rows are taken a piece at a time, and since the gradient of a cross-entropy is known as soon as its
logits are (softmax minus one-hot), each piece gives loss and gradients at once.

Measured (tiny, 20,000 tokens of vocabulary, one thread): 1.3 times the tokens a second of `functional.cross_entropy`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from webtext.train.model import GPT2

# float32 logits held at once. On a CPU a piece should stay near its caches; a GPU wants large products.
PIECE_BYTES_CPU = 16 * 2**20
PIECE_BYTES_GPU = 512 * 2**20
LEAST_ROWS = 64  # below this a product of matrices is slow, whatever the vocabulary


def model_loss(model: GPT2, inputs: Tensor, targets: Tensor) -> Tensor:
    """The summed negative log-likelihood (nats) of `targets`, both (batch, length) int64; a float32 scalar.

    A sum, not a mean: whoever accumulates over micro-batches divides once, by the tokens of the whole batch.
    """
    hidden = model.hidden(inputs)
    return head_loss(hidden.flatten(0, 1), model.wte.weight, targets.flatten())


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """As `plain_head_loss`, in pieces: `hidden` (rows, width), `weight` (vocabulary, width), `targets` (rows,)."""
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    budget = PIECE_BYTES_CPU if kind == "cpu" else PIECE_BYTES_GPU
    rows = max(LEAST_ROWS, budget // (4 * weight.shape[0]))
    # Autocast would cast the same weights again for each piece; they are cast once, by hand.
    with torch.autocast(kind, enabled=False):
        if torch.is_grad_enabled():
            summed: Tensor = _HeadLoss.apply(hidden, weight, targets, rows, dtype)  # type: ignore[no-untyped-call]
            return summed
        cast = weight.to(dtype)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), rows):
            logits = functional.linear(hidden[start : start + rows].to(dtype), cast).float()
            total += functional.cross_entropy(logits, targets[start : start + rows], reduction="sum")
        return total


def plain_head_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The slow reference of `head_loss`: all logits at once."""
    return functional.cross_entropy(functional.linear(hidden, weight).float(), targets, reduction="sum")


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, rows: int, dtype: torch.dtype) -> Tensor:
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight)
        cast = weight.to(dtype)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), rows):
            piece = hidden[start : start + rows].to(dtype)
            right = targets[start : start + rows, None]
            logits = torch.mm(piece, cast.t()).float()
            logits -= logits.amax(dim=1, keepdim=True)  # softmax is the same, and exp stays finite
            wanted = logits.gather(1, right)
            likelihood = logits.exp_()
            summed = likelihood.sum(dim=1, keepdim=True)
            total += (summed.log() - wanted).sum()
            likelihood /= summed
            likelihood.scatter_add_(1, right, torch.full_like(wanted, -1.0))
            gradient = likelihood.to(dtype)
            hidden_gradient[start : start + rows] = torch.mm(gradient, cast)
            if dtype == weight.dtype:
                weight_gradient.addmm_(gradient.t(), piece)
            else:  # summed over pieces in float32
                weight_gradient += torch.mm(gradient.t(), piece)
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return hidden_gradient * scale, weight_gradient * scale, None, None, None
