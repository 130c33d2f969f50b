"""The loss of a run as a picture: runs/NAME/loss.svg, drawn anew at every checkpoint.

Plain SVG, written here: a plotting library would be a large dependency for two lines and some ticks, and its files
differ from version to version. The same log gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from webtext.corpus.files import write_bytes

PLOT = "loss.svg"
WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 32, 40
MOST_POINTS = 800  # one a pixel: more would not be seen
SMOOTH = 0.05
"""Weight of a step in the smooth line: an exponential mean over about twenty of them."""

Points = Sequence[tuple[float, float]]


def write_plot(run: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """Draw the losses of a log into the run's folder; give the file."""
    write_bytes(run / PLOT, loss_plot(lines, title=f"run {run.name}").encode())
    return run / PLOT


def loss_plot(lines: Iterable[Mapping[str, Any]], *, title: str) -> str:
    """An SVG of training and validation loss by step; skipped steps are marked."""
    train: list[tuple[float, float]] = []
    validation: list[tuple[float, float]] = []
    skipped: list[float] = []
    for line in lines:
        if line.get("skipped"):
            skipped.append(line["step"])
        elif line.get("loss") is not None:
            train.append((line["step"], line["loss"]))
        if line.get("val_loss") is not None:
            validation.append((line["step"], line["val_loss"]))
    values = [value for _, value in (*train, *validation)]
    if not values:
        return _svg(title, ['<text x="400" y="200" text-anchor="middle">no step yet</text>'])
    last = max(step for step, _ in (*train, *validation))
    low, high = min(values), max(values)
    margin = max((high - low) * 0.05, 1e-3)
    low, high = low - margin, high + margin

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(last, 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    def line_of(points: Points, style: str) -> str:
        places = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
        return f'<polyline fill="none" {style} points="{places}"/>'

    parts = []
    for tick in ticks(low, high):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks(0, last):
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,g}</text>')
    parts += [
        f'<line x1="{x(step):.1f}" x2="{x(step):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#d62728" '
        'stroke-dasharray="2 3"/>'
        for step in skipped[:MOST_POINTS]
    ]
    parts.append(line_of(thinned(train), 'stroke="#9ecae1" stroke-width="1"'))
    parts.append(line_of(thinned(smoothed(train)), 'stroke="#08519c" stroke-width="2"'))
    parts.append(line_of(validation, 'stroke="#e6550d" stroke-width="2"'))
    parts += [f'<circle cx="{x(step):.1f}" cy="{y(value):.1f}" r="3" fill="#e6550d"/>' for step, value in validation]
    legend = [("#08519c", "training"), ("#e6550d", "validation"), *([("#d62728", "skipped")] if skipped else [])]
    for number, (colour, name) in enumerate(legend):
        parts.append(f'<text x="{WIDTH - RIGHT - 90 * (number + 1)}" y="20" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">step</text>')
    return _svg(f"{title}: loss, nats a token", parts)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two: some five of them, steps of 1, 2 or 5 times a power of ten."""
    rough = max(high - low, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 10) for number in range(first, math.floor(high / step) + 1)]


def smoothed(points: Points) -> list[tuple[float, float]]:
    """The exponential mean of the values, without a bias towards the first."""
    found, mean, weight = [], 0.0, 0.0
    for step, value in points:
        mean, weight = (1 - SMOOTH) * mean + SMOOTH * value, (1 - SMOOTH) * weight + SMOOTH
        found.append((step, mean / weight))
    return found


def thinned(points: Points) -> list[tuple[float, float]]:
    """At most `MOST_POINTS` means of neighbours."""
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(step for step, _ in group) / len(group), sum(value for _, value in group) / len(group)) for group in groups
    ]


def _svg(title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n<text x="{LEFT}" y="20">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
