"""What a command gives back: small frozen values that print themselves and turn into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from webtext.corpus.manifests import Manifest
from webtext.corpus.progress import say
from webtext.corpus.stages import StageRun


@dataclass(frozen=True)
class StageReport:
    """One finished stage. `made` is False where it stood already and nothing was done."""

    stage: str
    made: bool
    rows_in: int
    rows_out: int
    outcomes: Mapping[str, int]
    identity: str
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest, *, made: bool) -> StageReport:
        """The report of a manifest."""
        return cls(
            stage=str(manifest.stage),
            made=made,
            rows_in=manifest.rows_in,
            rows_out=manifest.rows_out,
            outcomes=dict(manifest.outcomes),
            identity=manifest.identity,
            seconds=float(manifest.run.get("seconds", 0.0)),
            facts=dict(manifest.facts),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Status:
    """Where a corpus is: its stages in order, its fingerprint, its runs, and who writes to it now."""

    corpus: str
    fingerprint: str | None
    stages: tuple[StageReport, ...]
    unfinished: tuple[str, ...]
    runs: Mapping[str, Mapping[str, Any]]
    writer: Mapping[str, object] | None
    progress: Mapping[str, object] | None
    run_notes: Mapping[str, str] = field(default_factory=dict)
    """Of runs that read other shards than those of now."""
    forgetting: bool = False
    """A forgetting was interrupted: no other command runs until it is finished."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `stages` by name."""
        value = asdict(self)
        value["stages"] = {stage.stage: stage.to_json() for stage in self.stages}
        return value

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def report_made(manifest: Manifest) -> StageReport:
    """Say that a stage was made, and what came of it."""
    report = StageReport.of(manifest, made=True)
    dropped = ", ".join(f"{count:,} {name}" for name, count in sorted(report.outcomes.items(), key=_most_first))
    say(
        f"{report.stage}: {report.rows_in:,} in, {report.rows_out:,} out"
        + (f" ({dropped})" if dropped else "")
        + f", {report.seconds:.1f} s"
    )
    return report


def _most_first(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]


def nothing_to_do(run: StageRun) -> StageReport:
    """Say that a stage was there already."""
    assert run.previous is not None
    say(f"{run.stage}: already done, nothing to do ({run.previous.rows_out:,} rows)")
    return StageReport.of(run.previous, made=False)


def shards_of(manifest: Manifest | None) -> str | None:
    """The identity that runs pin of the shards of a manifest."""
    return None if manifest is None else str(manifest.facts.get("identity"))


def _crawl_lines(crawl: object) -> list[str]:
    """What a crawl under way says of itself in progress.json; nothing where another version wrote it."""
    if not isinstance(crawl, dict):
        return []
    from webtext.crawler.fetch.figures import CrawlFigures
    from webtext.crawler.fetch.view import lines

    try:
        return lines(CrawlFigures.from_json(crawl))
    except (TypeError, KeyError):
        return []


def _lines(status: Status) -> list[str]:
    lines = [f"corpus       {status.corpus}", f"fingerprint  {status.fingerprint or 'none yet'}"]
    if status.writer is not None:
        lines.append(f"in work      webtext {status.writer.get('command')} (pid {status.writer.get('pid')})")
    if status.progress is not None:
        shown = status.progress
        total = f" of {shown['total']:,}" if shown.get("total") else ""
        lines.append(f"             {shown['label']}: {shown['done']:,}{total} {shown['unit']}")
        lines += [f"             {line}" for line in _crawl_lines(shown.get("crawl"))]
    for stage in status.stages:
        lines += ["", f"{stage.stage:<12} {stage.rows_in:>12,} in"]
        blank = stage.facts.get("blank_lines")
        if blank:
            lines[-1] += f"   ({stage.facts['lines']:,} lines, {blank:,} blank)"
        ranked = sorted(stage.outcomes.items(), key=lambda entry: (-entry[1], entry[0]))
        for outcome, count in ranked:
            lines.append(f"  {outcome:<20} {count:>12,}")
            if outcome == "quality":
                rules = sorted(stage.facts.get("quality_rules", {}).items(), key=lambda entry: (-entry[1], entry[0]))
                lines += [f"    {rule:<41} {dropped:>12,}" for rule, dropped in rules]
        lines.append(f"{'':<12} {stage.rows_out:>12,} out")
    for name, run in status.runs.items():
        lines += ["", f"run {name}: step {run['step']:,}, loss {run['loss']}"]
        if name in status.run_notes:
            lines.append(f"  {status.run_notes[name]}")
    lines += [f"run {name}: {note}" for name, note in status.run_notes.items() if name not in status.runs]
    if status.forgetting:
        lines += ["", f"forgetting is not finished: webtext forget {status.corpus} goes on"]
    if status.unfinished:
        lines += ["", f"not finished: {', '.join(status.unfinished)}"]
    return lines
