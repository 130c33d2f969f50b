"""`webtext eval`: a checkpoint, the test sets, the corpus where it is needed, and where the results go.

The tasks are `webtext.train.zeroshot`'s; what needs the corpus as well (written samples) is joined to them here.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import os_errors, read_json, sweep
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.lock import corpus_lock
from webtext.corpus.progress import say
from webtext.models import check_there, open_models
from webtext.overlap_file import OVERLAP_NAME, kept_overlap
from webtext.train.checkpoint import STATE
from webtext.train.device import Numerics, precision
from webtext.train.folders import find_model, is_model_folder
from webtext.train.runs import EVAL, run_folder
from webtext.train.zeroshot.catalogue import DEFAULT, SAMPLES, chosen
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.evaluation import EXAMPLES, Evaluation
from webtext.train.zeroshot.generated import libraries
from webtext.train.zeroshot.hub import fetch
from webtext.train.zeroshot.results import RESULTS, Overlaps, write_results
from webtext.train.zeroshot.sources import MissingSet, find_set
from webtext.train.zeroshot.task import Task
from webtext.written_samples import samples_result, shards_of


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a folder with a model, the corpus it belongs to, and where results go."""

    folder: Path
    corpus: Path | None
    out: Path


def evaluate(
    source: Path,
    *,
    tasks: Sequence[str] = (),
    data: Path | None = None,
    run: str = "default",
    checkpoint: str = "last",
    corpus: Path | None = None,
    out: Path | None = None,
    limit: int | None = None,
    overlap: Path | None = None,
    without_overlap: bool = False,
    hub: bool = False,
    redo: bool = False,
    device: str = "auto",
) -> tuple[dict[str, Any], Path]:
    """Score a checkpoint on the tasks whose data is there; results.json as a value, and its folder.

    Args:
        source: a corpus with a run, or a folder of a GPT-2.
        tasks: keys of the catalogue, `samples`, `all`; by default all of the paper's protocols.
        data: the folder with the test sets.
        corpus: what `samples` and the overlap are compared with, where `source` is no corpus.
        limit: examples of each task at most.
        overlap: what `webtext overlap --json` printed; by default what it left in overlap.json of the corpus.
        without_overlap: score without the examples of which the corpus holds an 8-gram.
        hub: get missing sets from the network into `data`.
        redo: score again what is there already.

    Raises:
        UsageError: no such task, no data, a number out of range.
        WebtextError, DamagedFile: no such model, not one set that can be read.
        Interrupted: the user asked to stop; the same call goes on.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; it takes a number from 1")
    asked = chosen(tasks or DEFAULT)
    samples = SAMPLES.name in tasks
    if asked and data is None:
        raise UsageError(
            "needs a folder with test sets", where="webtext eval", hint="--data DIR; docs/eval.md lists them"
        )
    if data is not None and not data.is_dir() and not hub:
        raise WebtextError("there is no such folder", where=data, hint="--data names the folder with the test sets")
    subject = _subject(source, run, checkpoint, corpus, out)
    if samples and subject.corpus is None:
        raise UsageError("samples are compared with a corpus", where=source, hint="name it: --corpus CORPUS")
    found = find_model(subject.folder)
    overlaps = _overlaps(overlap, subject.corpus, needed=without_overlap)
    state = subject.folder / STATE
    trained = read_json(state) if state.is_file() else {}
    shards = shards_of(subject.corpus, trained.get("shards")) if samples and subject.corpus is not None else None
    if hub and data is not None:
        _fetch(asked, data)
    with os_errors(subject.out):
        subject.out.mkdir(parents=True, exist_ok=True)
    with corpus_lock(subject.out, "eval"), stop_signals(raising=False) as stop:
        sweep(subject.out)
        if redo:
            for path in sorted((subject.out / EXAMPLES).glob("*.jsonl")):
                if path.stem in {task.key.replace(":", "-") for task in [*asked, *([SAMPLES] if samples else [])]}:
                    path.unlink()
        engine = Engine.load(subject.folder, device=device)
        evaluation = Evaluation(
            engine,
            found.identity(),
            found.tokenizer_fingerprint() or "",
            data or subject.out,
            subject.out,
            limit=limit,
            overlaps=overlaps,
            without_overlap=without_overlap,
            stop=stop,
        )
        results, missing = evaluation.run(asked)
        for error in missing:
            say(f"not scored: {error}")
        if asked and not results and not samples:
            damaged = [error for error in missing if not isinstance(error, MissingSet)]
            if damaged:
                raise damaged[0]
            hint = "docs/eval.md says how the files are called; --hub fetches most of them"
            raise WebtextError("holds none of the test sets asked for", where=data, hint=hint)
        statement = {
            "model": {
                "identity": evaluation.model,
                "tokenizer": evaluation.vocabulary,
                "folder": str(subject.folder),
                "parameters": found.config.parameters,
                "context": found.config.context,
                "shape": vars(found.config),
                "step": trained.get("step"),
                "corpus": trained.get("fingerprint"),
                "shards": trained.get("shards"),
            },
            "software": {
                **Numerics(engine.device, precision(engine.device)).software(), **libraries(),
                "tokenizers": version("tokenizers"), "webtext": version("webtext"), "python": platform.python_version(),
            },
        }  # fmt: skip
        more = {}
        if shards is not None:
            more[SAMPLES.name] = samples_result(evaluation, shards, limit=limit)
        return write_results(subject.out / RESULTS, results, missing, statement, more=more), subject.out


def _subject(source: Path, run: str, checkpoint: str, corpus: Path | None, out: Path | None) -> Subject:
    check_there(source)
    if is_model_folder(source):
        found = find_model(source)
        name = source.resolve().name
        return Subject(source, corpus, out or Path("webtext-eval") / f"{name}-{found.identity()[:8]}")
    folder = open_models(source).checkpoint(run=run, which=checkpoint)
    return Subject(folder, corpus or source, out or run_folder(source, run) / EVAL / folder.name)


def _overlaps(path: Path | None, corpus: Path | None, *, needed: bool) -> Overlaps:
    older = False
    if path is None and corpus is not None:
        kept, holds = kept_overlap(corpus)
        path, older = (kept, False) if holds else (None, kept is not None)
    if path is not None:
        return Overlaps.read(path)
    hint = f"webtext overlap {corpus or 'CORPUS'} SET… finds it"
    if needed:
        what = f"{OVERLAP_NAME} is of an older clean/" if older else "nothing says which examples the corpus holds"
        raise UsageError(what, where="--without-overlap", hint=hint)
    if older:
        say(f"eval: {corpus}/{OVERLAP_NAME} is of an older clean/ and is not used; {hint}")
    return Overlaps()


def _fetch(tasks: Sequence[Task], data: Path) -> None:
    for name, task in {task.data: task for task in tasks}.items():
        try:
            find_set(task, data) if data.is_dir() else None
            there = data.is_dir()
        except MissingSet:
            there = False
        if not there:
            try:
                fetch(name, data)
            except WebtextError as error:  # the others are scored
                say(f"{task.title}: {error}")
