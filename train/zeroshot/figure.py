"""Scores against parameters, as in the paper's Figure 1: one panel a task, the paper's models and one's own."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import write_bytes
from webtext.train.zeroshot.paper import MODELS
from webtext.train.zeroshot.table import as_json

COLUMNS = 4


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Write a figure of all tasks that have a score; the ending of `path` (.svg, .png, .pdf) says in what.

    Raises:
        WebtextError: there is no score, or no such kind of figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = [row for row in as_json(results) if row["yours"]["value"] is not None]
    if not found:
        raise WebtextError("no task has a score: there is nothing to draw", where=path)
    lines = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 2.6 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, COLUMNS, squeeze=False).flat
    own = results["model"]["parameters"]
    for row, panel in zip(found, panels, strict=False):  # in this order none of the panels left over is taken
        known = [(MODELS[name], value) for name, value in row["paper"].items() if value is not None]
        if known:
            panel.plot(*zip(*known, strict=True), marker="o", color="tab:blue", label="GPT-2 (paper)")
        if row["before"] is not None:
            panel.axhline(row["before"], linestyle="--", color="gray", label="before")
        panel.errorbar(
            [own], [row["yours"]["value"]], yerr=row["yours"]["error"] or 0, marker="*", color="tab:red", label="yours"
        )
        panel.set_xscale("log")
        values = [row["yours"]["value"], *(value for _, value in known)]
        if row["unit"] == "ppl" and max(values) > 10 * min(values):
            panel.set_yscale("log")
        panel.set_title(f"{row['label']} ({row['unit']})", fontsize=9)
        panel.tick_params(labelsize=7)
        panel.set_xlabel("parameters", fontsize=7)
        panel.legend(fontsize=6)
    for panel in panels:
        panel.set_visible(False)
    stream = io.BytesIO()
    try:
        figure.savefig(stream, format=path.suffix.removeprefix(".") or "svg", metadata=_undated(path))
    except ValueError as error:
        raise WebtextError(
            f"matplotlib writes no such figure ({error})", where=path, hint="name an .svg or .png"
        ) from error
    write_bytes(path, stream.getvalue())


def _undated(path: Path) -> dict[str, None] | None:
    return {"Date": None} if path.suffix in (".svg", "") else None
