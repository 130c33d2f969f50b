"""Losses and gradients far out of the ordinary: such a step is skipped, before it can spoil the weights.

As llm.c does (`-sl`, `-sg`), by the z-score over the steps before. The log holds all that is needed, so a run that
goes on judges as if it had never stopped.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from statistics import fmean, pstdev
from typing import Any

WINDOW = 128  # steps; llm.c's outlier detector has as many
LEAST = 32  # with fewer, a standard deviation says little
FLOOR = 0.002  # of the mean: where all losses are alike, rounding would be a spike
SPIKE_Z = 6.0
"""Standard deviations above the mean, from which on a step is skipped."""


class SpikeGuard:
    """Judges steps by those before. Both loss and the logarithm of the gradient's norm are looked at.

    A spike counts among the steps before, too, but as no more than the limit: it does not hide the next one, and a loss
    that stays high is, after a few steps, no spike any more.

    Args:
        limit: the z-score from which on a step is a spike; 0 for never.
    """

    def __init__(self, limit: float = SPIKE_Z) -> None:
        self.limit = limit
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._norms: deque[float] = deque(maxlen=WINDOW)

    @classmethod
    def after(cls, lines: Iterable[Mapping[str, Any]], limit: float = SPIKE_Z) -> SpikeGuard:
        """The guard as it stands after the steps of these lines of a log."""
        guard = cls(limit)
        for line in lines:
            if "loss" in line and line["loss"] is not None and line["grad_norm"] is not None:
                guard.add(line["loss"], line["grad_norm"])
        return guard

    def why(self, loss: float, norm: float) -> str | None:
        """What is wrong with a step, None where nothing is. Changes nothing."""
        if not math.isfinite(loss):
            return "the loss is no number"
        if not math.isfinite(norm):
            return "the gradient is no number"
        if self.limit:
            for what, value, before in (("loss", loss, self._losses), ("gradient", _log(norm), self._norms)):
                if (score := z_score(value, before)) > self.limit:
                    return (
                        f"a spike of the {what}, {score:.1f} standard deviations above the {len(before)} steps before"
                    )
        return None

    def add(self, loss: float, norm: float) -> None:
        """Remember a step, skipped or not; one without numbers is not remembered."""
        if math.isfinite(loss) and math.isfinite(norm):
            for value, before in ((loss, self._losses), (_log(norm), self._norms)):
                before.append(_clipped(value, before, self.limit))


def z_score(value: float, before: deque[float]) -> float:
    """How many standard deviations `value` lies above the mean of `before`; 0 where those are too few to tell."""
    if len(before) < LEAST:
        return 0.0
    mean, deviation = _spread(before)
    return (value - mean) / deviation


def _spread(before: deque[float]) -> tuple[float, float]:
    mean = fmean(before)
    return mean, max(pstdev(before, mean), FLOOR * abs(mean), 1e-12)


def _clipped(value: float, before: deque[float], limit: float) -> float:
    if not limit or len(before) < LEAST:
        return value
    mean, deviation = _spread(before)
    return min(value, mean + limit * deviation)


def _log(norm: float) -> float:
    return math.log(max(norm, 1e-30))
