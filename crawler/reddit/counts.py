"""What is counted of a source while its lines are judged: numbers, months, and where the unreadable lines are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LINES = "lines"
BLANK = "blank_lines"
OBJECTS = "objects"
SUBMISSIONS = "submissions"
"""Objects that look like submissions and not, say, like comments."""

LOST_BYTES = "lost_bytes"
"""Bytes of the file that could not be read at all."""

FIRST_UNREADABLE = 20


@dataclass
class Counts:
    """The counts of some consecutive lines."""

    numbers: Counter[str] = field(default_factory=Counter)
    """`LINES` (all), `BLANK`, `OBJECTS`, `SUBMISSIONS`, and one for each outcome that a line has by itself."""
    months: dict[str, Counter[str]] = field(default_factory=dict)
    """By month ("2023-08"), of the submissions with a score and a time: "submissions", "score_sum", "at_least_3"."""
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    """The first unreadable lines (1-based), and why they are."""

    def add(self, further: Counts) -> None:
        """Add the counts of the lines that follow."""
        before = self.numbers[LINES]
        room = FIRST_UNREADABLE - len(self.unreadable)
        self.unreadable += [(before + line, reason) for line, reason in further.unreadable[:room]]
        self.numbers.update(further.numbers)
        self.add_months(further.months)

    def add_months(self, further: Mapping[str, Counter[str]]) -> None:
        """Add to `months`."""
        for month, counted in further.items():
            self.months.setdefault(month, Counter()).update(counted)

    def to_json(self) -> dict[str, Any]:
        """What counts.json holds."""
        return {
            **self.numbers,
            "months": {month: dict(self.months[month]) for month in sorted(self.months)},
            "unreadable_first": [[line, reason] for line, reason in self.unreadable],
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Counts:
        """What `to_json` gave."""
        numbers = Counter({name: count for name, count in stored.items() if isinstance(count, int)})
        months = {month: Counter(counted) for month, counted in stored["months"].items()}
        return cls(numbers, months, [(line, reason) for line, reason in stored["unreadable_first"]])


def sum_of(parts: Iterable[Counts]) -> Counts:
    """The counts of consecutive parts together."""
    total = Counts()
    for part in parts:
        total.add(part)
    return total


def by_month(times: Sequence[int], scores: Sequence[int]) -> dict[str, Counter[str]]:
    """`Counts.months` of submissions posted at `times` (seconds since 1970, UTC) with `scores`."""
    months = np.array(times, dtype="datetime64[s]").astype("datetime64[M]").astype(np.int64)
    values = np.array(scores, dtype=np.int64)
    found, place = np.unique(months, return_inverse=True)
    total = np.zeros(len(found), np.int64)
    np.add.at(total, place, values)
    number = np.bincount(place, minlength=len(found))
    enough = np.bincount(place, values >= 3, minlength=len(found))
    return {
        str(month.astype("datetime64[M]")): Counter(
            submissions=int(number[row]), score_sum=int(total[row]), at_least_3=int(enough[row])
        )
        for row, month in enumerate(found)
    }
