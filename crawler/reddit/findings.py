"""What `webtext doctor` says: the months of all sources, each source's wholeness, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from webtext.corpus.outcomes import ALARM_LIMITS, ALARM_ROWS, Outcome, Stage
from webtext.crawler.reddit.doctor import NO_MONTH, NULLABLE, MonthCounts, PieceCounts
from webtext.crawler.reddit.holes import KARMA, hole

UNREADABLE_LIMIT = ALARM_LIMITS[Stage.LINKS, Outcome.UNREADABLE]
"""The share of unreadable lines from which `links` stops."""


@dataclass(frozen=True)
class FileFindings:
    """One source, looked through."""

    name: str
    kind: str
    damage: str
    """Why it is not whole; "" where it is."""
    counts: PieceCounts

    @property
    def month(self) -> str:
        """The month of most of its lines: where lines that tell none are shown."""
        months = self.counts.months
        return max(months, key=lambda name: (months[name].lines, name)) if months else NO_MONTH


@dataclass(frozen=True)
class Findings:
    """All sources, looked through."""

    min_karma: int
    files: Sequence[FileFindings]

    @property
    def months(self) -> dict[str, MonthCounts]:
        """The months of all sources together, in order."""
        found: dict[str, MonthCounts] = {}
        for file in self.files:
            for month, counts in file.counts.months.items():
                found.setdefault(month, MonthCounts()).add(counts)
        return dict(sorted(found.items()))

    @property
    def problems(self) -> list[str]:
        """What `links` would stop at without --accept-loss."""
        return [*self._of_files(), *self._of_months()]

    def _of_files(self) -> Iterator[str]:
        for file in self.files:
            if file.damage:
                yield f"{file.name}: {file.damage}"
            rows = file.counts.lines - file.counts.blank
            if rows >= ALARM_ROWS and file.counts.unreadable > UNREADABLE_LIMIT * rows:
                yield f"{file.name}: {file.counts.unreadable / rows:.1%} of its lines cannot be read"

    def _of_months(self) -> Iterator[str]:
        for month, counts in self.months.items():
            if month != NO_MONTH and (why := hole(month, _hole_counts(counts))):
                yield f"{month} is {why}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "min_karma": self.min_karma,
            "months": {name: _month_json(counts) for name, counts in self.months.items()},
            "files": [_file_json(file) for file in self.files],
            "problems": self.problems,
        }

    def __str__(self) -> str:
        """A table of 80 columns, and what is wrong below it."""
        bad = dict.fromkeys(self.months, 0)
        cut = dict.fromkeys(self.months, False)
        for file in self.files:
            bad[file.month] = bad.get(file.month, 0) + file.counts.unreadable
            cut[file.month] = cut.get(file.month, False) or bool(file.damage)
        enough = f"≥{self.min_karma}"
        lines = [f"month   {'lines':>12} {'bad':>6} whole  null {'mean':>8} {enough:>6}  nsfw  link {'age':>8}"]
        for name in sorted(bad):
            counts = self.months.get(name, MonthCounts())
            null = max(counts.nulls.get("url", 0), counts.nulls.get("score", 0))
            mean = f"{counts.score_sum / counts.scored:,.2f}" if counts.scored else "-"
            lines.append(
                f"{name:<7} {counts.lines:>12,} {bad[name]:>6,} {'no' if cut[name] else 'yes':<5} "
                f"{_share(null, counts.lines):>5} {mean:>8} {_share(counts.at_least, counts.scored):>6} "
                f"{_share(counts.nsfw, counts.lines):>5} {_share(counts.links, counts.lines):>5} {_age(counts.age):>8}"
            )
        notes = [*self._notes(), *self.problems]
        return "\n".join([*lines, *([""] if notes else []), *notes])

    def _notes(self) -> Iterator[str]:
        for file in self.files:
            if file.counts.first:
                line, place, why = file.counts.first[0]
                yield (
                    f"{file.name}: {file.counts.unreadable:,} unreadable lines, the first is line {line:,} "
                    f"(byte {place:,}): {why}"
                )
        for month, counts in self.months.items():
            nulls = [
                f"{name} {_share(counts.nulls.get(name, 0), counts.lines)}"
                for name in NULLABLE
                if counts.nulls.get(name, 0) > 0.01 * counts.lines and name not in _LATE
            ]
            if nulls:
                yield f"{month}: null or absent: {', '.join(nulls)}"


_LATE = ("domain",)  # told by --json alone: it says what url says


def _hole_counts(counts: MonthCounts) -> dict[str, int]:
    return {"submissions": counts.scored, "score_sum": counts.score_sum, "at_least_3": counts.at_least_3}


def _month_json(counts: MonthCounts) -> dict[str, Any]:
    return {
        "lines": counts.lines,
        "scored": counts.scored,
        "mean_score": counts.score_sum / counts.scored if counts.scored else None,
        "share_at_threshold": counts.at_least / counts.scored if counts.scored else None,
        f"share_at_{KARMA}": counts.at_least_3 / counts.scored if counts.scored else None,
        "nsfw": counts.nsfw,
        "link_posts": counts.links,
        "null": {name: counts.nulls.get(name, 0) for name in NULLABLE},
        "median_score_age_seconds": None if counts.age is None else round(counts.age),
    }


def _file_json(file: FileFindings) -> dict[str, Any]:
    return {
        "name": file.name,
        "kind": file.kind,
        "month": file.month,
        "whole": not file.damage,
        "damage": file.damage,
        "lines": file.counts.lines,
        "blank_lines": file.counts.blank,
        "decompressed_bytes": file.counts.size,
        "unreadable_lines": file.counts.unreadable,
        "first_unreadable": [
            {"line": line, "byte": place, "reason": why} for line, place, why in file.counts.first
        ],
        "months": {name: counts.lines for name, counts in sorted(file.counts.months.items())},
    }  # fmt: skip


def _share(count: int, of: int) -> str:
    if not of:
        return "-"
    share = 100 * count / of
    return f"{share:.1f}%" if 0 < share < 9.95 else f"{share:.0f}%"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for size, unit in ((365.25 * 86_400, "years"), (86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
