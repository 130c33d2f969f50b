"""A run as it stands, in memory: state, model, optimizer, data; from its last checkpoint, or anew, and tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from webtext.corpus.progress import say
from webtext.train.beginning import initial_model
from webtext.train.boundaries import document_mask
from webtext.train.checkpoint import Checkpoint, RunState
from webtext.train.checkpoints import read_latest
from webtext.train.compiling import compile_parts, compiled_or_not, eager
from webtext.train.data import TrainingData
from webtext.train.flops import flops_per_token
from webtext.train.folders import empty_model
from webtext.train.loss import LossOfModel
from webtext.train.machine import Machine, Means
from webtext.train.memory import is_full
from webtext.train.model import GPT2, build
from webtext.train.optimizer import load_moments, make_optimizer
from webtext.train.parallel import share_model
from webtext.train.prefetch import Batch, Prefetcher, Reading
from webtext.train.recipe import batch_windows
from webtext.train.runs import RunSettings
from webtext.train.step import Learner
from webtext.train.trial import Measured, largest_fitting, most_windows, short_run, train_once, tried_on_cpu
from webtext.train.weights import load_into

# What a checkpoint that does not say so was made with.
_BEFORE: Mapping[str, Any] = MappingProxyType({"compiled": False, "ranks": 1})


class Standing:
    """A run that is ready to go on.

    Args:
        machine: as estimated; `micro_batch` and whether it is compiled are settled here.
        steps: where it will go on to, for what is said.
    """

    def __init__(
        self, folder: Path, settings: RunSettings, data: TrainingData, means: Means, machine: Machine, *, steps: int
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.recipe = settings.whole_recipe()
        self.data = data
        self.ranks = machine.ranks
        self.windows = batch_windows(settings.batch_tokens, data.train.context)
        self.flops_per_token = flops_per_token(settings.config())
        self.measured: Measured | None = None
        """A micro-batch on this rank, where one was tried."""
        self._means = means
        checkpoint = self.ranks.told(lambda: read_latest(folder))
        self.tokenizer = checkpoint.tokenizer() if checkpoint else data.tokenizer_json()
        position = checkpoint.state.position if checkpoint else 0
        busy = checkpoint is None or checkpoint.state.step < steps
        machine.numerics.set_up()
        self.machine = machine
        trained = self._model(checkpoint)
        self.learner = self._learner(trained, checkpoint)
        if busy:
            self._settle(trained, checkpoint, position)
        self.state = self._state(checkpoint, told=busy)
        self.begun = self.state.step
        """The step it goes on from."""

    def _model(self, checkpoint: Checkpoint | None) -> LossOfModel:
        model: GPT2
        if checkpoint is not None:
            model = empty_model(self.settings.config())
            load_into(model, checkpoint.weights(), where=checkpoint.folder)
        elif self.settings.init is not None:
            model = initial_model(self.settings)
        else:
            model = build(self.settings.config(), seed=self.settings.seed)
        model.recompute = self.machine.numerics.recompute
        return LossOfModel(model.to(self.machine.numerics.device))

    def _learner(self, trained: LossOfModel, checkpoint: Checkpoint | None) -> Learner:
        numerics = self.machine.numerics
        if numerics.compiled:
            compile_parts(trained)
        shared = share_model(trained, self.machine.way, self.ranks, numerics)
        optimizer = make_optimizer(trained.model, self.recipe)
        if checkpoint is not None and checkpoint.state.updates:
            load_moments(
                trained.model,
                optimizer,
                checkpoint.moments(),
                updates=checkpoint.state.updates,
                where=checkpoint.folder,
            )
        return Learner(trained.model, shared, optimizer, numerics, self.ranks)

    def _settle(self, trained: LossOfModel, checkpoint: Checkpoint | None, position: int) -> None:
        """Find out whether it compiles, how many windows fit, and what they take."""
        machine, means, config = self.machine, self._means, self.settings.config()
        numerics, count = machine.numerics, min(machine.micro_batch, self.windows)
        compiled = numerics.compiled

        def read(windows: int) -> Batch:
            arrays = self.data.train.batch(position, windows, seed=self.settings.seed)
            inputs, targets = (torch.from_numpy(array).to(numerics.device) for array in arrays)
            mask = document_mask(inputs, self.settings.endoftext) if self.settings.within_documents else None
            return Batch(position, inputs, targets, mask)

        if means.micro_batch is None:
            before = 0 if checkpoint is None else checkpoint.state.software.get("micro_batch", 0)
            if means.trial and self.ranks.ranks == 1 and numerics.device.type == "cpu":
                count = tried_on_cpu(config, numerics, count)
            if means.trial and numerics.device.type == "cuda" and machine.way != "fsdp":
                most = most_windows(config, self.windows // self.ranks.ranks, numerics.device)
                with eager(compiled):  # each size would be compiled anew; compiled, none takes more
                    count = largest_fitting(self.learner, read, min(count, most), most)
            # Where that is no less, as it was before: so the bits stay the same.
            count = before if 0 < before <= count else count
        if compiled:
            compiled = compiled_or_not(trained, lambda: train_once(self.learner, read(count)))
        if means.trial:
            self.measured = self._measure(read, count)
            count = self.measured.windows
        self.machine = machine.settled(compiled=compiled, micro_batch=count)
        self.learner.numerics = self.machine.numerics

    def _measure(self, read: Callable[[int], Batch], count: int) -> Measured:
        """Try `count` windows, or half as many as often as there is no memory for them (`take_less` says when not)."""
        while True:
            try:
                return short_run(self.learner, read, count)
            except (RuntimeError, MemoryError) as error:
                if not is_full(error) or not self._may_take_less(count):
                    raise
            say(f"out of memory with {count} windows at once: tries {count // 2}; the batch stays the same")
            count //= 2

    def _may_take_less(self, windows: int) -> bool:
        return windows > 1 and self._means.micro_batch is None and self.ranks.ranks == 1

    def _state(self, checkpoint: Checkpoint | None, *, told: bool) -> RunState:
        now = {
            **self.machine.numerics.software(),
            "micro_batch": min(self.machine.micro_batch, self.windows),
            "ranks": self.ranks.ranks,
        }
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
        before = {**_BEFORE, **checkpoint.state.software}
        changed = ", ".join(
            f"{name} {before.get(name)} -> {now[name]}" for name in now if before.get(name) != now[name]
        )
        if changed and told:
            say(f"goes on with {changed}: losses equal an uninterrupted run's within rounding, not to the bit")
        return replace(checkpoint.state, software=now)

    def batches(self) -> Prefetcher:
        """This rank's micro-batches from the next step on. To be closed."""
        settings = self.settings
        reading = Reading(
            self.windows,
            self.machine.micro_batch,
            settings.seed,
            self.ranks.rank,
            self.ranks.ranks,
            endoftext=settings.endoftext if settings.within_documents else None,
            again=settings.overfit_one_batch,
        )
        return Prefetcher(self.data.train, reading, self.state.position, device=self.machine.numerics.device)

    def take_less(self) -> bool:
        """Half as many windows at once from now on, after there was no memory for all of them; whether that can be.

        Not with several ranks: the others are waiting in the middle of the step.
        """
        before = min(self.machine.micro_batch, self.windows)
        if not self._may_take_less(before):
            return False
        fewer = before // 2
        self.machine = replace(self.machine, micro_batch=fewer)
        self.learner.optimizer.zero_grad(set_to_none=True)
        if self.machine.numerics.device.type == "cuda":
            torch.cuda.empty_cache()
        self.state = replace(self.state, software={**self.state.software, "micro_batch": fewer})
        say(f"out of memory with {before} windows at once: goes on with {fewer}; the batch stays the same")
        return True
