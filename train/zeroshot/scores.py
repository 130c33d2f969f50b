"""Means, ratios and their standard errors. Which numbers go in is the tasks' business."""

from __future__ import annotations

import math
from collections.abc import Sequence

from webtext.train.zeroshot.task import Score


def mean(values: Sequence[float], *, scale: float = 1.0) -> Score:
    """The mean, times `scale`, with the standard error of a sample."""
    count = len(values)
    if not count:
        return Score(math.nan, None, 0)
    middle = math.fsum(values) / count
    error = None
    if count > 1:
        error = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (count - 1) / count) * scale
    return Score(middle * scale, error, count)


def percent(hits: Sequence[bool | float]) -> Score:
    """The share of hits in per cent."""
    return mean([float(hit) for hit in hits], scale=100.0)


def ratio(tops: Sequence[float], bottoms: Sequence[float]) -> Score:
    """sum(tops) / sum(bottoms), with the standard error of a ratio (Cochran 1977, section 2.11)."""
    bottom = math.fsum(bottoms)
    if not bottom:
        return Score(math.nan, None, 0)
    value, count = math.fsum(tops) / bottom, len(tops)
    error = None
    if count > 1:
        square = math.fsum((a - value * b) ** 2 for a, b in zip(tops, bottoms, strict=True))
        error = math.sqrt(square * count / (count - 1)) / bottom
    return Score(value, error, count)


def perplexity(losses: Sequence[float], units: Sequence[float]) -> Score:
    """exp(sum of losses / sum of units); infinity where that is no float any more. The error by the delta method."""
    inner = ratio(losses, units)
    value = math.exp(inner.value) if inner.value < 700 else math.inf
    return Score(value, None if inner.error is None else value * inner.error, inner.count)


def bits(losses: Sequence[float], units: Sequence[float]) -> Score:
    """Losses in bits, per unit."""
    inner = ratio(losses, units)
    two = math.log(2)
    return Score(inner.value / two, None if inner.error is None else inner.error / two, inner.count)
