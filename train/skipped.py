"""What a skipped step read, written down: the documents of its batch and their URLs, in runs/NAME/skipped/."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

from webtext.corpus.files import write_json
from webtext.train.loader import Windows
from webtext.train.runs import SKIPPED
from webtext.train.step import Step
from webtext.train.tracing import read_at


def write_skipped(
    run: Path, step: int, taken: Step, windows: Windows, *, position: int, count: int, seed: int, files: list[str]
) -> Path:
    """Write down what step `step` read, the `count` windows from `position` on; give the file.

    Args:
        files: the names of the shards.
    """
    traced, documents = read_at(windows, position, count, seed=seed, files=files)
    path = run / SKIPPED / f"step-{step:06d}.json"
    write_json(
        path,
        {
            "step": step,
            "position": position,
            "why": taken.skipped,
            "loss": taken.loss if math.isfinite(taken.loss) else None,
            "grad_norm": taken.grad_norm if math.isfinite(taken.grad_norm) else None,
            "windows": [asdict(window) for window in traced],
            "documents": [
                {"key": document.key, "url": document.url, "tokens": document.tokens, "windows": document.windows}
                for document in documents
            ],
        },
    )
    return path
