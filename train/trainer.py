"""`train`: what is asked for, against what the run was begun with; then the loop, samples and a report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from webtext.corpus.errors import DamagedFile, UsageError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import say
from webtext.train.checkpoint import checkpoint_folders, sweep_run
from webtext.train.data import TrainingData, open_data
from webtext.train.device import choose_device, precision
from webtext.train.loop import Pace, Trainer
from webtext.train.model import PRESETS, preset_name
from webtext.train.recipe import batch_windows, recipe_for
from webtext.train.runs import RunSettings, clear_run, read_run, refuse_changes, run_folder, write_run

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
    micro_batch: int | None = None,
    device: str = "auto",
    save_every: int | None = None,
    eval_every: int | None = None,
    eval_windows: int = EVAL_WINDOWS,
    keep: int = KEEP,
    samples: int = SAMPLES,
    restart: bool = False,
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
        micro_batch: windows in memory at once; changes nothing but rounding.
        device: auto, cpu, cuda or mps.
        save_every, eval_every: steps between checkpoints, and between validations (by default as often).
        eval_windows: the most validation windows.
        keep: checkpoints kept, besides that of the lowest validation loss.
        samples: texts written when the last step is done.
        restart: forget the run and begin it again.
        stop: polled; when it is requested, a checkpoint is saved and `Interrupted` raised.

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
    settings, data, new = _begin(corpus, folder, asked, steps, default_preset, default_seed, restart=restart)
    recipe = settings.whole_recipe()
    pace = Pace(
        steps=steps or settings.decay_steps,
        micro_batch=micro_batch or recipe.micro_batch,
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
    if new:
        write_run(folder, settings)
    trainer = Trainer(folder, settings, data, pace, where, stop or Stop(raising=False))
    _announce(run, trainer)
    val_loss = trainer.run()
    texts = trainer.write_samples(samples) if samples else None
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


def _begin(
    corpus: Path,
    folder: Path,
    asked: Mapping[str, Any],
    steps: int | None,
    default_preset: str,
    default_seed: int,
    *,
    restart: bool,
) -> tuple[RunSettings, TrainingData, bool]:
    """The settings of the run, the data it pinned, and whether it is a new one. Nothing is written yet."""
    begun = None if restart else read_run(folder)
    if begun is not None:
        refuse_changes(folder, begun, asked)
        context = begun.config().context
        data = open_data(corpus, context=context, shards=begun.shards, fingerprint=begun.fingerprint)
        data.check_model(begun.config().vocab_size, begun.tokenizer, where=folder)
        return begun, data, False
    if checkpoint_folders(folder) and not restart:
        raise DamagedFile("has checkpoints, but no run.json", where=folder, hint="--restart begins the run again")
    wanted = {name: value for name, value in asked.items() if value is not None}
    wanted.setdefault("preset", preset_name(default_preset))
    wanted.setdefault("seed", default_seed)
    data = open_data(corpus, context=PRESETS[wanted["preset"]].context)
    settings = _settings(wanted, data, steps)
    batch_windows(settings.batch_tokens, data.train.context)  # these two fit, or say so now
    data.tokenizer_json()
    return settings, data, True


def _settings(wanted: Mapping[str, Any], data: TrainingData, steps: int | None) -> RunSettings:
    preset = wanted["preset"]
    recipe = recipe_for(preset)
    recipe = replace(
        recipe,
        learning_rate=wanted.get("learning_rate") or recipe.learning_rate,
        batch_tokens=wanted.get("batch_tokens") or recipe.batch_tokens,
    )
    config = replace(PRESETS[preset], vocab_size=data.index.vocab_size)
    return RunSettings(
        preset=preset,
        seed=wanted["seed"],
        learning_rate=recipe.learning_rate,
        batch_tokens=recipe.batch_tokens,
        decay_steps=wanted.get("decay_steps") or steps or recipe.steps,
        overfit_one_batch=wanted.get("overfit_one_batch", False),
        recipe=asdict(recipe),
        model=asdict(config),
        endoftext=data.index.endoftext,
        tokenizer=data.index.tokenizer,
        shards=data.index.identity,
        fingerprint=data.fingerprint,
    )


def _announce(run: str, trainer: Trainer) -> None:
    """Say what is about to happen, before it takes hours."""
    settings, pace, data, device = trainer.settings, trainer.pace, trainer.data, trainer.device
    if trainer.finished:
        say(f"run {run} stands at step {trainer.state.step:,} already: nothing to train (more --steps go on)")
        return
    parameters = settings.config().parameters
    threads = torch.get_num_threads()
    micro = min(pace.micro_batch, trainer.windows)
    epochs = pace.steps * trainer.windows / len(data.train)
    say(
        f"run {run}: {settings.preset}, {parameters:,} parameters, vocabulary {settings.config().vocab_size:,}, "
        f"on {device.type} in {precision(device)}"
        + (f" with {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else "")
        + f"; weights, gradient and moments take {16 * parameters / 1e9:.2f} GB"
    )
    say(
        f"a step is {trainer.windows:,} x {data.train.context:,} = {settings.batch_tokens:,} tokens, {micro:,} x "
        f"{data.train.context:,} at once; {pace.steps:,} steps = {epochs:.2f} epochs of {len(data.train):,} windows "
        f"({data.train.tail_tokens:,} tokens of short tails are not read); "
        + (f"{len(data.val):,} validation windows" if len(data.val) else "too little held-out text for a validation")
    )
    if trainer.begun:
        say(f"goes on from step {trainer.begun:,}")
    if pace.steps > settings.decay_steps:
        say(f"the learning rate was planned for {settings.decay_steps:,} steps; from there on it stays at a tenth")


def _check(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}; it takes a whole number from 1")
