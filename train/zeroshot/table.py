"""The paper's table with a row of one's own: for a terminal, in Markdown, as JSON.

Turned: the paper has a row a model, here it is a column, so that it fits a terminal.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from webtext.train.zeroshot.paper import MODELS, ROWS, Row

HEAD = ("", "unit", "yours", "±", *MODELS, "before", "overlap %", "n")
DROPPED = ("345M", "762M", "overlap %", "before", "±")
"""What a narrow terminal does without, in this order."""
DASH = "—"


def rows(results: Mapping[str, Any]) -> list[list[str]]:
    """The cells of each row for which there is a score.

    Args:
        results: results.json.
    """
    return [
        [
            row.label + _doubt(task),
            row.unit,
            _number(score["value"], infinite=True),
            _number(score["error"]),
            *(_number(value) for value in row.sizes),
            _number(row.before),
            _number(task["overlap"]),
            f"{score['count']:,}",
        ]
        for row, task, score in _found(results)
    ]


def _found(results: Mapping[str, Any]) -> list[tuple[Row, Mapping[str, Any], Mapping[str, Any]]]:
    found = []
    for row in ROWS:
        task = results["tasks"].get(row.task)
        scores = None if task is None else task["without_overlap"] or task["scores"]
        if task is not None and scores is not None and row.score in scores:
            found.append((row, task, scores[row.score]))
    return found


def _doubt(task: Mapping[str, Any]) -> str:
    """What makes a number another than the paper's: another split, not all examples, some left out."""
    marks = []
    if task["data"]["split"] != task["protocol"]["split"]:
        marks.append(f"{task['data']['split']} set")
    if task["limit"] is not None:
        marks.append("sample")
    if task["without_overlap"] is not None:
        marks.append(f"{task['left_out']:,} left out")
    return f" [{', '.join(marks)}]" if marks else ""


def _number(value: float | None, *, infinite: bool = False) -> str:
    if value is None:
        return "∞" if infinite else DASH
    if not math.isfinite(value):
        return DASH
    if abs(value) >= 100_000:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2f}"


def terminal(results: Mapping[str, Any], *, width: int | None = None) -> str:
    """Columns that line up, and what stands below them.

    Args:
        width: of the terminal; what has no room there (`DROPPED`) is left out, and said.
    """
    cells = [list(HEAD), *rows(results)]
    dropped: list[str] = []
    while width is not None and len(lined_up(cells)[0]) > width and len(dropped) < len(DROPPED):
        place = cells[0].index(DROPPED[len(dropped)])
        dropped.append(cells[0][place])
        cells = [[*row[:place], *row[place + 1 :]] for row in cells]
    below = notes(results)
    if dropped:
        below.append(f"not shown, for want of room: {', '.join(dropped)} (a wider terminal, --markdown, --json)")
    if width is not None:
        below = [textwrap.fill(note, width, subsequent_indent="  ", break_on_hyphens=False) for note in below]
    shown = [*(line.rstrip() for line in lined_up(cells)), ""] if len(cells) > 1 else []  # samples have no row
    return "\n".join([*shown, *below])


def lined_up(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of equal length, the first two columns from the left, numbers from the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def markdown(results: Mapping[str, Any]) -> str:
    """The same as a Markdown table."""
    cells = rows(results)
    lines = [
        f"| {' | '.join(HEAD)} |",
        f"|---|---|{'---:|' * (len(HEAD) - 2)}",
        *(f"| {' | '.join(row)} |" for row in cells),
        "",
    ]
    return "\n".join([*(lines if cells else []), *(f"- {note}" for note in notes(results))]) + "\n"


def notes(results: Mapping[str, Any]) -> list[str]:
    """What model it is, what is missing, and how to get it."""
    model = results["model"]
    facts = [
        f"{model['parameters']:,} parameters",
        f"context {model['context']:,}",
        f"weights {model['identity'][:12]}",
    ]
    if model.get("step") is not None:
        facts.append(f"step {model['step']:,} of a run on the corpus {str(model.get('corpus'))[:12]}")
    told = [f"yours: {', '.join(facts)}"]
    if model["context"] < 1024:
        told.append("a context below the paper's 1,024 cuts prompts: how many stands in results.json")
    told += _samples(results["tasks"].get("samples"))
    told += dict.fromkeys(f"{missing['what']}: {missing['how']}" for missing in results["missing"])
    if any(task["overlap"] is None for name, task in results["tasks"].items() if name != "samples"):
        told.append("overlap: webtext overlap CORPUS SET… finds it, eval then tells it")
    return told


def _samples(task: Mapping[str, Any] | None) -> list[str]:
    if task is None:
        return []
    scores = task["scores"]
    written, real = scores["found_written"], scores["found_held_out"]
    shares = [f"{_number(found['value'])} % (± {_number(found['error'])})" for found in (written, real)]
    told = [
        f"samples: the corpus holds {shares[0]} of the 8-grams that the model wrote, {shares[1]} of those of held-out "
        f"text; {written['count']:,} text{'s' if written['count'] != 1 else ''} each"
    ]
    for name, label in (("longest_written", "the model"), ("longest_held_out", "held-out text")):
        run = scores[name]
        if run is not None:
            words = run["words"] if len(run["words"]) <= 80 else f"{run['words'][:80]}…"
            told.append(f"longest run copied by {label}: {run['length']} words of {run['url']}: {words}")
    return told


def as_json(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One object a row: for programs."""
    return [
        {
            "label": row.label,
            "task": row.task,
            "score": row.score,
            "unit": row.unit,
            "yours": score,
            "paper": dict(zip(MODELS, row.sizes, strict=True)),
            "before": row.before,
            "overlap": task["overlap"],
        }
        for row, task, score in _found(results)
    ]


def headline(results: Sequence[Any]) -> str:
    """The scores of the tasks in one line: for a log."""
    return ", ".join(f"{result.task.key} {result.main.value:,.4g}" for result in results)
