"""The process in which `trial` finds out whether a micro-batch fits into the memory of a CPU.

It may take no more than it is told: what would make Linux end processes is an error here, and the trainer lives. Run as
`python -m webtext.train.trial_process JSON`; it ends with 0 where it fits, with 1 where it does not.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import torch

from webtext.corpus.processes import end_with_parent
from webtext.train.device import Numerics
from webtext.train.loss import model_loss
from webtext.train.model import GPTConfig, build

FIRST_TO_GO = "1000"  # proc(5), oom_score_adj: where memory is short in spite of the limit, this process is ended


def try_it(asked: dict[str, Any]) -> None:
    """Train one micro-batch of tokens that mean nothing, beside room for the optimizer's moments.

    Raises:
        RuntimeError, MemoryError: it does not fit.
    """
    config = GPTConfig(**asked["config"])
    torch.set_num_threads(asked["threads"])
    model = build(config, seed=0)
    model.recompute = asked["recompute"]
    moments = torch.empty(8 * config.parameters, dtype=torch.uint8)
    tokens = torch.zeros(asked["windows"], config.context, dtype=torch.int64)
    with Numerics(torch.device("cpu"), asked["precision"]).autocast():
        model_loss(model, tokens, tokens).backward()  # type: ignore[no-untyped-call]
    del moments


def main() -> None:
    """Read what is asked, limit this process, try."""
    asked = json.loads(sys.argv[1])
    end_with_parent(asked["parent"])
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text(FIRST_TO_GO)
    # Private memory that can be written to, whether it has been or not (setrlimit(2)); macOS does not count it.
    resource.setrlimit(resource.RLIMIT_DATA, (asked["limit"], asked["limit"]))
    try:
        try_it(asked)
    except (RuntimeError, MemoryError):
        sys.exit(1)


if __name__ == "__main__":
    main()
