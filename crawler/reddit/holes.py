"""Months of Reddit whose scores were taken at posting: karma selects nothing there, and nothing says so.

The dumps of 2023-08 to 2023-10 and of 2024-03 hold the scores of the first seconds, when every submission has its
author's one point: their means are 1.00 to 1.96, where other months have 5.3 (2005-07) to 57 (2017-10). Read as they
are, they give almost no link, which looks like a quiet month.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from webtext.corpus.outcomes import LossAlarm

KARMA = 3
"""The paper's least karma: `at_least_3` counts by it whatever the settings are, so that months can be compared."""

KNOWN_HOLES = ("2023-08", "2023-09", "2023-10", "2024-03")
"""By the mean scores of the monthly dumps of 2005-06 to 2026-01: 1.01, 1.00, 1.00 and 1.96."""

# A dump of a known month that someone has read again later has ordinary scores, and is none.
KNOWN_MEAN, KNOWN_LEAST = 3.0, 100
# Elsewhere only a mean that nothing else explains, in numbers in which one subreddit of bots does not count.
UNKNOWN_MEAN, UNKNOWN_LEAST = 2.0, 10_000


class Month(TypedDict):
    """What is counted of a month: its submissions that have a score, the sum of these, and how many are 3 or more."""

    submissions: int
    score_sum: int
    at_least_3: int


def hole(month: str, counts: Mapping[str, int]) -> str:
    """Why the scores of a month (`2023-08`) say nothing; "" where nothing speaks against them."""
    submissions = counts["submissions"]
    if not submissions:
        return ""
    mean = counts["score_sum"] / submissions
    if month in KNOWN_HOLES and submissions >= KNOWN_LEAST and mean < KNOWN_MEAN:
        return f"a known hole: scores were taken at posting (mean {mean:.2f})"
    if submissions >= UNKNOWN_LEAST and mean < UNKNOWN_MEAN:
        return f"a month that looks like scores taken at posting (mean {mean:.2f})"
    return ""


def check_months(months: Mapping[str, Mapping[str, int]], *, where: str, accept_loss: bool) -> None:
    """Stop at a hole.

    Args:
        months: `Month` by name, of one source.
        where: the source, as its user calls it.

    Raises:
        LossAlarm: a month's scores say nothing, and `accept_loss` is not set.
    """
    if accept_loss:
        return
    found = {month: reason for month in sorted(months) if (reason := hole(month, months[month]))}
    if not found:
        return
    first, reason = next(iter(found.items()))
    counts = months[first]
    share = counts["at_least_3"] / counts["submissions"]
    more = f", and {len(found) - 1} more such month(s)" if len(found) > 1 else ""
    raise LossAlarm(
        f"{first} is {reason}: only {share:.1%} of {counts['submissions']:,} submissions have a karma of {KARMA}{more}",
        where=where,
        hint="take a dump whose scores were read later, or run the same command with --accept-loss",
    )
