"""Scaling of the loss for float16, whose smallest numbers would turn small gradients into nothing.

Micikevicius et al. 2018, section 3.2. PyTorch's `GradScaler` leaves out the step whose gradient overflowed; here the
step is taken again with half the scale, so that no batch is lost and all ranks, which share the norm, agree.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 2.0**16  # as PyTorch's GradScaler begins
GROWTH_STEPS = 2_000  # and so many good steps before it doubles
LEAST = 2.0**-10  # an overflow with a scale as small as this is no fault of the scale
MOST = 2.0**24


@dataclass
class LossScale:
    """The factor of the loss, a power of two: it shifts exponents and rounds nothing."""

    value: float = FIRST
    good: int = 0
    """Steps in a row without an overflow."""

    def overflowed(self) -> bool:
        """Halve it; whether it is worth while to take the step again."""
        self.value, self.good = self.value / 2, 0
        return self.value >= LEAST

    def fitted(self) -> None:
        """A step went well."""
        self.good += 1
        if self.good == GROWTH_STEPS and self.value < MOST:
            self.value, self.good = self.value * 2, 0
