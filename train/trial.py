"""A short run before the run: what a micro-batch takes in memory and time, found by trying, not by a crash.

On a GPU too many windows raise an error that can be caught; they are tried here, in this process, with the room that
the optimizer will take kept free. On a CPU Linux ends a process that takes too much: where the estimate comes near to
what is free, the trial is made in a process of its own that may not take more (`webtext.train.trial_process`).
Nothing of it changes the weights or the order of the data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import psutil
import torch

from webtext.corpus.progress import say
from webtext.train.device import Numerics
from webtext.train.flops import wait_for
from webtext.train.memory import MOST_TOKENS, SHARE, free_bytes, training_bytes
from webtext.train.model import GPTConfig
from webtext.train.parallel import gradients_kept_back
from webtext.train.prefetch import Batch
from webtext.train.step import Learner, breaks

NEAR = 0.4
"""Of the free memory: an estimate below is far enough from it to begin without a process that tries it."""
QUICK_SECONDS = 2.0
"""A micro-batch that takes less is timed a second time: the first one has to warm up."""
MOST_SECONDS = 600.0
"""A trial process that takes longer is ended: it fits, and is slow."""


@dataclass(frozen=True)
class Measured:
    """One micro-batch, forward and backward, on this rank."""

    windows: int
    seconds: float
    peak_bytes: int
    """The most memory the process had on the device."""


def train_once(learner: Learner, batch: Batch) -> float:
    """Forward and backward of a micro-batch, its gradient thrown away; seconds."""
    wait_for(learner.numerics.device)
    started = time.perf_counter()
    try:
        with (
            breaks(learner.model, lambda: False),  # so that a signal is seen between two blocks
            gradients_kept_back(learner.shared, True),  # one rank may run out of memory, and the others not wait for it
            learner.numerics.autocast(),
        ):
            learner.shared(batch.inputs, batch.targets, batch.mask).backward()
    finally:
        learner.optimizer.zero_grad(set_to_none=True)
    wait_for(learner.numerics.device)
    return time.perf_counter() - started


def short_run(learner: Learner, read: Callable[[int], Batch], windows: int) -> Measured:
    """Train a micro-batch of `windows` windows, once or twice; what the last time took."""
    batch = read(windows)
    seconds = train_once(learner, batch)
    if learner.ranks.any(seconds < QUICK_SECONDS):
        seconds = train_once(learner, batch)
    return Measured(windows, max(seconds, 1e-9), peak_bytes(learner.numerics.device))


def largest_fitting(learner: Learner, read: Callable[[int], Batch], windows: int, most: int) -> int:
    """On CUDA: the micro-batch, a power of two up to `most`, that fits; tried from `windows` on, up or down.

    All ranks try the same, and take what fits on each. Not with FSDP, whose ranks need each other within a micro-batch:
    there the estimate decides.

    Raises:
        torch.OutOfMemoryError: not even one window does.
    """
    device = learner.numerics.device
    parameters = list(learner.model.parameters())
    # The optimizer's moments come with its first step. On several ranks `numel` is this rank's part.
    held = 0 if learner.optimizer.state else sum(8 * _own(parameter) for parameter in parameters)
    reserved = torch.empty(held, dtype=torch.uint8, device=device)
    tried: dict[int, bool] = {}

    def fits(count: int) -> bool:
        if count not in tried:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            try:
                train_once(learner, read(count))
                room = SHARE_AFTER * torch.cuda.mem_get_info(device)[1]
                fitted = torch.cuda.max_memory_reserved(device) <= room
            except torch.OutOfMemoryError:
                fitted = False
            tried[count] = not learner.ranks.any(not fitted)
        return tried[count]

    count = max(1, windows)
    while count > 1 and not fits(count):
        count //= 2
    while count * 2 <= most and fits(count) and fits(count * 2):
        count *= 2
    del reserved
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return count


SHARE_AFTER = 0.95
"""Of a GPU's memory: a trial that took more leaves nothing for fragments."""


def most_windows(config: GPTConfig, windows: int, device: torch.device) -> int:
    """The largest power of two that is worth while: more at once are no faster, or more than there are."""
    most = max(1, min(windows, MOST_TOKENS[device.type] // config.context))
    return 1 << (most.bit_length() - 1)


def tried_on_cpu(config: GPTConfig, numerics: Numerics, windows: int) -> int:
    """As many of `windows` as fit, tried in a process of its own where the estimate is near to what is free."""
    free = free_bytes(numerics.device)
    while windows > 1:
        estimate = training_bytes(config, numerics.device, windows, half=numerics.half, recompute=numerics.recompute)
        if estimate < NEAR * free or fits_in_a_process(config, numerics, windows, limit=int(SHARE * free)):
            break
        say(f"{windows} windows at once do not fit into {SHARE * free / 1e9:.1f} GB: half as many are tried")
        windows //= 2
    return windows


def fits_in_a_process(config: GPTConfig, numerics: Numerics, windows: int, *, limit: int) -> bool:
    """Whether a process that may take `limit` bytes can train a micro-batch of `windows` windows on the CPU."""
    asked = {
        "config": asdict(config), "windows": windows, "limit": limit, "precision": numerics.precision,
        "recompute": numerics.recompute, "threads": torch.get_num_threads(), "parent": os.getpid(),
    }  # fmt: skip
    command = [sys.executable, "-P", "-m", "webtext.train.trial_process", json.dumps(asked)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode == 0


def peak_bytes(device: torch.device) -> int:
    """The most memory this process had so far: on CUDA of the device, elsewhere of its own."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    return int(psutil.Process().memory_info().rss)


def _own(parameter: torch.Tensor) -> int:
    local = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return int(local.numel())
