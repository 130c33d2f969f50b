"""From a task and its data to a job."""

from __future__ import annotations

from webtext.corpus.testsets.example import TestSet
from webtext.train.zeroshot.asking import asking_job
from webtext.train.zeroshot.cloze import cloze_job
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job
from webtext.train.zeroshot.language import language_job
from webtext.train.zeroshot.task import Task


def make_job(task: Task, found: TestSet, engine: Engine, *, limit: int | None = None) -> Job:
    """What a task asks of a model about a test set; of at most `limit` examples (of language-model sets: lines).

    Raises:
        DamagedFile: the set is not in its layout.
    """
    if task.scorer == "language-model":
        return language_job(task, found, engine, limit=limit)
    if task.scorer in ("lambada", "cbt", "winograd", "hellaswag"):
        return cloze_job(task, found, engine, limit=limit)
    return asking_job(task, found, engine, limit=limit)
