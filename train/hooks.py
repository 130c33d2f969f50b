"""What is called after every so many steps: validation, samples, and what else a caller brings along.

A hook runs after the step's log line and checkpoint, so a failing one costs nothing that was learnt. Every rank calls
it at the same step, with the whole model, and without gradients; what rank 0's gives is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webtext.corpus.errors import UsageError
from webtext.train.model import GPT2


@dataclass(frozen=True)
class AfterSteps:
    """Call `run(model, step)` after each `every` steps, and after the last one.

    The numbers it gives become one line of log.jsonl (`{"step": …, "after": name, …}`); a run that goes on at that
    step does not call it again. Where it gives none, nothing is logged, and a run that goes on calls it again: what it
    writes must then be the same.

    Raises:
        UsageError: `every` is no number of steps.
    """

    every: int
    run: Callable[[GPT2, int], Mapping[str, float]]
    """Called on all ranks at once. The model is the caller's to read, not to change."""
    name: str = "hook"
    """What the line of the log says; one of a run's hooks has it."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"{self.name}: every {self.every} steps; it takes a whole number from 1")

    def due(self, step: int, last: int) -> bool:
        """Whether it is to be called after `step` of a run that ends with `last`."""
        return step > 0 and (step % self.every == 0 or step == last)
