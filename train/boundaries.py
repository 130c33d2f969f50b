"""Where documents begin inside a window, and the mask that keeps attention within them. Optional: GPT-2 had none.

Every document begins with `<|endoftext|>`, and a literal one in a page is plain text, so the inputs alone say where.
Computed on the device of the tokens: nothing further has to be moved there.
"""

from __future__ import annotations

import torch
from torch import Tensor


def document_numbers(inputs: Tensor, endoftext: int) -> Tensor:
    """Which document of its window each token belongs to: (batch, length) int64, from 0.

    The rest of a document that begins in an earlier window is number 0 where the window does not begin with a document.
    """
    numbers = (inputs == endoftext).cumsum(dim=1)
    return numbers - numbers[:, :1]


def positions_in_document(inputs: Tensor, endoftext: int) -> Tensor:
    """Positions that begin anew with each document: (batch, length) int64. `<|endoftext|>` has 0.

    Where a window begins inside a document, its positions count from the window's beginning.
    """
    places = torch.arange(inputs.shape[1], device=inputs.device).expand_as(inputs)
    begins = torch.where(inputs == endoftext, places, 0)
    return places - begins.cummax(dim=1).values


def document_mask(inputs: Tensor, endoftext: int) -> Tensor:
    """May token i look at token j: (batch, 1, length, length) bool, for `scaled_dot_product_attention(attn_mask=…)`.

    Yes where j is not after i and both are of one document. `is_causal` must then be False: the mask says it, too.
    """
    numbers = document_numbers(inputs, endoftext)
    same = numbers[:, :, None] == numbers[:, None, :]
    length = inputs.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=inputs.device).tril()
    return (same & causal)[:, None]
