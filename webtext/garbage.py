"""`webtext gc`: what nothing needs any more. Older shards, and files of stages that no manifest names.

Older shards stay for the runs that began with them. Those that no run has pinned go; so do, with `everything`, those of
runs that are not finished, but never those that a process trains on now.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import TEMPORARY, read_json, sweep
from webtext.corpus.lock import lock_holder
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import OUTCOMES_FOLDER, roll_forward, stage_manifest
from webtext.runs import pinned_shards, runs_of

_SHARDS = str(Stage.SHARDS)
_OLDER = f"{_SHARDS}/older"


@dataclass(frozen=True)
class Garbage:
    """A file or folder of the corpus that goes, and why."""

    name: str
    bytes: int
    why: str


@dataclass(frozen=True)
class GarbageReport:
    """What was freed, or with `dry_run` would be; and what stays, for whom."""

    corpus: str
    dry_run: bool
    freed: tuple[Garbage, ...]
    kept: tuple[Garbage, ...]

    @property
    def bytes(self) -> int:
        """Freed in all."""
        return sum(garbage.bytes for garbage in self.freed)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "bytes": self.bytes}

    def __str__(self) -> str:
        verb = "would go" if self.dry_run else "gone"
        lines = [f"{garbage.name}  {_size(garbage.bytes)}  {verb}: {garbage.why}" for garbage in self.freed]
        lines += [f"{garbage.name}  {_size(garbage.bytes)}  stays: {garbage.why}" for garbage in self.kept]
        total = f"{_size(self.bytes)} {'would be freed' if self.dry_run else 'freed'}"
        return "\n".join([*lines, total if self.freed else "nothing to free"])


def collect(corpus: Path, *, dry_run: bool, everything: bool) -> GarbageReport:
    """Remove what nothing needs. For the holder of the lock."""
    if not dry_run:
        for stage in Stage:
            roll_forward(corpus, stage)
    freed, kept = _older(corpus, everything=everything)
    freed += [*_unnamed(corpus), *_temporary(corpus)]
    if not dry_run:
        for garbage in freed:
            path = corpus / garbage.name
            if path.is_dir():
                # The index first: without it nobody takes what is left for shards.
                (path / "index.json").unlink(missing_ok=True)
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            fault_point("gc.removed")
        sweep(corpus, keep="runs")
        older = corpus / _OLDER
        if older.is_dir() and not any(older.iterdir()):
            older.rmdir()
    return GarbageReport(str(corpus), dry_run, tuple(freed), tuple(kept))


def _older(corpus: Path, *, everything: bool) -> tuple[list[Garbage], list[Garbage]]:
    """Older generations of shards: those that go and those that stay."""
    freed: list[Garbage] = []
    kept: list[Garbage] = []
    pinned = pinned_shards(corpus)
    for folder in sorted((corpus / _OLDER).glob("*")):
        if not folder.is_dir():
            continue
        runs = [name for name, shards in pinned.items() if shards[:16] == folder.name]
        training = [name for name in runs if lock_holder(corpus / "runs" / name) is not None]
        unfinished = [name for name in runs if not _is_finished(corpus, name)]
        garbage = Garbage(f"{_OLDER}/{folder.name}", _bytes(folder), "")
        if training:
            kept.append(_because(garbage, f"run {', '.join(training)} is training on them"))
        elif unfinished and not everything:
            kept.append(_because(garbage, f"run {', '.join(unfinished)} is not finished (--all frees them, too)"))
        else:
            ended = f"; run {', '.join(runs)} cannot go on without them" if runs else ""
            freed.append(_because(garbage, f"older shards{ended}"))
    return freed, kept


def _because(garbage: Garbage, why: str) -> Garbage:
    return Garbage(garbage.name, garbage.bytes, why)


def _is_finished(corpus: Path, run: str) -> bool:
    """Whether a run has come to the step it was planned for."""
    try:
        settings = read_json(corpus / "runs" / run / "run.json")
    except WebtextError:
        return False
    last = runs_of(corpus).get(run)
    return last is not None and int(last["step"]) >= int(settings.get("decay_steps", 0))


def _unnamed(corpus: Path) -> Iterator[Garbage]:
    """Files of finished stages that no manifest names: of a generation that was removed by hand, or by a crash."""
    named: set[str] = set()
    finished = []
    for stage in Stage:
        manifest = stage_manifest(corpus, stage)
        if manifest is None:
            continue
        named.update(manifest.files)
        finished.append(stage)
    for stage in finished:
        if stage is Stage.PAGES:
            continue  # segments and ledger stand outside of the manifest
        for path in sorted((corpus / stage).rglob("*")):
            name = str(path.relative_to(corpus))
            older = name.startswith(f"{_OLDER}/")
            if path.is_file() and path.suffix in (".parquet", ".arrow") and name not in named and not older:
                yield Garbage(name, path.stat().st_size, "no manifest names it")
        for path in sorted((corpus / OUTCOMES_FOLDER).glob(f"{stage}-*.parquet")):
            name = str(path.relative_to(corpus))
            if name not in named:
                yield Garbage(name, path.stat().st_size, "no manifest names it")


def _temporary(corpus: Path) -> Iterator[Garbage]:
    for path in sorted(corpus.rglob(f".*{TEMPORARY}*")):
        if path.is_file() and path.relative_to(corpus).parts[0] != "runs":
            yield Garbage(str(path.relative_to(corpus)), path.stat().st_size, "an unfinished file of a killed process")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1_000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count = count / 1_000  # type: ignore[assignment]
    raise AssertionError
