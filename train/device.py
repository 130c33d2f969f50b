"""Where the model runs, in which precision, and what the bits of its sums depend on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from webtext.corpus.errors import UsageError, WebtextError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` takes CUDA, then Apple's, then the CPU.

    Raises:
        UsageError: no such name.
        WebtextError: this machine, or this build of PyTorch, does not have it.
    """
    if name not in DEVICES:
        raise UsageError(f"no such device: {name}", hint=f"known are {', '.join(DEVICES)}")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise WebtextError(
            f"there is no {name} device that PyTorch {torch.__version__} can use",
            hint="--device auto takes what there is",
        )
    return torch.device(name)


def precision(device: torch.device) -> str:
    """bf16 where a CUDA device has it, otherwise float32."""
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """The context in which the model computes: matrix products in bf16 on CUDA, float32 elsewhere."""
    if precision(device) == "bfloat16":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def software(device: torch.device) -> dict[str, Any]:
    """On what the last bits of a loss depend: with all of it equal, a run that goes on is equal to the bit."""
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": precision(device),
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
