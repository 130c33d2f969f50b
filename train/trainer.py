"""`train`: what is asked for, against what the run was begun with; then the loop, samples and a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import say
from webtext.train.beginning import begin
from webtext.train.checkpoints import sweep_run
from webtext.train.device import choose_device, precision
from webtext.train.hooks import AfterSteps
from webtext.train.loop import Pace, Trainer
from webtext.train.memory import BYTES_PER_PARAMETER, check_disk, check_fit
from webtext.train.model import preset_name
from webtext.train.runs import clear_run, run_folder, write_run
from webtext.train.samples import write_samples

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
    init: Path | None = None,
    micro_batch: int | None = None,
    device: str = "auto",
    save_every: int | None = None,
    eval_every: int | None = None,
    eval_windows: int = EVAL_WINDOWS,
    keep: int = KEEP,
    samples: int = SAMPLES,
    restart: bool = False,
    hooks: Sequence[AfterSteps] = (),
    stop: Stop | None = None,
    default_preset: str = "124M",
    default_seed: int = 1,
) -> TrainReport:
    """Train a GPT-2 on the shards of `corpus`, into runs/`run`/; go on where the run stands. For the run's one writer.

    None means: as the run was begun, or for a new run the default or the preset's recipe.

    Args:
        preset, seed, learning_rate, batch_tokens, decay_steps, overfit_one_batch: decide the weights; a run that has
            begun refuses others. `batch_tokens` counts tokens a step; `decay_steps` (by default `steps`) is where the
            learning rate has come down to a tenth.
        steps: train until this step of the run. More than before: it goes on.
        init: start from the weights of this folder, Hugging Face's or OpenAI's of a GPT-2; it decides the model's
            shape, the preset then only the recipe.
        micro_batch: windows in memory at once, by default as many as fit; changes nothing but rounding.
        device: auto, cpu, cuda or mps.
        save_every, eval_every: steps between checkpoints, and between validations (by default as often).
        eval_windows: the most validation windows.
        keep: checkpoints kept, besides that of the lowest validation loss.
        samples: texts written when the last step is done.
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
    )  # fmt: skip
    if samples < 0:
        raise UsageError(f"samples is {samples}; it takes a whole number from 0")
    if learning_rate is not None and not 0 < learning_rate < 1:
        raise UsageError(f"learning_rate is {learning_rate}; it takes a number between 0 and 1")
    if seed is not None and not 0 <= seed < 1 << 63:
        raise UsageError(f"seed is {seed}; it takes a number from 0 to 2^63 - 1")
    where = choose_device(device)
    folder = run_folder(corpus, run)
    asked = {
        "preset": None if preset is None else preset_name(preset),
        "seed": seed,
        "learning_rate": learning_rate,
        "batch_tokens": batch_tokens,
        "decay_steps": decay_steps,
        "overfit_one_batch": overfit_one_batch,
    }
    stop = stop or Stop(raising=False)
    with _raising(stop):  # every byte of the shards is read: that may take long, and there is nothing to save
        begun = begin(
            corpus, folder, asked, init=init, steps=steps, default_preset=default_preset, default_seed=default_seed,
            restart=restart,
        )  # fmt: skip
    settings, data = begun.settings, begun.data
    check_fit(settings.config(), where)
    recipe = settings.whole_recipe()
    pace = Pace(
        steps=steps or settings.decay_steps,
        micro_batch=micro_batch,
        save_every=save_every or recipe.save_every,
        eval_every=eval_every or save_every or recipe.save_every,
        eval_windows=eval_windows,
        keep=keep,
    )
    if restart:
        clear_run(folder)
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_run(folder)
    if begun.new:
        write_run(folder, settings)
    with _raising(stop):
        trainer = Trainer(folder, settings, data, pace, where, stop, hooks)
    if not trainer.finished:
        check_disk(folder, settings.config())
    _announce(run, trainer)
    val_loss = trainer.run()
    texts = write_samples(trainer, samples) if samples else None
    return TrainReport(
        run=run,
        folder=str(folder),
        preset=settings.preset,
        parameters=settings.config().parameters,
        begun=trainer.begun,
        step=trainer.state.step,
        tokens=trainer.state.tokens,
        loss=trainer.state.loss,
        val_loss=val_loss,
        checkpoint=str(trainer.checkpoint),
        samples=None if texts is None else str(texts),
        shards=settings.shards,
        fingerprint=settings.fingerprint,
        seconds=round(time.monotonic() - started, 2),
    )


def _announce(run: str, trainer: Trainer) -> None:
    """Say what is about to happen, before it takes hours."""
    settings, pace, data, device = trainer.settings, trainer.pace, trainer.data, trainer.device
    if trainer.finished:
        say(f"run {run} stands at step {trainer.state.step:,} already: nothing to train (more --steps go on)")
        return
    parameters = settings.config().parameters
    threads = torch.get_num_threads()
    micro = min(trainer.micro_batch, trainer.windows)
    epochs = pace.steps * trainer.windows / len(data.train)
    say(
        f"run {run}: {settings.preset}, {parameters:,} parameters, vocabulary {settings.config().vocab_size:,}, "
        f"on {device.type} in {precision(device)}"
        + (f" with {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else "")
        + f"; weights, gradient and moments take {BYTES_PER_PARAMETER * parameters / 1e9:.2f} GB"
    )
    say(
        f"a step is {trainer.windows:,} x {data.train.context:,} = {settings.batch_tokens:,} tokens, {micro:,} x "
        f"{data.train.context:,} at once; {pace.steps:,} steps = {epochs:.2f} epochs of {len(data.train):,} windows "
        f"({data.train.tail_tokens:,} tokens of short tails are not read); "
        + (f"{len(data.val):,} validation windows" if len(data.val) else "too little held-out text for a validation")
    )
    if settings.init is not None and not trainer.begun:
        say(f"starts from the weights of {settings.init_folder}")
    if trainer.begun:
        say(f"goes on from step {trainer.begun:,}")
    if pace.steps > settings.decay_steps:
        say(f"the learning rate was planned for {settings.decay_steps:,} steps; from there on it stays at a tenth")


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
