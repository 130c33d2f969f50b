"""Months whose scores were taken at posting."""

from __future__ import annotations

import pytest

from webtext.corpus.outcomes import LossAlarm
from webtext.crawler.reddit.holes import check_months, hole


def month(submissions: int, mean: float, share: float = 0.1) -> dict[str, int]:
    return {
        "submissions": submissions,
        "score_sum": round(submissions * mean),
        "at_least_3": round(submissions * share),
    }


@pytest.mark.parametrize(
    ("name", "submissions", "mean", "told"),
    [
        # the means of these months as they were published
        ("2023-08", 38_000_000, 1.01, "a known hole"), ("2023-09", 38_000_000, 1.00, "a known hole"),
        ("2023-10", 38_000_000, 1.00, "a known hole"), ("2024-03", 38_000_000, 1.96, "a known hole"),
        ("2023-06", 38_000_000, 39.9, ""), ("2023-07", 38_000_000, 10.2, ""), ("2005-06", 103, 9.18, ""),
        ("2005-07", 1_079, 5.31, ""), ("2024-01", 38_000_000, 25.54, ""),
        ("2026-02", 38_000_000, 1.2, "a month that looks like"),
        ("2023-08", 38_000_000, 25.0, ""),  # a dump that was read again
        ("2023-08", 500, 1.0, "a known hole"),  # one subreddit's
        ("2023-08", 50, 1.0, ""), ("2019-01", 9_999, 1.0, ""), ("2023-08", 0, 0.0, ""),
    ],
)  # fmt: skip
def test_which_months_are_holes(name: str, submissions: int, mean: float, told: str) -> None:
    found = hole(name, month(submissions, mean))
    assert found.startswith(told) and bool(found) == bool(told)


def test_a_hole_stops_and_says_what_to_do() -> None:
    months = {"2023-07": month(10_000, 10.2), "2023-08": month(10_000, 1.01, 0.002), "2023-09": month(10_000, 1.0)}
    with pytest.raises(LossAlarm) as caught:
        check_months(months, where="RS.zst", accept_loss=False)
    assert str(caught.value) == (
        "RS.zst: 2023-08 is a known hole: scores were taken at posting (mean 1.01): only 0.2% of 10,000 submissions "
        "have a karma of 3, and 1 more such month(s)\n"
        "  take a dump whose scores were read later, or run the same command with --accept-loss"
    )
    check_months(months, where="RS.zst", accept_loss=True)
    check_months({"2023-07": months["2023-07"]}, where="RS.zst", accept_loss=False)
