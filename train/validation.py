"""The validation loss: over the same windows each time, divided among the ranks."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from webtext.train.boundaries import document_mask
from webtext.train.device import Numerics
from webtext.train.hooks import AfterSteps
from webtext.train.loader import Windows, share
from webtext.train.loss import model_loss
from webtext.train.model import GPT2
from webtext.train.ranks import Ranks
from webtext.train.step import Stopped, breaks


def validation_loss(
    model: GPT2,
    windows: Windows,
    *,
    limit: int,
    micro_batch: int,
    numerics: Numerics,
    ranks: Ranks,
    endoftext: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> float | None:
    """The mean loss (nats a token) over at most `limit` windows, spread evenly over all of them.

    Args:
        endoftext: where given, attention stays within documents.
        stopped: asked between micro-batches, on a CPU also between blocks.

    Returns:
        None where there is no window, or where `stopped` said so on any rank.
    """
    count = min(limit, len(windows))
    if not count:
        return None
    first, mine = share(0, count, part=ranks.rank, parts=ranks.ranks)
    chosen = [number * len(windows) // count for number in range(first, first + mine)]
    losses, cut = [], False
    try:
        with torch.no_grad(), breaks(model, stopped):
            for offset in range(0, mine, micro_batch):
                if stopped():
                    raise Stopped
                inputs, targets = (
                    torch.from_numpy(array).to(numerics.device)
                    for array in windows.read(chosen[offset : offset + micro_batch])
                )
                mask = None if endoftext is None else document_mask(inputs, endoftext)
                with numerics.autocast():
                    losses.append(float(model_loss(model, inputs, targets, mask)))
    except Stopped:
        cut = True
    total, stops = ranks.total(math.fsum(losses), float(cut))
    return None if stops else total / (count * windows.context)


def validation_hook(
    windows: Windows, *, every: int, limit: int, micro_batch: Callable[[], int], numerics: Numerics, ranks: Ranks,
    endoftext: int | None, stopped: Callable[[], bool],
) -> AfterSteps:  # fmt: skip
    """The validation of a run, as one of its hooks."""

    def run(model: GPT2, step: int) -> dict[str, float]:
        loss = validation_loss(
            model, windows, limit=limit, micro_batch=micro_batch(), numerics=numerics, ranks=ranks,
            endoftext=endoftext, stopped=stopped,
        )  # fmt: skip
        return {} if loss is None else {"val_loss": loss, "val_windows": min(limit, len(windows))}

    return AfterSteps(every, run, "validation")
