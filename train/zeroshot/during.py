"""Zero-shot tasks while a model is trained: a chosen few, on a few examples, every so many steps.

Nothing is kept but the scores, which go into the run's log. What is scored is made ready once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from webtext.corpus.errors import UsageError
from webtext.train.hooks import AfterSteps
from webtext.train.model import GPT2
from webtext.train.zeroshot.catalogue import SAMPLES, chosen
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job, Record
from webtext.train.zeroshot.jobs import make_job
from webtext.train.zeroshot.sources import find_set
from webtext.train.zeroshot.task import Task

LIMIT = 200
"""Examples of each task (of running text: lines): the same ones every time."""


def after_steps(
    names: Sequence[str],
    data: Path,
    tokenizer: Callable[[], bytes],
    *,
    every: int,
    limit: int = LIMIT,
    stopped: Callable[[], bool] = lambda: False,
) -> AfterSteps:
    """A hook that scores tasks; its line in the log has `lambada.perplexity` and the like.

    Args:
        names: keys of the catalogue.
        data: the folder with the test sets.
        tokenizer: gives the bytes of tokenizer.json; asked when the hook is called first.
        stopped: asked between two parts; a hook that was stopped logs nothing and is called again.

    Raises:
        UsageError: no such task, or one that needs the corpus.
        MissingSet: a test set is not there: told before the first step, not after hours.
    """
    if SAMPLES.name in names:
        raise UsageError(
            "samples need a finished checkpoint", where="--eval-tasks", hint="webtext eval --tasks samples"
        )
    found = [(task, find_set(task, data)) for task in chosen(names)]
    ready: list[tuple[Engine, list[tuple[Task, Job]]]] = []

    def run(model: GPT2, step: int) -> Mapping[str, float]:
        if not ready or ready[0][0].model is not model:
            engine = Engine(model, Tokenizer.from_str(tokenizer().decode()))
            ready[:] = [(engine, [(task, make_job(task, one, engine, limit=limit)) for task, one in found])]
        numbers: dict[str, float] = {}
        for task, job in ready[0][1]:
            records: dict[int, Record] = {}
            for part in job.parts:
                if stopped():
                    return {}
                records.update(zip(part, job.score(part), strict=True))
            scores = job.summarise(records, frozenset())
            named = {task.metric: scores[task.metric]} if "perplexity" not in scores else scores
            numbers |= {f"{task.key}.{name}": score.value for name, score in named.items()}
        return numbers

    return AfterSteps(every, run, "zero-shot")
