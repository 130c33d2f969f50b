"""The loop of a run: steps, log, checkpoints, hooks, so that it may stop anywhere and goes on to the bit.

The order of things after a step decides what a crash may cost: log line, checkpoint, hooks (validation, samples),
pruning. A run that goes on cuts the log at its checkpoint and calls the hooks whose numbers are missing there, so its
files come out the same. Every rank runs this loop; rank 0 writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import say
from webtext.train.checkpoint import save_checkpoint, step_folder
from webtext.train.checkpoints import prune_checkpoints
from webtext.train.compiling import eager
from webtext.train.hooks import AfterSteps
from webtext.train.memory import fullness_told, is_full
from webtext.train.optimizer import read_moments, set_learning_rate
from webtext.train.parallel import whole_model, whole_on_first
from webtext.train.prefetch import Prefetcher
from webtext.train.recipe import learning_rate
from webtext.train.skipped import write_skipped
from webtext.train.spikes import SPIKE_Z, SpikeGuard
from webtext.train.standing import Standing
from webtext.train.step import Step, Stopped, take_step
from webtext.train.trial import peak_bytes
from webtext.train.watch import Watch
from webtext.train.weights import to_hugging_face

SKIP_LIMIT = 20
"""Steps in a row that are skipped, after which the run gives up: the weights no longer change."""


@dataclass(frozen=True)
class Pace:
    """What may differ each time a run goes on: it does not change the weights, but for `spike_z`."""

    steps: int
    """Go on until this step."""
    save_every: int
    keep: int
    """Checkpoints kept, besides the best."""
    spike_z: float = SPIKE_Z
    """Standard deviations from which on a step is skipped; 0 for never."""
    print_every: int | None = None
    """Steps between two lines on the screen."""
    tensorboard: bool = False
    peak: float | None = None
    """FLOP/s of all ranks together, that MFU is reckoned against."""


class Loop:
    """Trains what stands ready. For the holder of the run's lock."""

    def __init__(self, standing: Standing, pace: Pace, hooks: Sequence[AfterSteps], stop: Stop) -> None:
        self.standing = standing
        self.pace = pace
        self.hooks = tuple(hooks)
        self.stop = stop
        self.saved = standing.state.step
        self.val_loss: float | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.standing.state.step >= self.pace.steps

    def run(self) -> None:
        """Train until `pace.steps`.

        Raises:
            Interrupted: the user asked to stop; a checkpoint was saved.
            WebtextError: out of memory or space, or no loss any more.
        """
        standing, skipped = self.standing, 0
        with (
            fullness_told(standing.folder, lambda: standing.machine.micro_batch),
            Watch(
                standing.folder, step=standing.state.step, steps=self.pace.steps, ranks=standing.ranks,
                print_every=self.pace.print_every, tensorboard=self.pace.tensorboard,
            ) as watch,
        ):  # fmt: skip
            guard = SpikeGuard.after(watch.log.steps, self.pace.spike_z)
            self._after(watch)
            while not self.finished:
                with standing.batches() as batches:
                    # Until no step is left, or fewer windows have to be read at once.
                    while not self.finished:
                        self._stop_here(watch)
                        started = time.monotonic()
                        step = self._step(batches, guard)
                        if step is None:
                            break
                        skipped = 0 if step.skipped is None else skipped + 1
                        self._tell(watch, step, time.monotonic() - started)
                        fault_point("train.step")
                        if skipped == SKIP_LIMIT:
                            raise WebtextError(
                                f"{SKIP_LIMIT} steps in a row were skipped, the last one for this: {step.skipped}",
                                where=standing.folder,
                                hint="a lower learning rate may help: --learning-rate, with --restart or another "
                                "--run; what the steps read is written down in skipped/",
                            )
                        if self._due(self.pace.save_every):
                            self._save(watch)
                        self._after(watch)
            self._stop_here(watch)
            self.val_loss = watch.log.validations.get(standing.state.step)
            watch.draw()

    def _step(self, batches: Prefetcher, guard: SpikeGuard) -> Step | None:
        """Take one; None where the user asked to stop, or there was no memory for so many windows at once."""
        standing, state = self.standing, self.standing.state
        rate = learning_rate(state.step, recipe=standing.recipe, decay_steps=standing.settings.decay_steps)
        set_learning_rate(standing.learner.optimizer, rate)
        try:
            step = take_step(
                standing.learner,
                batches,
                counts=(batches.reading.count(), batches.reading.count(standing.ranks.ranks - 1)),
                tokens=standing.settings.batch_tokens,
                clip=standing.recipe.clip,
                judge=guard.why,
                stopped=lambda: self.stop.requested,
            )
        except Stopped:
            return None
        except (RuntimeError, MemoryError) as error:
            if not is_full(error) or not standing.take_less():
                raise
            return None
        guard.add(step.loss, step.grad_norm)
        standing.state = replace(
            state,
            step=state.step + 1,
            position=0 if standing.settings.overfit_one_batch else state.position + standing.windows,
            updates=state.updates + (step.skipped is None),
            tokens=state.tokens + standing.settings.batch_tokens,
            loss=step.loss if math.isfinite(step.loss) else None,
        )
        return step

    def _tell(self, watch: Watch, step: Step, seconds: float) -> None:
        standing, state, settings = self.standing, self.standing.state, self.standing.settings
        speed = settings.batch_tokens / max(seconds, 1e-9)
        position = max(0, state.position - standing.windows)
        peak = self.pace.peak
        line = {
            "step": state.step,
            "position": position,
            "loss": step.loss,
            "grad_norm": step.grad_norm,
            "lr": standing.learner.optimizer.param_groups[0]["lr"],
            "tokens_per_second": round(speed, 1),
            "mfu": None if peak is None else round(speed * standing.flops_per_token / peak, 4),
            "memory_bytes": peak_bytes(standing.machine.numerics.device),
            "seconds": round(seconds, 4),
            "shards": settings.shards,
        }
        if step.skipped is not None:
            line["skipped"] = step.skipped
            if standing.ranks.first:
                path = write_skipped(
                    standing.folder, state.step, step, standing.data.train, position=position, count=standing.windows,
                    seed=settings.seed, files=[entry.file for entry in standing.data.index.splits["train"]],
                )  # fmt: skip
                say(f"step {state.step} skipped, the weights stay as they were; what it read: {path}")
        watch.step(line)

    def _due(self, every: int) -> bool:
        return self.standing.state.step % every == 0 or self.finished

    def _save(self, watch: Watch) -> None:
        standing, learner = self.standing, self.standing.learner
        watch.log.sync()

        # Where ranks hold parts of the weights, all of them are needed to write: they do the same in the same order.
        def weights() -> dict[str, torch.Tensor]:
            whole = whole_on_first(dict(learner.model.named_parameters()), standing.ranks)
            return to_hugging_face(whole) if standing.ranks.first else {}

        def moments() -> dict[str, torch.Tensor]:
            return read_moments(learner.model, learner.optimizer, standing.ranks)

        if standing.ranks.first:
            save_checkpoint(
                standing.folder, config=learner.model.config, state=standing.state, weights=weights, moments=moments,
                tokenizer=standing.tokenizer, endoftext=standing.settings.endoftext,
            )  # fmt: skip
        else:
            weights(), moments()
        self.saved = standing.state.step
        if standing.ranks.first:
            prune_checkpoints(standing.folder, step=self.saved, keep=self.pace.keep, validations=watch.log.validations)
            watch.draw()

    def _after(self, watch: Watch) -> None:
        """Call the hooks that are due and have not told their numbers yet."""
        standing, step = self.standing, self.standing.state.step
        due = [
            hook for hook in self.hooks
            if hook.due(step, self.pace.steps) and (step, hook.name) not in watch.log.hooks
        ]  # fmt: skip
        if not due:
            return
        with torch.no_grad(), eager(standing.machine.numerics.compiled), whole_model(standing.learner.model) as model:
            for hook in due:
                numbers = hook.run(model, step)
                numbers = standing.ranks.told(lambda numbers=numbers: dict(numbers))  # type: ignore[misc]
                if numbers:
                    watch.add({"step": step, "after": hook.name, **numbers, "shards": standing.settings.shards})
                    told = ", ".join(f"{name} {value:,.5g}" for name, value in numbers.items())
                    say(f"step {step}: {told}")

    def _stop_here(self, watch: Watch) -> None:
        if self.standing.ranks.any(self.stop.requested):
            if self.saved != self.standing.state.step:
                self._save(watch)
            raise self.stop.error()

    @property
    def checkpoint(self) -> Path:
        """The folder of the last checkpoint."""
        return step_folder(self.standing.folder, self.saved)
