"""The evaluation as a gate: scores read from files, held against a recorded baseline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors, write_json
from webtext.crawler.text.evaluation import Score, baseline_of, below_baseline, evaluate, read_gold


@dataclass(frozen=True)
class Evaluation:
    """The scores of all extractors, and where ours lie below the baseline."""

    scores: tuple[Score, ...]
    missed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"scores": [score.to_json() for score in self.scores], "missed": list(self.missed)}

    def __str__(self) -> str:
        lines = [f"{'extractor':<18} {'source':<8} {'pages':>6} {'F1':>7} {'P':>7} {'R':>7} {'ms a page':>10}"]
        lines += [
            f"{score.extractor:<18} {score.source:<8} {score.pages:>6,} {score.f1:>7.4f} {score.precision:>7.4f} "
            f"{score.recall:>7.4f} {score.milliseconds:>10.1f}"
            for score in self.scores
        ]
        return "\n".join([*lines, *(f"below the baseline: {line}" for line in self.missed)])


def run_evaluation(
    gold: Path,
    archives: Sequence[Path],
    *,
    baseline: Path | None = None,
    record: Path | None = None,
    peers: Path | None = None,
) -> Evaluation:
    """Evaluate, compare with a baseline, and write one.

    Raises:
        WebtextError: a file that is not there or has another form.
    """
    wanted = {} if baseline is None else _read_baseline(baseline)
    scores = evaluate(read_gold(gold, archives), peers=peers)
    if record is not None:
        write_json(record, baseline_of(scores))
    return Evaluation(tuple(scores), tuple(below_baseline(scores, wanted)))


def _read_baseline(path: Path) -> dict[str, dict[str, float]]:
    with os_errors(path):
        raw = path.read_bytes()
    try:
        return {
            str(source): {str(name): float(value) for name, value in values.items() if name in _NAMES}
            for source, values in json.loads(raw).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise WebtextError(f"is no baseline: {error}", where=path, hint="write one with --record") from error


_NAMES = ("f1", "precision", "recall")
