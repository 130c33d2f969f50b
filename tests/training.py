"""Short training runs on made-up corpora, and what tests look at in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webtext.corpus.files import file_sha256
from webtext.corpus.interrupts import Stop
from webtext.train.log import TIMES, read_log
from webtext.train.trainer import TrainReport, train

# 4 windows of 128 tokens a step: 30 ms. Without a trial, which each of them would have to wait for.
QUICK: dict[str, Any] = {
    "preset": "tiny", "batch_tokens": 512, "save_every": 2, "eval_windows": 4, "samples": 0, "device": "cpu",
    "trial": False,
}  # fmt: skip

MakeCorpus = Callable[..., Path]
Whole = tuple[Path, TrainReport]


def quick(corpus: Path, **options: Any) -> TrainReport:
    return train(corpus, **{**QUICK, **options})


def lines(corpus: Path, run: str = "default") -> list[dict[str, Any]]:
    """The log without its times."""
    found = read_log(corpus / "runs" / run / "log.jsonl")
    return [{name: value for name, value in line.items() if name not in TIMES} for line in found]


def losses(corpus: Path, run: str = "default") -> list[float]:
    return [line["loss"] for line in lines(corpus, run) if "loss" in line]


def weights_hash(report: TrainReport) -> str:
    return file_sha256(Path(report.checkpoint) / "model.safetensors")


class StopAt(Stop):
    """Asks to stop once the log has `count` lines of steps."""

    def __init__(self, log: Path, count: int) -> None:
        self._log, self._count = log, count
        super().__init__(raising=False)

    @property
    def requested(self) -> bool:
        return sum("loss" in line for line in read_log(self._log)) >= self._count

    @requested.setter
    def requested(self, value: bool) -> None:
        pass


def killed(corpus: Path, fault: str, **options: Any) -> int:
    """Train in a forked process that the fault kills; give the signal that ended it (0: none did)."""
    child = os.fork()
    if child == 0:
        try:
            os.environ["WEBTEXT_FAULT"] = fault
            quick(corpus, **options)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def same_as(whole: Whole, cut: Path, report: TrainReport) -> bool:
    """Whether log and weights are those of the uninterrupted run, and nothing unfinished is left."""
    assert lines(cut) == lines(whole[0])
    assert [path for path in cut.rglob("*") if ".tmp-" in path.name] == []
    return weights_hash(report) == weights_hash(whole[1])
