"""Runs tasks over a model, keeps every example's record in files, and goes on where it was stopped.

```
OUT/
  results.json              protocols, data, model, scores: all that a number depends on
  examples/TASK.jsonl       one line an item: example, record
  work/KEY/part-….json      parts of a task under way; gone when it is done
```

KEY is the hash of everything a record depends on (protocol, data, weights, vocabulary, limit), so a part that exists is
not scored again, and no other model's part is taken for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import identity_of, write_bytes
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import progress, say
from webtext.corpus.testsets.example import TestSet
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job, Record
from webtext.train.zeroshot.jobs import make_job
from webtext.train.zeroshot.results import Overlaps, Result
from webtext.train.zeroshot.sources import find_set
from webtext.train.zeroshot.task import Task

RULES = 1
"""Rises with what a record holds."""
EXAMPLES, WORK = "examples", "work"


@dataclass(frozen=True)
class Evaluation:
    """Where and how tasks are run. `out` is locked by the caller."""

    engine: Engine
    model: str
    """The identity of the weights."""
    vocabulary: str
    data: Path
    out: Path
    limit: int | None = None
    overlaps: Overlaps = field(default_factory=Overlaps)
    without_overlap: bool = False
    stop: Stop | None = None

    def run(self, tasks: Sequence[Task]) -> tuple[list[Result], list[WebtextError]]:
        """The results of the tasks whose data is there and whole; and of each other set what is wrong with it.

        Raises:
            Interrupted: the user asked to stop; the parts done are kept.
        """
        found: list[tuple[Task, TestSet]] = []
        wrong: list[WebtextError] = []
        for task in tasks:
            try:
                found.append((task, find_set(task, self.data)))
            except WebtextError as error:
                wrong.append(error)
        results = []
        for number, (task, one) in enumerate(found, start=1):
            try:
                job = make_job(task, one, self.engine, limit=self.limit)
            except WebtextError as error:  # its layout; the other sets may be whole
                wrong.append(error)
                continue
            results.append(self._task(task, one, job, f"{task.key} ({number}/{len(found)})"))
        return results, wrong

    def key(self, task: Task, found: TestSet) -> str:
        """What the records of a task depend on."""
        record = [task.to_json(), found.sha256, found.split, found.kind]
        return identity_of([RULES, record, self.model, self.vocabulary, self.limit])

    def _task(self, task: Task, found: TestSet, job: Job, label: str) -> Result:
        records = self.records(task, self.key(task, found), job, label)
        overlapping = self.overlaps.examples.get(found.sha256)
        without, left_out = None, 0
        if self.without_overlap and overlapping is not None:
            left_out = len(set(job.examples) & overlapping)
            without = job.summarise(records, overlapping)
        elif self.without_overlap:
            say(f"{task.key}: nothing is known of what {found.name} shares with the corpus, all of it is scored")
        return Result(
            task,
            {
                "name": found.name, "split": found.split, "kind": found.kind, "sha256": found.sha256,
                "files": [_shown(path, self.data) for path in found.files[:3]], "file_count": len(found.files),
            },
            job.summarise(records, frozenset()),
            job.facts,
            self.limit,
            without,
            left_out,
            self.overlaps.share(found),
        )  # fmt: skip

    def records(self, task: Task, key: str, job: Job, label: str) -> dict[int, Record]:
        """The records of all items of a job, from files where they are there, scored where they are not.

        Raises:
            Interrupted: the user asked to stop; the parts done are kept.
        """
        name = task.key.replace(":", "-")
        done = self.out / EXAMPLES / f"{name}.jsonl"
        work = self.out / WORK / key[:32]
        if (records := _finished(done, key)) is not None:
            _clear(work)  # what a kill just before may have left
            return records
        records = {}
        items = sum(map(len, job.parts))
        with progress(self.out, f"eval {label}", items, "windows" if task.windows else "examples") as shown:
            for number, part in enumerate(job.parts):
                path = work / f"part-{number:05}.json"
                scored = _part(path, len(part))
                if scored is None:
                    if self.stop is not None and self.stop.requested:
                        raise self.stop.error()
                    scored = job.score(part)
                    write_bytes(path, json.dumps(scored).encode())
                    fault_point("eval.part")
                records.update(zip(part, scored, strict=True))
                shown.add(len(part))
        lines = [json.dumps({"key": key, "items": items})]
        lines += [json.dumps({"example": job.examples[item], "record": records[item]}) for item in sorted(records)]
        write_bytes(done, ("\n".join(lines) + "\n").encode())
        fault_point("eval.task")
        _clear(work)
        # From the file, as the next time: a number is the same whether it was just computed or read.
        return _finished(done, key) or records


def _clear(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):
        work.parent.rmdir()


def _part(path: Path, count: int) -> list[Record] | None:
    """The records of a part that is there; a damaged one is scored again."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) and len(found) == count else None


def _finished(path: Path, key: str) -> dict[int, Record] | None:
    """The records of a finished task, if they are of this key and whole."""
    try:
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
        head = json.loads(lines[0])
        if head.get("key") != key or head.get("items") != len(lines) - 1:
            return None
        return {item: json.loads(line)["record"] for item, line in enumerate(lines[1:])}
    except (OSError, ValueError, IndexError, KeyError, AttributeError):
        return None


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
