"""Cross-entropy of the tied head, without ever holding all its logits where they exceed a budget.

Logits are the memory peak of a GPT-2 (8 sequences of 1,024 tokens: 1.6 GB in float32) and, written and read again,
slow. So rows are taken a piece at a time, and since the gradient of a cross-entropy is known as soon as its logits are
(softmax minus one-hot), each piece gives loss and gradients at once.

Measured on one thread, forward and backward, in CPU seconds against `functional.cross_entropy`: 0.20 and 0.33 with
2,048 rows of 128 and 8,192 tokens of vocabulary, 0.80 and 1.16 with 1,024 rows of 128 and 50,257, 3.4 and 3.6 with
1,024 rows of 768 and 50,257.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from webtext.train.model import GPT2

# float32 logits held at once. On a CPU a piece should stay near its caches; a GPU wants large products.
PIECE_BYTES_CPU = 16 * 2**20
PIECE_BYTES_GPU = 512 * 2**20
LEAST_ROWS = 256  # fewer, and the weights are read again so often that it takes longer (83 rows of 768: 1.1 times)
TENSOR_CORE_ROWS = 64  # half-precision products of a GPU want a vocabulary of a multiple of this: 50,304 for 50,257

Piece = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class LossOfModel(nn.Module):
    """The model with its loss: what is handed to DDP and FSDP, which want one module with one forward.

    Args:
        piece: `piece_gradient`, or that compiled.
    """

    def __init__(self, model: GPT2, piece: Piece | None = None) -> None:
        super().__init__()
        self.model = model
        self.piece = piece or piece_gradient

    def forward(self, inputs: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """See `model_loss`."""
        return model_loss(self.model, inputs, targets, mask, piece=self.piece)


def model_loss(
    model: GPT2, inputs: Tensor, targets: Tensor, mask: Tensor | None = None, *, piece: Piece | None = None
) -> Tensor:
    """The summed negative log-likelihood (nats) of `targets`, both (batch, length) int64; a float32 scalar.

    A sum, not a mean: whoever accumulates over micro-batches divides once, by the tokens of the whole batch.
    """
    hidden = model.hidden(inputs, mask=mask)
    return head_loss(hidden.flatten(0, 1), model.wte.weight, targets.flatten(), piece=piece or piece_gradient)


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor, *, piece: Piece | None = None) -> Tensor:
    """As `plain_head_loss`, in pieces: `hidden` (rows, width), `weight` (vocabulary, width), `targets` (rows,)."""
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    budget = PIECE_BYTES_CPU if kind == "cpu" else PIECE_BYTES_GPU
    rows = max(LEAST_ROWS, budget // (4 * weight.shape[0]))
    # Autocast would cast the same weights again for each piece; they are cast once, by hand.
    with torch.autocast(kind, enabled=False):
        if torch.is_grad_enabled():
            step = TENSOR_CORE_ROWS if kind == "cuda" and dtype != torch.float32 else 1
            summed: Tensor = _HeadLoss.apply(  # type: ignore[no-untyped-call]
                hidden, weight, targets, rows, dtype, step, piece or piece_gradient
            )
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


def piece_gradient(logits: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The summed loss of a piece, float32, and its gradient with respect to `logits`, of their type.

    Args:
        logits: (rows, vocabulary); what they hold is lost.
        right: the targets, (rows, 1).
    """
    values = logits.float()
    values -= values.amax(dim=1, keepdim=True)  # softmax is the same, and exp stays finite
    wanted = values.gather(1, right)
    likelihood = values.exp_()
    summed = likelihood.sum(dim=1, keepdim=True)
    loss = (summed.log() - wanted).sum()
    likelihood /= summed
    likelihood.scatter_add_(1, right, torch.full_like(wanted, -1.0))
    return loss, likelihood.to(logits.dtype)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        rows: int,
        dtype: torch.dtype,
        step: int,
        piece: Piece,
    ) -> Tensor:
        vocabulary = weight.shape[0]
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        # Rows of zeros up to a round number; their logits are taken out of the softmax below.
        cast = (
            functional.pad(weight.to(dtype), (0, 0, 0, -vocabulary % step)) if vocabulary % step else weight.to(dtype)
        )
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), rows):
            part = hidden[start : start + rows].to(dtype)
            logits = torch.mm(part, cast.t())
            logits[:, vocabulary:] = float("-inf")
            loss, gradient = piece(logits, targets[start : start + rows, None])
            total += loss
            hidden_gradient[start : start + rows] = torch.mm(gradient, cast)
            if dtype == torch.float32:
                weight_gradient.addmm_(gradient.t(), part)
            else:  # summed over pieces in float32
                weight_gradient += torch.mm(gradient.t(), part)[:vocabulary]
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        # In place: they are nobody else's, and the second may be the largest tensor there is.
        return hidden_gradient.mul_(scale), weight_gradient.mul_(scale), None, None, None, None, None
