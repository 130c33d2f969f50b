"""What a dump is like before anything is made of it: per month its lines, nulls, scores and their age.

Pure functions from blocks to counts, and from counts to findings. The walk over files is `webtext.pipelines.doctor`'s.
It reads lines as `webtext.crawler.reddit.submissions` does, and looks at more of their fields.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from webtext.crawler.reddit.blocks import Block
from webtext.crawler.reddit.submissions import Unreadable, parse_block

NULLABLE = ("id", "url", "domain", "subreddit", "score", "created_utc", "is_self", "over_18")
"""The fields whose nulls (and absence) are counted."""

FIRST = 20
"""Unreadable lines that are told with their place; of the others the number."""

NO_MONTH = "none"
"""The month of lines without a time."""

_LATEST = 253_402_300_799  # 9999-12-31
# Bounds of the score's age in seconds, for a median without keeping the ages: steps of a quarter octave to 32 years.
AGES = np.concatenate([[0.0], 2.0 ** np.arange(0, 30, 0.25)])


class _Record(msgspec.Struct, gc=False, rename={"meta": "_meta"}):
    """The fields as they stand in a dump. Any: a wrong type in one field must not cost the line."""

    id: Any = None
    url: Any = None
    domain: Any = None
    subreddit: Any = None
    score: Any = None
    created_utc: Any = None
    is_self: Any = None
    over_18: Any = None
    retrieved_on: Any = None
    meta: Any = None


@dataclass
class MonthCounts:
    """What is counted of the submissions of one month."""

    lines: int = 0
    scored: int = 0
    score_sum: int = 0
    at_least: int = 0
    """Scores at or above the threshold."""
    at_least_3: int = 0
    nsfw: int = 0
    links: int = 0
    """Not self posts, and with a URL."""
    nulls: dict[str, int] = field(default_factory=dict)
    ages: dict[int, int] = field(default_factory=dict)
    """Between posting and reading of the score: how many in each step of `AGES`."""

    def add(self, other: MonthCounts) -> None:
        """Count another part of the same month."""
        for name in ("lines", "scored", "score_sum", "at_least", "at_least_3", "nsfw", "links"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, count in other.nulls.items():
            self.nulls[name] = self.nulls.get(name, 0) + count
        for step, count in other.ages.items():
            self.ages[step] = self.ages.get(step, 0) + count

    @property
    def age(self) -> float | None:
        """The median age of the scores in seconds, to a fifth; None where no line says when its score was read."""
        half = sum(self.ages.values()) / 2
        for step, count in sorted(self.ages.items()):
            half -= count
            if half <= 0:
                return float(AGES[step])
        return None


@dataclass
class PieceCounts:
    """What is counted of one piece of a source."""

    lines: int = 0
    blank: int = 0
    size: int = 0
    """Decompressed bytes."""
    unreadable: int = 0
    first: list[tuple[int, int, str]] = field(default_factory=list)
    """Line (1-based), byte offset in the decompressed piece, and why: of the first unreadable lines."""
    lost: list[str] = field(default_factory=list)
    """Parts that could not be read at all."""
    months: dict[str, MonthCounts] = field(default_factory=dict)

    def add(self, other: PieceCounts) -> None:
        """Count the piece that follows."""
        self.first += [(self.lines + line, self.size + place, why) for line, place, why in other.first]
        del self.first[FIRST:]
        self.lines += other.lines
        self.blank += other.blank
        self.size += other.size
        self.unreadable += other.unreadable
        self.lost += other.lost
        for month, counts in other.months.items():
            self.months.setdefault(month, MonthCounts()).add(counts)


def count_block(block: Block, min_karma: int) -> PieceCounts:
    """What is counted of one block."""
    if block.lost:
        return PieceCounts(lost=[block.lost])
    records: list[_Record] = []
    counts = PieceCounts(size=len(block.data))
    place = number = 0
    decode = msgspec.json.Decoder(_Record).decode
    lines = block.data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            if not line.isascii():
                line.decode()
            records.append(decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = _reread(line)
            if found is None:
                counts.blank += 1
            elif isinstance(found, str):
                counts.unreadable += 1
                if len(counts.first) < FIRST:
                    counts.first.append((number, place, found))
            else:
                records.append(found)
        place += len(line) + 1
    counts.lines = number
    counts.months = _by_month(records, min_karma)
    return counts


def _reread(line: bytes) -> _Record | str | None:
    """A line that msgspec refuses: its fields after all, why it holds none, or None for a blank one."""
    entries = parse_block(line).entries
    if not entries:
        return None
    if isinstance(entries[0], Unreadable):
        return entries[0].reason
    found = json.loads(line)
    return _Record(**{name: found.get("_meta" if name == "meta" else name) for name in _Record.__struct_fields__})


def _by_month(records: Sequence[_Record], min_karma: int) -> dict[str, MonthCounts]:
    if not records:
        return {}
    column = {name: list(map(operator.attrgetter(name), records)) for name in NULLABLE}
    created = _numbers(column["created_utc"])
    created[~((created > 0) & (created <= _LATEST))] = np.nan
    score = _numbers(column["score"])
    age = _numbers([_read_on(record) for record in records]) - created
    nsfw = np.array([value is True for value in column["over_18"]])
    link = np.array([not is_self and bool(url) for is_self, url in zip(column["is_self"], column["url"], strict=True)])
    nulls = {name: np.array([value is None for value in column[name]]) for name in NULLABLE if None in column[name]}
    # datetime64 knows the calendar: months since 1970, -1 for none.
    month = np.where(np.isnan(created), 0, created).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    month[np.isnan(created)] = -1
    found: dict[str, MonthCounts] = {}
    for value in np.unique(month):
        here = month == value
        scores = score[here & ~np.isnan(score)]
        ages = age[here & (age >= 0)]
        steps, many = np.unique(np.searchsorted(AGES, ages, side="right") - 1, return_counts=True)
        name = NO_MONTH if value < 0 else str(np.datetime64(int(value), "M"))
        found[name] = MonthCounts(
            lines=int(here.sum()),
            scored=len(scores),
            score_sum=int(scores.sum()),
            at_least=int((scores >= min_karma).sum()),
            at_least_3=int((scores >= 3).sum()),
            nsfw=int((nsfw & here).sum()),
            links=int((link & here).sum()),
            nulls={name: int(n) for name, null in nulls.items() if (n := (null & here).sum())},
            ages={int(step): int(count) for step, count in zip(steps, many, strict=True)},
        )
    return found


def _read_on(record: _Record) -> Any:
    """When the score was read. Since 2023-11 it is read a second time, about 36 hours after posting."""
    second = record.meta.get("retrieved_2nd_on") if isinstance(record.meta, dict) else None
    return second if second is not None else record.retrieved_on


def _numbers(values: list[Any]) -> npt.NDArray[np.float64]:
    """Whole numbers out of what a dump may have in their place; NaN where there is none."""
    try:
        found = np.array(values, np.float64)
        if found.ndim == 1:  # lists in all places make a table
            return found
    except (TypeError, ValueError):
        pass
    return np.array([_number(value) for value in values], np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan
