"""The loop of a run: steps, log, checkpoints, validation, so that it may stop anywhere and goes on to the bit.

The order of things after a step decides what a crash may cost: log line, checkpoint, validation, pruning. A run that
goes on cuts the log at its checkpoint and takes a validation that is missing there, so its files come out the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.optim import AdamW

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import progress, say
from webtext.train.beginning import initial_model
from webtext.train.checkpoint import Checkpoint, RunState, save_checkpoint, step_folder
from webtext.train.checkpoints import prune_checkpoints, read_latest
from webtext.train.data import TrainingData
from webtext.train.device import software
from webtext.train.folders import empty_model
from webtext.train.hooks import AfterSteps
from webtext.train.log import LOG_NAME, StepLog
from webtext.train.memory import fitting_micro_batch
from webtext.train.model import GPT2, build
from webtext.train.optimizer import load_moments, make_optimizer, read_moments, set_learning_rate
from webtext.train.recipe import batch_windows, learning_rate
from webtext.train.runs import RunSettings
from webtext.train.step import Arrays, Step, take_step, validation_loss
from webtext.train.weights import load_into, to_hugging_face

SKIP_LIMIT = 20
"""Steps in a row without a loss, after which the run gives up: the weights no longer change."""


@dataclass(frozen=True)
class Pace:
    """What may differ each time a run goes on: it does not change the weights."""

    steps: int
    """Go on until this step."""
    micro_batch: int | None
    """Windows in memory at once; None for as many as fit."""
    save_every: int
    eval_every: int
    eval_windows: int
    keep: int
    """Checkpoints kept, besides the best."""


class Trainer:
    """A run in memory. For the holder of its lock."""

    def __init__(
        self,
        folder: Path,
        settings: RunSettings,
        data: TrainingData,
        pace: Pace,
        device: torch.device,
        stop: Stop,
        hooks: Sequence[AfterSteps] = (),
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.recipe = settings.whole_recipe()
        self.data = data
        self.pace = pace
        self.device = device
        self.stop = stop
        self.hooks = tuple(hooks)
        self.windows = batch_windows(settings.batch_tokens, data.train.context)
        checkpoint = read_latest(folder)
        self.micro_batch = self._micro_batch(checkpoint)
        self.state = self._state(checkpoint)
        self.saved = self.state.step
        self.begun = self.state.step
        self.tokenizer = checkpoint.tokenizer() if checkpoint else data.tokenizer_json()
        self.model, self.optimizer = self._model(checkpoint)

    def _micro_batch(self, checkpoint: Checkpoint | None) -> int:
        """What was asked for, else what fits; where that is no less, as it was before: so the bits stay the same."""
        if self.pace.micro_batch is not None:
            return self.pace.micro_batch
        fits = fitting_micro_batch(self.settings.config(), self.windows, self.device)
        before = 0 if checkpoint is None else checkpoint.state.software.get("micro_batch", 0)
        return before if 0 < before <= fits else fits

    def _state(self, checkpoint: Checkpoint | None) -> RunState:
        now = {**software(self.device), "micro_batch": min(self.micro_batch, self.windows)}
        if checkpoint is None:
            settings = self.settings
            return RunState(
                step=0,
                position=0,
                updates=0,
                tokens=0,
                loss=None,
                seed=settings.seed,
                order_version=settings.order_version,
                shards=settings.shards,
                fingerprint=settings.fingerprint,
                preset=settings.preset,
                recipe=settings.recipe,
                software=now,
            )
        before = checkpoint.state.software
        changed = ", ".join(
            f"{name} {before.get(name)} -> {now[name]}" for name in now if before.get(name) != now[name]
        )
        if changed and checkpoint.state.step < self.pace.steps:
            say(f"goes on with {changed}: losses equal an uninterrupted run's within rounding, not to the bit")
        return replace(checkpoint.state, software=now)

    def _model(self, checkpoint: Checkpoint | None) -> tuple[GPT2, AdamW]:
        if checkpoint is not None:
            model = empty_model(self.settings.config())
            load_into(model, checkpoint.weights(), where=checkpoint.folder)
        elif self.settings.init is not None:
            model = initial_model(self.settings)
        else:
            model = build(self.settings.config(), seed=self.settings.seed)
        model.to(self.device)
        optimizer = make_optimizer(model, self.recipe)
        if checkpoint is not None and self.state.updates:
            load_moments(model, optimizer, checkpoint.moments(), updates=self.state.updates, where=checkpoint.folder)
        return model, optimizer

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state.step >= self.pace.steps

    def run(self) -> float | None:
        """Train until `pace.steps`; give the last validation loss.

        Raises:
            Interrupted: the user asked to stop; a checkpoint was saved.
            WebtextError: out of memory or space, or no loss any more.
        """
        skipped = 0
        with (
            self._memory(),
            StepLog(self.folder / LOG_NAME, step=self.state.step) as log,
            progress(self.folder, "train", self.pace.steps, "steps", begun=self.state.step) as shown,
        ):
            self._after(log)
            while not self.finished:
                self._stop_here(log)
                started = time.monotonic()
                step = self._step()
                if step is None:
                    continue
                skipped = 0 if step.sound else skipped + 1
                shown.set(self.state.step, self._log(log, step, time.monotonic() - started))
                fault_point("train.step")
                if skipped == SKIP_LIMIT:
                    raise WebtextError(
                        f"{SKIP_LIMIT} steps in a row gave no loss (NaN or infinity)",
                        where=self.folder,
                        hint="a lower learning rate may help: --learning-rate, with --restart or another --run",
                    )
                if self._due(self.pace.save_every):
                    self._save(log)
                self._after(log)
            self._stop_here(log)
            return log.validations.get(self.state.step)

    def _step(self) -> Step | None:
        state = self.state
        set_learning_rate(self.optimizer, self._rate())
        try:
            step = take_step(
                self.model,
                self.optimizer,
                self._read,
                windows=self.windows,
                micro_batch=self.micro_batch,
                clip=self.recipe.clip,
                stopped=lambda: self.stop.requested,
            )
        except (RuntimeError, MemoryError) as error:
            if not _is_full(error) or self.micro_batch == 1 or self.pace.micro_batch is not None:
                raise
            step = None
            self._take_less()
        if step is not None:
            self.state = replace(
                state,
                step=state.step + 1,
                position=0 if self.settings.overfit_one_batch else state.position + self.windows,
                updates=state.updates + step.sound,
                tokens=state.tokens + self.settings.batch_tokens,
                loss=step.loss if math.isfinite(step.loss) else None,
            )
        return step

    def _take_less(self) -> None:
        """Half as many windows at once, after there was no memory for all of them; the step is taken again."""
        before, self.micro_batch = self.micro_batch, min(self.micro_batch, self.windows) // 2 or 1
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.state = replace(self.state, software={**self.state.software, "micro_batch": self.micro_batch})
        say(f"out of memory with {before} windows at once: goes on with {self.micro_batch}; the batch stays the same")

    def _rate(self) -> float:
        return learning_rate(self.state.step, recipe=self.recipe, decay_steps=self.settings.decay_steps)

    def _read(self, offset: int, count: int) -> Arrays:
        return self.data.train.batch(self.state.position + offset, count, seed=self.settings.seed)

    def _log(self, log: StepLog, step: Step, seconds: float) -> str:
        rate, speed = self.optimizer.param_groups[0]["lr"], self.settings.batch_tokens / max(seconds, 1e-9)
        line = {
            "step": self.state.step,
            "position": max(0, self.state.position - self.windows),
            "loss": step.loss,
            "grad_norm": step.grad_norm,
            "lr": rate,
            "tokens_per_second": round(speed, 1),
            "seconds": round(seconds, 4),
            "shards": self.settings.shards,
        }
        log.add(line if step.sound else {**line, "skipped": True})
        note = f"loss {step.loss:.4f}, grad norm {step.grad_norm:.2f}, lr {rate:.1e}, {speed:,.0f} tokens/s"
        if not step.sound:
            say(f"step {self.state.step} skipped, the weights stay as they were: {note}")
        return note

    def _due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.state.step == self.pace.steps

    def _save(self, log: StepLog) -> None:
        log.sync()
        save_checkpoint(
            self.folder,
            config=self.model.config,
            state=self.state,
            weights=lambda: to_hugging_face(dict(self.model.named_parameters())),
            moments=lambda: read_moments(self.model, self.optimizer),
            tokenizer=self.tokenizer,
            endoftext=self.settings.endoftext,
        )
        self.saved = self.state.step
        prune_checkpoints(self.folder, step=self.saved, keep=self.pace.keep, validations=log.validations)

    def _after(self, log: StepLog) -> None:
        """Call the hooks that are due and have not told their numbers yet."""
        step = self.state.step
        for hook in (self._validation(), *self.hooks):
            if not hook.due(step, self.pace.steps) or (step, hook.name) in log.hooks:
                continue
            with torch.no_grad():
                numbers = hook.run(self.model, step)
            if numbers:
                log.add({"step": step, "after": hook.name, **numbers, "shards": self.settings.shards})
                told = ", ".join(f"{name} {value:,.4g}" for name, value in numbers.items())
                say(f"step {step}: {told}")

    def _validation(self) -> AfterSteps:
        def run(model: GPT2, step: int) -> dict[str, float]:
            loss = validation_loss(
                model,
                self.data.val,
                limit=self.pace.eval_windows,
                micro_batch=self.micro_batch,
                stopped=lambda: self.stop.requested,
            )
            windows = min(self.pace.eval_windows, len(self.data.val))
            return {} if loss is None else {"val_loss": loss, "val_windows": windows}

        return AfterSteps(self.pace.eval_every, run, "validation")

    def _stop_here(self, log: StepLog) -> None:
        if self.stop.requested:
            if self.saved != self.state.step:
                self._save(log)
            raise self.stop.error()

    @contextmanager
    def _memory(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not _is_full(error):
                raise
            raise WebtextError(
                f"out of memory with {self.micro_batch} windows at once",
                where=self.folder,
                hint="a smaller --micro-batch needs less (the batch, and so the model that comes out, stays the same)"
                if self.micro_batch > 1
                else "a smaller --preset, or a machine with more memory; the last checkpoint stands",
            ) from error

    @property
    def checkpoint(self) -> Path:
        """The folder of the last checkpoint."""
        return step_folder(self.folder, self.saved)


def _is_full(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
