"""One step of the optimizer over a batch of any size, on one rank or many. No files, no schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.optim import AdamW

from webtext.train.device import Numerics
from webtext.train.model import GPT2
from webtext.train.parallel import gradients_kept_back, in_step, whole
from webtext.train.prefetch import Batch
from webtext.train.ranks import Ranks
from webtext.train.scaling import LossScale


@dataclass
class Learner:
    """A model as this rank trains it."""

    model: GPT2
    shared: nn.Module
    """`parallel.share_model` of it: called with inputs, targets and mask, it gives the summed loss."""
    optimizer: AdamW
    numerics: Numerics
    ranks: Ranks
    scale: LossScale = field(default_factory=LossScale)


@dataclass(frozen=True)
class Step:
    """What a step saw. `loss` is in nats a token, `grad_norm` the global norm before clipping."""

    loss: float
    grad_norm: float
    skipped: str | None = None
    """Why the weights were left as they were; None where they were not."""


class Stopped(Exception):
    """The user asked to stop within a step; nothing was changed. Never leaves the loop."""


def take_step(
    learner: Learner,
    batches: Iterator[Batch],
    *,
    counts: tuple[int, int],
    tokens: int,
    clip: float,
    judge: Callable[[float, float], str | None],
    stopped: Callable[[], bool] = lambda: False,
) -> Step:
    """Accumulate the gradient of a batch, one micro-batch at a time, clip it and update the weights.

    The loss is divided by the tokens of the whole batch, so micro-batches and ranks change nothing but rounding.

    Args:
        batches: this rank's micro-batches.
        counts: how many of them are this rank's part of the batch, and the most that any rank has.
        tokens: of the whole batch, over all ranks.
        judge: given loss and norm, says why the step is to be skipped, or None.
        stopped: with one rank asked between micro-batches, and on a CPU, where one may take minutes, between blocks.

    Raises:
        Stopped: `stopped` said so.
    """
    held: list[Batch] = []
    while True:
        scale = learner.scale.value if learner.numerics.scaled else 1.0
        loss = learner.ranks.total(_accumulate(learner, batches, held, counts, tokens, scale, stopped))[0]
        parameters = [parameter for parameter in learner.model.parameters() if parameter.grad is not None]
        if scale != 1.0:
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad /= scale
        norm = float(whole(nn.utils.clip_grad_norm_(parameters, clip)))
        if not learner.numerics.scaled or math.isfinite(norm) or not math.isfinite(loss):
            break
        learner.optimizer.zero_grad(set_to_none=True)
        if not learner.scale.overflowed():
            break
    step = Step(loss, norm, judge(loss, norm))
    if step.skipped is None:
        learner.optimizer.step()
        learner.scale.fitted()
    learner.optimizer.zero_grad(set_to_none=True)
    return step


def _accumulate(
    learner: Learner,
    batches: Iterator[Batch],
    held: list[Batch],
    counts: tuple[int, int],
    tokens: int,
    scale: float,
    stopped: Callable[[], bool],
) -> float:
    """Gradients of a batch; this rank's part of the mean loss. What was read of it is `held`."""
    mine, most = counts
    alone = learner.ranks.ranks == 1
    losses = []
    try:
        with breaks(learner.model, stopped if alone else lambda: False):
            for number in range(most if in_step(learner.shared) else mine):
                if alone and stopped():
                    raise Stopped
                if number == len(held) < mine:
                    held.append(next(batches))
                # Where every micro-batch is one of all ranks, a rank that has no more goes along and adds nothing.
                batch, counted = (held[number], 1.0) if number < mine else (held[-1], 0.0)
                with (
                    gradients_kept_back(learner.shared, number + 1 < mine),
                    learner.numerics.autocast(),
                ):
                    # Ranks' gradients are averaged, not summed.
                    loss = learner.shared(batch.inputs, batch.targets, batch.mask) / (tokens / learner.ranks.ranks)
                    (loss * (scale * counted) if scale * counted != 1.0 else loss).backward()
                losses.append(loss.detach() * counted)
    except Stopped:
        learner.optimizer.zero_grad(set_to_none=True)
        raise
    return math.fsum(float(loss) for loss in losses) / learner.ranks.ranks


@contextmanager
def breaks(model: GPT2, stopped: Callable[[], bool]) -> Iterator[None]:
    """Ask `stopped` after each block, forward and backward; where it says so, `Stopped` is raised.

    On a CPU only: elsewhere all of it takes a second.
    """
    if model.wte.weight.device.type != "cpu":
        yield
        return

    def ask(value: Tensor) -> None:
        if stopped():
            raise Stopped

    def after(x: Tensor) -> None:
        ask(x)
        if x.requires_grad:
            x.register_hook(ask)  # type: ignore[no-untyped-call]

    model.after_block = after
    try:
        yield
    finally:
        model.after_block = None
