"""How many windows fit into memory at once, and whether a model fits at all: said before, not by a crash.

An estimate, on the safe side. What it decides changes rounding only, never the batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.train.model import GPTConfig

# Weights, their gradient and AdamW's two moments, in float32.
BYTES_PER_PARAMETER = 16
# Weights and moments as they are, and copies of the moments in the order of the file, while a checkpoint is written.
SAVING_BYTES_PER_PARAMETER = 20
CHECKPOINT_BYTES_PER_PARAMETER = 12
# float32 numbers kept of one token for the way back, in widths a layer. Measured on the CPU as the rise of the peak of
# memory: 22 to 31 (tiny and 124M's width; 128 to 1,024 tokens a window, 1 to 64 windows); the larger, the smaller.
WIDTHS_PER_LAYER = 28
# In half precision: the residual path and the LayerNorms' outputs in float32, the rest in half of it. By reading the
# model, not measured.
WIDTHS_PER_LAYER_HALF = 18
# Recomputed: the input of each block, and one block's worth of the rest.
WIDTHS_PER_LAYER_RECOMPUTED = 1
# Logits of one piece of the head with their gradient, and what the allocator rounds up (`loss`).
HEAD_BYTES = {"cpu": 64 * 2**20, "cuda": 2 * 2**30, "mps": 2 * 2**30}

# More tokens at once make no step faster. On one core 4,096 tokens of two layers of 124M's width took 6.8, 6.6 and
# 7.1 s by 512, 1,024 and 2,048; a large GPU is filled by some 10,000.
MOST_TOKENS = {"cpu": 2_048, "cuda": 65_536, "mps": 8_192}
SHARE = 0.8
"""Of the free memory: the rest is for what others take meanwhile, and for fragments."""

_CGROUP = Path("/sys/fs/cgroup")


def window_bytes(config: GPTConfig, *, half: bool = False, recompute: bool = False) -> int:
    """What one window takes between its forward and its backward pass."""
    kept = WIDTHS_PER_LAYER_HALF if half else WIDTHS_PER_LAYER
    widths = WIDTHS_PER_LAYER_RECOMPUTED * config.layers + kept if recompute else kept * config.layers
    return 4 * config.context * config.width * (widths + 8)


def training_bytes(
    config: GPTConfig,
    device: torch.device,
    micro_batch: int,
    *,
    parts: int = 1,
    half: bool = False,
    recompute: bool = False,
) -> int:
    """What a step takes at its peak, on one rank.

    Args:
        parts: among how many ranks weights, gradient and moments are divided (FSDP).
    """
    states = BYTES_PER_PARAMETER * config.parameters // parts
    if parts > 1:
        # Whole for a moment: the embeddings and one block beside the next.
        block = 12 * config.width**2 + 13 * config.width
        states += 4 * ((config.vocab_size + config.context) * config.width + 2 * block)
    if half:
        states += 2 * config.parameters // (1 if parts == 1 else config.layers)  # the weights once more, as cast
    window = window_bytes(config, half=half, recompute=recompute)
    return states + HEAD_BYTES[device.type] + micro_batch * window


def fitting_micro_batch(
    config: GPTConfig,
    windows: int,
    device: torch.device,
    *,
    free: int | None = None,
    parts: int = 1,
    half: bool = False,
    recompute: bool = False,
) -> int:
    """Windows to take at once: a power of two, at least 1, at most `windows`, as `free` bytes allow.

    Args:
        free: what is free on the device before the model is there; by default that of this machine.
    """
    fixed = training_bytes(config, device, 0, parts=parts, half=half, recompute=recompute)
    room = SHARE * (free_bytes(device) if free is None else free) - fixed
    window = window_bytes(config, half=half, recompute=recompute)
    most = min(windows, MOST_TOKENS[device.type] // config.context, int(room // window))
    return 1 << max(0, most.bit_length() - 1) if most > 0 else 1


def check_fit(
    config: GPTConfig,
    device: torch.device,
    *,
    whole: int | None = None,
    parts: int = 1,
    half: bool = False,
    recompute: bool = False,
) -> None:
    """Refuse a model that this machine could not train with one window at once, before Linux ends the process.

    Args:
        whole: the device's memory; by default that of this machine.
        parts, half, recompute: see `training_bytes`.

    Raises:
        WebtextError: with what is needed, and what is there.
    """
    whole = whole_bytes(device) if whole is None else whole
    needed = training_bytes(config, device, 1, parts=parts, half=half, recompute=recompute)
    if device.type == "cpu":
        needed = max(needed, SAVING_BYTES_PER_PARAMETER * config.parameters // parts)
    if needed > whole:
        raise WebtextError(
            f"out of memory before it begins: {config.parameters:,} parameters take {needed / 1e9:.1f} GB with one "
            f"window at once, {device.type} has {whole / 1e9:.1f} GB",
            hint="a smaller --preset, or a machine with more memory"
            + ("" if recompute else "; --recompute on keeps less of each window")
            + ("" if parts > 1 or device.type != "cuda" else "; several GPUs with --parallel fsdp share it"),
        )


def free_bytes(device: torch.device) -> int:
    """What a process may still take on the device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is not None:
        free = min(free, limit - (used or 0))
    return max(0, min([free, *(limit - used for limit, used in _own_limits())]))


def whole_bytes(device: torch.device) -> int:
    """What the device has in all: for the CPU with swap, and no more than a container's limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    whole = int(psutil.virtual_memory().total + psutil.swap_memory().total)
    limit = _cgroup("memory.max")
    return min([whole, *([] if limit is None else [limit]), *(limit for limit, _ in _own_limits())])


def check_disk(folder: Path, config: GPTConfig) -> None:
    """Refuse to begin where not even one checkpoint has room.

    Raises:
        WebtextError: with what is needed, and what is there.
    """
    with os_errors(folder):
        free = psutil.disk_usage(str(folder)).free
    needed = CHECKPOINT_BYTES_PER_PARAMETER * config.parameters
    if free < needed:
        raise WebtextError(
            f"no space left on the device for a checkpoint: it takes {needed / 1e9:.2f} GB, there are {free / 1e9:.2f}",
            where=folder,
            hint="make room; the same command then goes on where it was",
        )


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no memory left: PyTorch has a type of its own for GPUs only."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


@contextmanager
def fullness_told(folder: Path, windows: Callable[[], int]) -> Iterator[None]:
    """While inside, an error for want of memory is one that says what helps; `windows` were taken at once."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        many = windows()
        raise WebtextError(
            f"out of memory with {many} window{'s' if many > 1 else ''} at once",
            where=folder,
            hint="a smaller --micro-batch needs less (the batch, and so the model that comes out, stays the same)"
            if many > 1
            else "--recompute on, a smaller --preset, or a machine with more memory; the last checkpoint stands",
        ) from error


def _own_limits() -> list[tuple[int, int]]:
    """The limits that were set for this process (ulimit -v, ulimit -d; batch systems set them), and what it has."""
    if sys.platform != "linux":  # elsewhere they are not enforced, or what counts is not told
        return []
    import resource

    has = psutil.Process().memory_info()
    limits = [
        (resource.getrlimit(resource.RLIMIT_AS)[0], has.vms),
        (resource.getrlimit(resource.RLIMIT_DATA)[0], has.data),
    ]
    return [(limit, int(used)) for limit, used in limits if limit != resource.RLIM_INFINITY]


def _cgroup(name: str) -> int | None:
    """A number of this process's control group (version 2), as containers have them; None where there is none."""
    try:
        found = (_CGROUP / name).read_text().strip()
    except OSError:
        return None
    return int(found) if found.isdecimal() else None
