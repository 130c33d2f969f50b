"""The numbers of log.jsonl for TensorBoard, in runs/NAME/tensorboard/. Optional: log.jsonl and loss.svg have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors

BOARD = "tensorboard"
_TAGS = {
    "loss": "loss/train", "val_loss": "loss/validation", "grad_norm": "step/gradient_norm", "lr": "step/learning_rate",
    "tokens_per_second": "speed/tokens_per_second", "mfu": "speed/mfu", "memory_bytes": "speed/memory_bytes",
}  # fmt: skip
_NOT_SHOWN = {"step", "position", "seconds", "val_windows"}


class Board:
    """Events of a run that stands at `step`; what an earlier sitting wrote of later steps is no longer shown.

    Raises:
        WebtextError: TensorBoard is not installed.
    """

    def __init__(self, run: Path, *, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise WebtextError(
                "TensorBoard is not installed", hint="pip install 'webtext[watch]', or leave --tensorboard out"
            ) from error
        with os_errors(run / BOARD):
            self._writer = SummaryWriter(str(run / BOARD), purge_step=step + 1)

    def add(self, line: Mapping[str, Any]) -> None:
        """A line of the log; a number that is none is left out."""
        for name, value in line.items():
            if name not in _NOT_SHOWN and isinstance(value, int | float) and value == value:
                tag = _TAGS.get(name, f"{line.get('after', 'step')}/{name}")
                self._writer.add_scalar(tag, value, line["step"])

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
