"""Golden losses: what a training must come to, step by step, on any CPU. Numbers in files beside this one.

Rounding differs from CPU to CPU. `TOLERANCE` is a hundred times the largest difference seen over 40 steps (1.0e-6 nats)
between one thread and two, windows taken one and eight at once, and PyTorch's, MKL's and oneDNN's code for AVX-512,
AVX2 and SSE. A mistake (another order, learning rate, initialisation, mask) shows by far more.

Where what a model reads was changed on purpose, `WEBTEXT_RENEW_GOLDEN=1 python -m pytest -k golden` writes the files
anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from webtext.tokenize.shard_index import open_shards
from webtext.train.log import read_log
from webtext.train.trainer import train

FOLDER = Path(__file__).parent / "golden"
TOLERANCE = 1e-4
STEPS = 25


def tokens_sha256(shards: Path) -> str:
    """Of the training stream: what the losses depend on, besides the settings."""
    digest = hashlib.sha256()
    for shard in open_shards(shards, "train"):
        digest.update(np.ascontiguousarray(shard.tokens).tobytes())
    return digest.hexdigest()


def losses_on(corpus: Path, *, run: str = "golden", steps: int = STEPS, **options: Any) -> list[float]:
    """The losses of the tiny preset's first steps with seed 1, as its recipe says for 200."""
    settings = {
        "preset": "tiny", "seed": 1, "decay_steps": 200, "device": "cpu", "samples": 0, "save_every": steps,
        "trial": False,
    }  # fmt: skip
    train(corpus, run=run, steps=steps, **{**settings, **options})  # type: ignore[arg-type]
    return [line["loss"] for line in read_log(corpus / "runs" / run / "log.jsonl") if "loss" in line]


def golden(name: str) -> dict[str, Any]:
    """A file of golden losses."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def renew(name: str, shards: Path, losses: list[float]) -> None:
    """Write a file anew."""
    value = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "tokens_sha256": tokens_sha256(shards),
        "losses": [round(loss, 5) for loss in losses],
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def renewing() -> bool:
    """Whether the files are to be written anew."""
    return os.environ.get("WEBTEXT_RENEW_GOLDEN") == "1"


def largest_difference(ours: list[float], theirs: list[float]) -> float:
    """Of two lists of losses of the same steps, in nats."""
    assert len(ours) == len(theirs)
    return max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
