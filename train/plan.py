"""What a run will take, said before it begins: parameters, memory, tokens, hours, and whether it fits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from webtext.corpus.progress import say
from webtext.train.flops import peak_of
from webtext.train.standing import Standing
from webtext.train.watch import clock


@dataclass(frozen=True)
class Plan:
    """Numbers of a run that is about to go on. Estimated where nothing was tried."""

    preset: str
    parameters: int
    device: str
    precision: str
    ranks: int
    way: str
    """one, ddp or fsdp."""
    compiled: bool
    recompute: bool
    steps: int
    """Still to be taken."""
    batch_tokens: int
    micro_batch: int
    tokens: int
    """Still to be read."""
    epochs: float
    """Of the whole run, from its first step."""
    memory_bytes: int
    """Estimated peak of one rank."""
    free_bytes: int
    """What was free for this rank before it made the model."""
    tokens_per_second: float | None
    """Of all ranks, from the short run; without the optimizer."""
    hours: float | None
    mfu: float | None
    peak_flops: float | None
    """Of all ranks."""
    peak_listed: bool
    """Whether the peak is from a data sheet; otherwise it is what a large product of matrices reached here."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def plan_of(standing: Standing, *, steps: int, free: int) -> Plan:
    """Reckon what is left until step `steps` of the run; `free` bytes were there before the model was made."""
    machine, settings, measured = standing.machine, standing.settings, standing.measured
    numerics, ranks, config = machine.numerics, standing.ranks, settings.config()
    micro_batch = min(machine.micro_batch, standing.windows)
    tokens = max(0, steps - standing.state.step) * settings.batch_tokens
    speed = hours = mfu = peak = None
    listed = False
    if measured is not None:
        # Each rank measured its own; the slowest decides.
        slowest = -ranks.least(-int(measured.seconds * 1e9 / measured.windows)) / 1e9
        speed = ranks.ranks * config.context / max(slowest, 1e-9)
        hours = tokens / speed / 3600
        here, listed = peak_of(numerics.device, numerics.precision)
        peak = ranks.total(here)[0]
        mfu = speed * standing.flops_per_token / peak
    return Plan(
        preset=settings.preset,
        parameters=config.parameters,
        device=numerics.device.type,
        precision=numerics.precision,
        ranks=ranks.ranks,
        way=machine.way,
        compiled=numerics.compiled,
        recompute=numerics.recompute,
        steps=max(0, steps - standing.state.step),
        batch_tokens=settings.batch_tokens,
        micro_batch=micro_batch,
        tokens=tokens,
        epochs=round(steps * standing.windows / len(standing.data.train), 4),
        memory_bytes=machine.bytes_for(config, micro_batch),
        free_bytes=free,
        tokens_per_second=None if speed is None else round(speed, 1),
        hours=None if hours is None else round(hours, 4),
        mfu=None if mfu is None else round(mfu, 4),
        peak_flops=peak,
        peak_listed=listed,
    )


def announce(run: str, standing: Standing, plan: Plan, *, steps: int) -> None:
    """Say it, before it takes hours."""
    settings, data, begun = standing.settings, standing.data, standing.begun
    if begun >= steps:
        say(f"run {run} stands at step {begun:,} already: nothing to train (more --steps go on)")
        return
    threads = torch.get_num_threads()
    with_what = {
        "cpu": f" with {threads} thread{'s' if threads > 1 else ''}",
        "cuda": f", {torch.cuda.get_device_name()}" if plan.device == "cuda" else "",
    }.get(plan.device, "")
    extras = [
        *([f"{plan.ranks} ranks ({plan.way})"] if plan.ranks > 1 else []),
        *(["compiled"] if plan.compiled else []),
        *(["activations recomputed"] if plan.recompute else []),
    ]
    say(
        f"run {run}: {plan.preset}, {plan.parameters:,} parameters, vocabulary {settings.config().vocab_size:,}, "
        f"on {plan.device} in {plan.precision}{with_what}{''.join(', ' + extra for extra in extras)}"
    )
    say(
        f"a step is {standing.windows:,} x {data.train.context:,} = {plan.batch_tokens:,} tokens, "
        f"{plan.micro_batch:,} x {data.train.context:,} at once; {steps:,} steps = {plan.epochs:,.2f} epochs of "
        f"{len(data.train):,} windows "
        f"({data.train.tail_tokens:,} tokens of short tails are not read); "
        + (f"{len(data.val):,} validation windows" if len(data.val) else "too little held-out text for a validation")
    )
    say(_memory(standing, plan))
    if plan.tokens_per_second is not None and plan.hours is not None:
        share = f", {plan.mfu:.0%} of {_peak(plan)}" if plan.mfu is not None else ""
        say(
            f"{plan.tokens:,} tokens at {plan.tokens_per_second:,.0f} a second (a micro-batch was tried{share}): about "
            f"{clock(plan.hours * 3600)}"
        )
    if settings.init is not None and not begun:
        say(f"starts from the weights of {settings.init_folder}")
    if begun:
        say(f"goes on from step {begun:,}")
    if steps > settings.decay_steps:
        say(f"the learning rate was planned for {settings.decay_steps:,} steps; from there on it stays at a tenth")


def _memory(standing: Standing, plan: Plan) -> str:
    a_rank = " a rank" if plan.ranks > 1 else ""
    # That it fits into the machine was seen before (`check_fit`); others may hold a part of it now.
    fits = "it fits" if plan.memory_bytes <= plan.free_bytes else "it fits only when others give memory back"
    told = f"{fits}: some {plan.memory_bytes / 1e9:.2f} GB{a_rank} of the {plan.free_bytes / 1e9:.1f} GB that are free"
    if standing.measured is not None:
        told += f" (the trial came to {standing.measured.peak_bytes / 1e9:.2f} GB with all that the process holds)"
    return told


def _peak(plan: Plan) -> str:
    teraflops = (plan.peak_flops or 0) / 1e12
    return f"{teraflops:,.3g} TFLOP/s, " + (
        "the data sheet's" if plan.peak_listed else "what a matrix product reaches here"
    )
