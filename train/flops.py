"""What a token costs, and what a device could do: model FLOP utilisation (MFU) against the device that is there.

Chowdhery et al. 2022 (PaLM), appendix B: 6 FLOP a weight of the matrices, and 12 layers * width * context for
attention, counted in full. 124M: 0.854 GFLOP a token, 1558M: 10.27.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

import torch

from webtext.train.model import GPTConfig

PEAKS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        # Dense TFLOP/s in half precision, in TF32 and in float32, from NVIDIA's data sheets. The first name that the
        # device's name contains counts: longer ones stand before shorter ones.
        "B200": (2250.0, 1125.0, 75.0),
        "GH200": (989.4, 494.7, 66.9),
        "H200 NVL": (835.5, 417.5, 60.0),
        "H200": (989.4, 494.7, 66.9),
        "H100 NVL": (835.5, 417.5, 60.0),
        "H100 PCIe": (756.5, 378.0, 51.2),
        "H100": (989.4, 494.7, 66.9),
        "A100": (312.0, 156.0, 19.5),
        "A800": (312.0, 156.0, 19.5),
        "A40": (149.7, 74.8, 37.4),
        "A30": (165.0, 82.0, 10.3),
        "A10G": (70.0, 35.0, 31.5),
        "A10": (125.0, 62.5, 31.2),
        "L40S": (362.0, 183.0, 91.6),
        "L40": (181.0, 90.5, 90.5),
        "L4": (121.0, 60.0, 30.3),
        "V100": (125.0, 15.7, 15.7),
        "T4": (65.0, 8.1, 8.1),
        "RTX 6000 Ada": (364.2, 182.1, 91.1),
        "RTX A6000": (154.8, 77.4, 38.7),
        "RTX 4090": (165.2, 82.6, 82.6),
        "RTX 4080": (97.5, 48.7, 48.7),
        "RTX 3090": (71.0, 35.6, 35.6),
        "RTX 3080": (59.5, 29.8, 29.8),
    }
)
_COLUMNS = {"bfloat16": 0, "float16": 0, "tf32": 1, "float32": 2}


def flops_per_token(config: GPTConfig) -> int:
    """Floating-point operations of a token, forward and backward."""
    matrices = 12 * config.layers * config.width**2 + config.vocab_size * config.width
    return 6 * matrices + 12 * config.layers * config.width * config.context


def listed_peak(name: str, precision: str) -> float | None:
    """FLOP/s of the device of that name, as its data sheet says; None for one that is not in the table."""
    found = next((peaks for known, peaks in PEAKS.items() if known in name), None)
    return None if found is None else found[_COLUMNS[precision]] * 1e12


def measured_peak(device: torch.device, precision: str, *, seconds: float = 0.2) -> float:
    """FLOP/s that a product of large matrices reaches here: the peak of a device that no data sheet is known of."""
    size = 4_096 if device.type == "cuda" else 1_024
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision, torch.float32)
    left, right = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    # Of one thread its own seconds: on a busy machine others would count as slowness, and MFU could come to over 100 %.
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.thread_time if alone else time.perf_counter
    best, begun = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - begun < seconds:
        started = clock()
        torch.mm(left, right)
        wait_for(device)
        best = min(best, clock() - started)
    return 2 * size**3 / best


def peak_of(device: torch.device, precision: str) -> tuple[float, bool]:
    """FLOP/s of this device, and whether a data sheet says so."""
    listed = listed_peak(torch.cuda.get_device_name(device), precision) if device.type == "cuda" else None
    return (measured_peak(device, precision), False) if listed is None else (listed, True)


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
