"""What a run is trained on and how: ranks, precision, compiling, recomputation.

Chosen before it begins; changes rounding and speed only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from webtext.corpus.errors import UsageError
from webtext.train.compiling import wants_compiling
from webtext.train.device import Numerics, precision
from webtext.train.memory import check_fit, fitting_micro_batch, free_bytes, training_bytes, whole_bytes
from webtext.train.model import GPTConfig
from webtext.train.parallel import choose_way
from webtext.train.ranks import Ranks, ranks_here

RECOMPUTE = ("auto", "on", "off")


@dataclass(frozen=True)
class Means:
    """What was asked for; `auto` and None leave it to `choose_machine`."""

    micro_batch: int | None = None
    """Windows in memory at once."""
    precision: str = "auto"
    compile: str = "auto"
    recompute: str = "auto"
    parallel: str = "auto"
    trial: bool = True
    """Measure a micro-batch before the first step."""


@dataclass(frozen=True)
class Machine:
    """What was chosen. Whether compiling works shows later."""

    ranks: Ranks
    way: str
    """one, ddp or fsdp."""
    numerics: Numerics
    micro_batch: int
    """Asked for, or as many as an estimate says fit."""

    @property
    def parts(self) -> int:
        """Among how many ranks weights, gradient and moments are divided."""
        return self.ranks.ranks if self.way == "fsdp" else 1

    def bytes_for(self, config: GPTConfig, micro_batch: int) -> int:
        """What a step takes at its peak, estimated."""
        numerics = self.numerics
        return training_bytes(
            config, numerics.device, micro_batch, parts=self.parts, half=numerics.half, recompute=numerics.recompute
        )

    def settled(self, *, compiled: bool, micro_batch: int) -> Machine:
        """The same after a trial."""
        return replace(self, numerics=replace(self.numerics, compiled=compiled), micro_batch=micro_batch)


def choose_machine(means: Means, config: GPTConfig, windows: int, ranks: Ranks) -> Machine:
    """Choose for a model and a batch of `windows` windows.

    Raises:
        UsageError: something that this device or this number of ranks does not have.
        WebtextError: the model cannot fit.
    """
    if means.recompute not in RECOMPUTE:
        raise UsageError(f"recompute is {means.recompute}; it takes {', '.join(RECOMPUTE)}")
    if windows < ranks.ranks:
        raise UsageError(
            f"a batch of {windows:,} windows cannot be divided among {ranks.ranks:,} ranks",
            hint="a larger --batch-tokens",
        )
    device = ranks.device
    numerics = Numerics(
        device,
        precision(device, means.precision),
        compiled=wants_compiling(means.compile, device),
        recompute=means.recompute == "on",
    )
    machine = Machine(ranks, choose_way(means.parallel, config, ranks), numerics, 1)
    if means.recompute == "auto" and machine.bytes_for(config, 1) > whole_bytes(device):
        machine = replace(machine, numerics=replace(numerics, recompute=True))
    options = {"parts": machine.parts, "half": machine.numerics.half, "recompute": machine.numerics.recompute}
    check_fit(config, device, **options)  # type: ignore[arg-type]
    own = -(-windows // ranks.ranks)
    # Ranks on one machine's processor share its memory and see it all free.
    free = free_bytes(device) // (ranks_here() if device.type == "cpu" else 1)
    fits = fitting_micro_batch(config, own, device, free=free, **options)  # type: ignore[arg-type]
    return replace(machine, micro_batch=ranks.least(means.micro_batch or fits))
