"""`train`: what is asked for, against what the run was begun with; then the loop, samples and a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import Stop
from webtext.train.allocator import kept_memory
from webtext.train.beginning import Beginning, begin
from webtext.train.checkpoints import sweep_run
from webtext.train.hooks import AfterSteps
from webtext.train.loop import Loop, Pace
from webtext.train.machine import Means, choose_machine
from webtext.train.memory import check_disk, free_bytes, fullness_told
from webtext.train.model import preset_name
from webtext.train.plan import Plan, announce, plan_of
from webtext.train.ranks import Ranks, join_ranks
from webtext.train.recipe import batch_windows
from webtext.train.runs import RunSettings, clear_run, run_folder, write_run
from webtext.train.samples import samples_file, samples_hook
from webtext.train.shards_folder import find_data
from webtext.train.spikes import SPIKE_Z
from webtext.train.standing import Standing
from webtext.train.validation import validation_hook

EVAL_WINDOWS = 128
"""Validation windows, at most: 131,072 tokens at the paper's context, the same each time."""
SAMPLES = 3
KEEP = 2
"""Checkpoints kept, besides the best: one to go on from, one in case that is damaged."""


@dataclass(frozen=True)
class TrainReport:
    """What a call of `train` did."""

    run: str
    folder: str
    preset: str
    parameters: int
    begun: int
    """The step it went on from."""
    step: int
    """The step it ended at."""
    tokens: int
    """Predicted by the run so far."""
    loss: float | None
    """Of the last step, nats a token."""
    val_loss: float | None
    checkpoint: str
    samples: str | None
    """The file of samples."""
    shards: str
    fingerprint: str
    seconds: float
    plan: Plan
    """What was said before it began."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def train(
    corpus: Path,
    *,
    run: str = "default",
    preset: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    learning_rate: float | None = None,
    batch_tokens: int | None = None,
    decay_steps: int | None = None,
    overfit_one_batch: bool | None = None,
    within_documents: bool | None = None,
    init: Path | None = None,
    micro_batch: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    compile: str = "auto",  # noqa: A002 - as PyTorch calls it
    recompute: str = "auto",
    parallel: str = "auto",
    trial: bool = True,
    dry_run: bool = False,
    save_every: int | None = None,
    eval_every: int | None = None,
    eval_windows: int = EVAL_WINDOWS,
    keep: int = KEEP,
    samples: int = SAMPLES,
    sample_every: int | None = None,
    spike_z: float = SPIKE_Z,
    print_every: int | None = None,
    tensorboard: bool = False,
    restart: bool = False,
    hooks: Sequence[AfterSteps] = (),
    stop: Stop | None = None,
    default_preset: str = "124M",
    default_seed: int = 1,
) -> TrainReport:
    """Train a GPT-2 on the shards of `corpus`, into runs/`run`/; go on where the run stands. For the run's one writer.

    Under `torchrun` each process calls it, and they train together: rank 0 is the writer. None means: as the run was
    begun, or for a new run the default or the preset's recipe.

    Args:
        preset, seed, learning_rate, batch_tokens, decay_steps, overfit_one_batch, within_documents: decide the weights;
            a run that has begun refuses others. `batch_tokens` counts tokens a step; `decay_steps` (by default `steps`)
            is where the learning rate has come down to a tenth; `within_documents` keeps attention within documents.
        steps: train until this step of the run. More than before: it goes on.
        init: start from the weights of this folder, Hugging Face's or OpenAI's of a GPT-2; it decides the model's
            shape, the preset then only the recipe.
        micro_batch: windows in memory at once, by default as many as fit; changes nothing but rounding.
        device: auto, cpu, cuda or mps.
        precision: auto, bf16, fp16, tf32 or fp32 (`device.precision`).
        compile, recompute: auto, on or off: torch.compile; activations computed again on the way back.
        parallel: auto, ddp or fsdp, for several ranks (`parallel`).
        trial: try a micro-batch before the first step, for its memory and its time.
        dry_run: say what it would take, and train nothing; nothing is written.
        save_every, eval_every, sample_every: steps between checkpoints, validations (by default as often) and samples
            (by default as often as validations).
        eval_windows: the most validation windows.
        keep: checkpoints kept, besides that of the lowest validation loss.
        samples: texts written each time.
        spike_z: standard deviations of loss or gradient, from which on a step is skipped; 0 for never.
        print_every: steps between two lines on the screen; by default each, but at most one a second.
        tensorboard: write runs/`run`/tensorboard/, too.
        restart: forget the run and begin it again.
        hooks: called after every so many steps; see `hooks.AfterSteps`.
        stop: polled; when it is requested, a checkpoint is saved and `Interrupted` raised. While nothing is trained
            yet, it raises by itself.

    Raises:
        UsageError: a number out of range, an unknown preset or device.
        ChangedSettings: the run was begun with another setting; it is named.
        WebtextError, DamagedFile: no shards, other shards, too little text, no whole checkpoint, no space, no memory.
    """
    started = time.monotonic()
    _check(
        steps=steps, batch_tokens=batch_tokens, decay_steps=decay_steps, micro_batch=micro_batch,
        save_every=save_every, eval_every=eval_every, eval_windows=eval_windows, keep=keep,
        sample_every=sample_every, print_every=print_every,
    )  # fmt: skip
    if samples < 0:
        raise UsageError(f"samples is {samples}; it takes a whole number from 0")
    if not spike_z >= 0:
        raise UsageError(f"spike_z is {spike_z}; it takes a number from 0")
    if learning_rate is not None and not 0 < learning_rate < 1:
        raise UsageError(f"learning_rate is {learning_rate}; it takes a number between 0 and 1")
    if seed is not None and not 0 <= seed < 1 << 63:
        raise UsageError(f"seed is {seed}; it takes a number from 0 to 2^63 - 1")
    folder = run_folder(corpus, run)
    means = Means(micro_batch, precision, compile, recompute, parallel, trial)
    asked = {
        "preset": None if preset is None else preset_name(preset),
        "seed": seed,
        "learning_rate": learning_rate,
        "batch_tokens": batch_tokens,
        "decay_steps": decay_steps,
        "overfit_one_batch": overfit_one_batch,
        "within_documents": within_documents,
    }
    stop = stop or Stop(raising=False)
    with join_ranks(device) as ranks, kept_memory(ranks.device.type):
        with _raising(stop):  # every byte of the shards is read: that may take long, and there is nothing to save
            begun = _begin(
                corpus, folder, asked, ranks, init=init, steps=steps, default_preset=default_preset,
                default_seed=default_seed, restart=restart,
            )  # fmt: skip
            settings, data = begun.settings, begun.data
            recipe = settings.whole_recipe()
            last = steps or settings.decay_steps
            windows = batch_windows(settings.batch_tokens, data.train.context)
            machine = choose_machine(means, settings.config(), windows, ranks)
            if not dry_run:
                ranks.told(lambda: _make_room(folder, settings, new=begun.new, restart=restart))
            free = free_bytes(ranks.device)
            with fullness_told(folder, lambda: machine.micro_batch):
                standing = Standing(folder, settings, data, means, machine, steps=last)
            plan = plan_of(standing, steps=last, free=free)
            announce(run, standing, plan, steps=last)
        every = eval_every or save_every or recipe.save_every
        stopped = lambda: stop.requested  # noqa: E731
        mine = [
            validation_hook(
                data.val, every=every, limit=eval_windows, micro_batch=lambda: standing.machine.micro_batch,
                numerics=standing.machine.numerics, ranks=ranks,
                endoftext=settings.endoftext if settings.within_documents else None, stopped=stopped,
            )
        ]  # fmt: skip
        if samples:
            mine.append(
                samples_hook(
                    folder, standing.tokenizer, every=sample_every or every, count=samples, seed=settings.seed,
                    ranks=ranks, stopped=stopped,
                )
            )  # fmt: skip
        pace = Pace(
            steps=last,
            save_every=save_every or recipe.save_every,
            keep=keep,
            spike_z=spike_z,
            print_every=print_every,
            tensorboard=tensorboard,
            peak=plan.peak_flops,
        )
        loop = Loop(standing, pace, [*mine, *hooks], stop)
        if not dry_run:
            if not loop.finished:
                ranks.told(lambda: check_disk(folder, settings.config()))
            loop.run()
        texts = samples_file(folder, standing.state.step)
        return TrainReport(
            run=run,
            folder=str(folder),
            preset=settings.preset,
            parameters=settings.config().parameters,
            begun=standing.begun,
            step=standing.state.step,
            tokens=standing.state.tokens,
            loss=standing.state.loss,
            val_loss=loop.val_loss,
            checkpoint=str(loop.checkpoint),
            samples=str(texts) if samples and texts.exists() else None,
            shards=settings.shards,
            fingerprint=settings.fingerprint,
            seconds=round(time.monotonic() - started, 2),
            plan=plan,
        )


def _begin(corpus: Path, folder: Path, asked: dict[str, Any], ranks: Ranks, **options: Any) -> Beginning:
    """`beginning.begin`, by rank 0, which reads and verifies; the others open what it found."""
    found: list[Beginning] = []

    def first() -> tuple[RunSettings, bool]:
        found.append(begin(corpus, folder, asked, **options))
        return found[0].settings, found[0].new

    settings, new = ranks.told(first)
    if found:
        return found[0]
    data = find_data(corpus, settings.config().context, settings.shards, settings.fingerprint, verify=False)
    return Beginning(settings, data, new)


def _make_room(folder: Path, settings: RunSettings, *, new: bool, restart: bool) -> None:
    """The run's folder, with run.json and without what a killed process left unfinished."""
    if restart:
        clear_run(folder)
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_run(folder)
    if new:
        write_run(folder, settings)


@contextmanager
def _raising(stop: Stop) -> Iterator[None]:
    """While inside, a signal to stop raises at once."""
    before, stop.raising = stop.raising, True
    try:
        if stop.requested:
            raise stop.error()
        yield
    finally:
        stop.raising = before


def _check(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}; it takes a whole number from 1")
