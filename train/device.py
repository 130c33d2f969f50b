"""Where the model runs, in which precision, and what the bits of its sums depend on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from webtext.corpus.errors import UsageError, WebtextError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS: Mapping[str, str] = MappingProxyType(
    {"bf16": "bfloat16", "fp16": "float16", "tf32": "tf32", "fp32": "float32"}
)
"""What may be asked for, besides auto, and what it is called everywhere else."""

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


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


def precision(device: torch.device, name: str = "auto") -> str:
    """The precision of matrix products: bfloat16, float16, tf32 or float32; weights and sums are float32 in all.

    `auto` is bfloat16 on a CUDA device that has it, float16 (with scaling of the loss) on an older one, and float32
    elsewhere.

    Raises:
        UsageError: no such name, or the device does not have it.
    """
    if name == "auto":
        if device.type != "cuda":
            return "float32"
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if name not in PRECISIONS:
        raise UsageError(f"no such precision: {name}", hint=f"known are auto, {', '.join(PRECISIONS)}")
    if name == "tf32" and device.type != "cuda":
        raise UsageError(f"tf32 is a precision of NVIDIA's GPUs, not of {device.type}", hint="--precision fp32")
    return PRECISIONS[name]


@dataclass(frozen=True)
class Numerics:
    """How a run computes. None of it is a setting of the model: it changes rounding and speed."""

    device: torch.device
    precision: str
    """As `precision` names it."""
    compiled: bool = False
    recompute: bool = False
    """Activations of a block are computed again on the way back, not kept."""

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which the model computes."""
        half = _HALF.get(self.precision)
        return nullcontext() if half is None else torch.autocast(self.device.type, dtype=half)

    def set_up(self) -> None:
        """Let products in float32 use TF32 where that was asked for, and beside a half precision."""
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("highest" if self.precision == "float32" else "high")

    @property
    def half(self) -> bool:
        """Whether activations take half as much."""
        return self.precision in _HALF

    @property
    def scaled(self) -> bool:
        """Whether gradients would vanish without a scaled loss."""
        return self.precision == "float16"

    def software(self) -> dict[str, Any]:
        """On what the last bits of a loss depend: with all of it equal, a run that goes on is equal to the bit."""
        device = self.device
        return {
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "compiled": self.compiled,
        }


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a model computes where nothing else is asked for."""
    return Numerics(device, precision(device)).autocast()
