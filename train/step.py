"""One step of the optimizer over a batch of any size, and the validation loss. No files, no schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import AdamW

from webtext.train.device import autocast
from webtext.train.loader import Windows
from webtext.train.loss import model_loss
from webtext.train.model import GPT2

Arrays = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Step:
    """What a step saw. `loss` is in nats a token, `grad_norm` the global norm before clipping."""

    loss: float
    grad_norm: float

    @property
    def sound(self) -> bool:
        """Whether both are numbers; if not, the weights were left as they were."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


def take_step(
    model: GPT2,
    optimizer: AdamW,
    read: Callable[[int, int], Arrays],
    *,
    windows: int,
    micro_batch: int,
    clip: float,
    stopped: Callable[[], bool] = lambda: False,
) -> Step | None:
    """Accumulate the gradient of `windows` windows, `micro_batch` at a time, clip it and update the weights.

    The loss is divided by the tokens of the whole batch, so the micro-batch changes nothing but rounding.

    Args:
        read: gives inputs and targets (count, context) of the `count` windows from the `offset`-th of the batch on.
        stopped: asked between micro-batches, and on a CPU, where one may take minutes, between blocks.

    Returns:
        None where `stopped` said so: then nothing was changed.
    """
    device = model.wte.weight.device
    tokens = windows * model.config.context
    losses = []
    try:
        with _breaks(model, stopped):
            for offset in range(0, windows, micro_batch):
                _ask(stopped)
                inputs, targets = (_move(array, device) for array in read(offset, min(micro_batch, windows - offset)))
                with autocast(device):
                    loss = model_loss(model, inputs, targets) / tokens
                loss.backward()  # type: ignore[no-untyped-call]
                losses.append(loss.detach())
    except _Stopped:
        optimizer.zero_grad(set_to_none=True)
        return None
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    step = Step(loss=math.fsum(float(loss) for loss in losses), grad_norm=float(norm))
    if step.sound:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return step


def validation_loss(
    model: GPT2,
    windows: Windows,
    *,
    limit: int,
    micro_batch: int,
    stopped: Callable[[], bool] = lambda: False,
) -> float | None:
    """The mean loss (nats a token) over at most `limit` windows, spread evenly over all of them.

    Returns:
        None where there is no window, or where `stopped` said so.
    """
    count = min(limit, len(windows))
    if not count:
        return None
    chosen = [number * len(windows) // count for number in range(count)]
    device = model.wte.weight.device
    losses = []
    try:
        with torch.no_grad(), _breaks(model, stopped):
            for offset in range(0, count, micro_batch):
                _ask(stopped)
                inputs, targets = (
                    _move(array, device) for array in windows.read(chosen[offset : offset + micro_batch])
                )
                with autocast(device):
                    losses.append(float(model_loss(model, inputs, targets)))
    except _Stopped:
        return None
    return math.fsum(losses) / (count * windows.context)


class _Stopped(Exception):
    """The user asked to stop within a step. Never leaves this module."""


def _ask(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise _Stopped


@contextmanager
def _breaks(model: GPT2, stopped: Callable[[], bool]) -> Iterator[None]:
    """Ask `stopped` before each block, forward and backward. On a CPU only: elsewhere all of it takes a second."""
    if model.wte.weight.device.type != "cpu":
        yield
        return

    def before(block: nn.Module, inputs: object) -> None:
        _ask(stopped)

    def after(block: nn.Module, inputs: object, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda gradient: _ask(stopped))  # type: ignore[no-untyped-call]

    handles = [block.register_forward_pre_hook(before) for block in model.h]
    handles += [block.register_forward_hook(after) for block in model.h]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _move(array: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
