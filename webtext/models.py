"""What a corpus does with a model: train it, write text with it, say what it read.

A part of `webtext.api.Corpus`. A folder of shards by itself is trained on by `ShardsFolder`, with the same methods.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import Stop, stop_signals
from webtext.corpus.lock import corpus_lock
from webtext.corpus.manifests import verify_files
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import TrainSettings
from webtext.corpus.stages import publication_pending, roll_forward, stage_manifest
from webtext.corpus.tombstones import refuse_pending
from webtext.extras import needs
from webtext.folder import CorpusFolder

if TYPE_CHECKING:
    from webtext.train.generation import Writer
    from webtext.train.hooks import AfterSteps
    from webtext.train.tracing import StepTrace
    from webtext.train.trainer import TrainReport


EVAL_EVERY = 1_000
"""Steps between two scores of --eval-tasks, where nothing else is said."""


class Models:
    """Runs below a folder: runs/NAME/."""

    path: Path

    def train(
        self,
        *,
        run: str = "default",
        preset: str | None = None,
        eval_tasks: Sequence[str] = (),
        eval_data: str | os.PathLike[str] | None = None,
        eval_tasks_every: int | None = None,
        **options: Any,
    ) -> TrainReport:
        """Train a GPT-2 on the shards: `shards/` to `runs/RUN/`. Goes on from the run's last checkpoint.

        Args:
            eval_tasks: zero-shot tasks (`webtext eval`) that are scored every `eval_tasks_every` steps (by default
                when a checkpoint is saved) on a few examples of the sets in `eval_data`.
            options: as `webtext.train.trainer.train` takes them (steps, seed, init, device, …).
        """
        wanted = self._ready()
        with needs("train"):
            from webtext.train.ranks import own_rank
            from webtext.train.runs import run_folder
            from webtext.train.trainer import train
        folder = run_folder(self.path, run)
        with os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if options.get("init") is not None:
            options["init"] = Path(options["init"])
        options.update(default_preset=wanted.preset, default_seed=wanted.seed)
        try:
            # Under torchrun rank 0 is the one that writes.
            lock = nullcontext() if own_rank() else corpus_lock(folder, f"train --run {run}")
            with lock, stop_signals(raising=False) as stop, os_errors(folder):
                if eval_tasks:
                    hook = self._zero_shot(run, eval_tasks, eval_data, eval_tasks_every, options, stop)
                    options["hooks"] = (*options.get("hooks", ()), hook)
                return train(self.path, run=run, preset=preset, stop=stop, **options)
        finally:
            for empty in (folder, folder.parent):  # of a run that was refused
                with suppress(OSError):
                    empty.rmdir()

    def _zero_shot(
        self,
        run: str,
        tasks: Sequence[str],
        data: str | os.PathLike[str] | None,
        every: int | None,
        options: Mapping[str, Any],
        stop: Stop,
    ) -> AfterSteps:
        if data is None:
            raise UsageError("--eval-tasks needs the folder with the test sets", hint="--eval-data DIR")
        with needs("eval"):
            from webtext.train.runs import read_run, run_folder
            from webtext.train.shards_folder import find_data
            from webtext.train.zeroshot.during import after_steps

        def tokenizer() -> bytes:
            begun = read_run(run_folder(self.path, run))
            pinned = (None, None) if begun is None else (begun.shards, begun.fingerprint)
            return find_data(self.path, 1, *pinned, verify=False).tokenizer_json()

        every = every or options.get("save_every") or EVAL_EVERY
        return after_steps(tasks, Path(data), tokenizer, every=every, stopped=lambda: stop.requested)

    def evaluate(self, *, run: str = "default", **options: Any) -> dict[str, Any]:
        """Score a run's checkpoint on the paper's zero-shot tasks; what results.json holds.

        Args:
            options: as `webtext.zeroshot.evaluate` takes them (tasks, data, checkpoint, limit, …).
        """
        with needs("eval"):
            from webtext.zeroshot import evaluate
        return evaluate(self.path, run=run, **options)[0]

    def checkpoint(self, *, run: str = "default", which: str = "last") -> Path:
        """The folder of a run's checkpoint, found whole: `last`, `best` (lowest validation loss) or a step's number."""
        with needs("train"):
            from webtext.train.checkpoints import checkpoint_folders, find_checkpoint
            from webtext.train.log import LOG_NAME, best_step, read_log, validations_in
            from webtext.train.runs import run_folder
        folder = run_folder(self.path, run)
        validations: Mapping[int, float | None] = validations_in(read_log(folder / LOG_NAME))
        return find_checkpoint(folder, which, best=best_step(validations, checkpoint_folders(folder)))

    def writer(self, *, run: str = "default", checkpoint: str = "last", device: str = "auto") -> Writer:
        """A run's model, loaded to write with: for several prompts, streams, conversations."""
        folder = self.checkpoint(run=run, which=checkpoint)
        from webtext.train.generation import Writer

        return Writer.load(folder, device=device)

    def generate(
        self, prompt: str = "", *, run: str = "default", checkpoint: str = "last", **options: Any
    ) -> list[str]:
        """Sample from a run's model.

        Args:
            checkpoint: `last`, `best` or a step's number.
            options: as `webtext.train.generation.generate` takes them (max_tokens, temperature, top_k, seed, …).
        """
        folder = self.checkpoint(run=run, which=checkpoint)
        from webtext.train.generation import generate

        return generate(folder, prompt, **options)

    def trace_step(self, run: str = "default", *, step: int) -> StepTrace:
        """The documents, URLs and submissions that step `step` (from 1) of a run read."""
        with needs("train"):
            from webtext.train.tracing import trace_step
        return trace_step(self.path, run=run, step=step)

    def _ready(self) -> TrainSettings:
        """See that there are shards; give the settings a run takes where nothing else is said."""
        raise NotImplementedError


class CorpusModels(CorpusFolder, Models):
    """The runs of a corpus."""

    def _ready(self) -> TrainSettings:
        refuse_pending(self.path)
        if publication_pending(self.path, Stage.SHARDS):
            with corpus_lock(self.path, "train"):
                roll_forward(self.path, Stage.SHARDS)
        shards = stage_manifest(self.path, Stage.SHARDS)
        if shards is None:
            raise self._unfinished(Stage.SHARDS)
        # The shards themselves are verified by the trainer, which knows those that an earlier run has pinned.
        verify_files(self.path, shards, lambda name: not name.endswith(".arrow"))
        return self.settings.train


class ShardsFolder(Models):
    """A folder of shards away from its corpus, and the runs in it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def _ready(self) -> TrainSettings:
        return TrainSettings()


def check_there(path: Path) -> None:
    """Of a command that reads a model: the folder named has to be there, whether a corpus or a model is meant.

    Raises:
        WebtextError: it is not.
    """
    if not path.exists():
        hint = "name a corpus with a run, or a folder of a GPT-2 (Hugging Face's or OpenAI's)"
        raise WebtextError("there is no such folder", where=path, hint=hint)


def open_models(path: Path) -> Models:
    """A corpus, the corpus whose shards/ is named, or a folder of shards by itself.

    Raises:
        WebtextError: it is none of them.
    """
    from webtext.api import Corpus
    from webtext.corpus.config import CONFIG_NAME

    if not (path / CONFIG_NAME).is_file() and (path / "index.json").is_file():
        above = path.absolute().parent
        if path.absolute().name == "shards" and (above / CONFIG_NAME).is_file():
            return Corpus(above, create=False)
        return ShardsFolder(path)
    return Corpus(path, create=False)
