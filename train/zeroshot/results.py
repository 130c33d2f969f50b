"""What an evaluation found, and the file that says so: scores beside all that they depend on.

Also what `webtext overlap` found of the same sets, which stands beside the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import read_json, write_json
from webtext.corpus.testsets.example import TestSet
from webtext.train.zeroshot.sources import MissingSet
from webtext.train.zeroshot.task import Score, Task

RESULTS = "results.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Result:
    """A task's scores, and what they are of."""

    task: Task
    data: Mapping[str, Any]
    """Name, split, files and sha256 of the test set."""
    scores: Mapping[str, Score]
    facts: Mapping[str, Any]
    limit: int | None
    without_overlap: Mapping[str, Score] | None = None
    left_out: int = 0
    """Examples that `without_overlap` leaves out."""
    overlap: float | None = None
    """Per cent of the set's 8-grams that the corpus holds."""

    @property
    def main(self) -> Score:
        """The score that stands in the table."""
        return (self.without_overlap or self.scores)[self.task.metric]

    def to_json(self) -> dict[str, Any]:
        def plain(found: Mapping[str, Score] | None) -> dict[str, Any] | None:
            return None if found is None else {name: score.to_json() for name, score in found.items()}

        return {
            "protocol": self.task.to_json(),
            "data": dict(self.data),
            "limit": self.limit,
            "scores": plain(self.scores),
            "facts": dict(self.facts),
            "overlap": self.overlap,
            "without_overlap": plain(self.without_overlap),
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Overlaps:
    """What `webtext overlap` found of test sets: per cent, and the examples of which something was found."""

    shares: Mapping[str, float] = field(default_factory=dict)
    """By the sha256 of the set, then by name and split."""
    examples: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By sha256."""

    @classmethod
    def read(cls, path: Path) -> Overlaps:
        """What `webtext overlap --json` printed.

        Raises:
            DamagedFile: another file.
        """
        found = read_json(path)
        try:
            sets = found["sets"]
            shares = {f"{one['name']} {one['split']}": float(one["share"]) for one in sets}
            shares |= {one["sha256"]: float(one["share"]) for one in sets}
            examples = {one["sha256"]: frozenset(example["id"] for example in one["examples"]) for one in sets}
        except (KeyError, TypeError, ValueError) as error:
            hint = "webtext overlap CORPUS SET… --json writes one"
            raise DamagedFile(f"is no result of webtext overlap ({error!r})", where=path, hint=hint) from error
        return cls(shares, examples)

    def share(self, found: TestSet) -> float | None:
        return self.shares.get(found.sha256, self.shares.get(f"{found.name} {found.split}"))


def write_results(
    path: Path,
    results: Sequence[Result],
    missing: Sequence[WebtextError],
    statement: Mapping[str, Any],
    *,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """results.json: tasks of earlier calls for the same model stay, those of this call replace theirs.

    Args:
        statement: what all tasks have in common: model, software.
        more: results that were made elsewhere, as JSON by task.
    """
    before: dict[str, Any] = {}
    if path.is_file():
        try:
            held = read_json(path)
        except DamagedFile:
            held = None
        if isinstance(held, dict) and held.get("model") == statement["model"]:
            before = dict(held.get("tasks") or {})
    tasks = {**before, **{result.task.key: result.to_json() for result in results}, **(more or {})}
    absent = [{"what": _what(error), "how": error.hint or "get it anew"} for error in missing]
    value = {"schema_version": SCHEMA_VERSION, **statement, "tasks": tasks, "missing": absent}
    write_json(path, value)
    return value


def _what(error: WebtextError) -> str:
    """Of a set that is not there, which; of a damaged one, the file too."""
    return error.message if isinstance(error, MissingSet) or error.where is None else f"{error.where}: {error.message}"
