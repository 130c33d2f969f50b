"""Making a stage: done, new or grown; parts in work/; one atomic publication; the balance.

The life of a stage:

1. `StageRun.begin` compares settings, rules and inputs with the manifest: *done* (nothing to do), *new*, *grown*
   (other inputs: goes on), or refused (`ChangedSettings`) without `redo`.
2. The stage writes parts below `work/STAGE/`, each atomically, named after what they were made of. After a crash they
   are still there and are not made again.
3. `publish` writes a journal (`publish.json`) with every move and the manifest: that is the moment of decision. Then
   the files move, the manifest is written, work/ is cleared. A crash in between is rolled forward at the next begin.
"""

from __future__ import annotations

import platform
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from webtext.corpus.errors import Balance, ChangedSettings, DamagedFile, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import identity_of, read_json, sweep, sync_folder, write_json
from webtext.corpus.manifests import MANIFEST_NAME, Manifest, read_manifest
from webtext.corpus.outcomes import OUTCOMES, Outcome, Stage, check_loss

WORK = "work"
OUTCOMES_FOLDER = "outcomes"


@dataclass
class StageRun:
    """One stage of one corpus, being made. Only for the holder of the corpus lock."""

    corpus: Path
    stage: Stage
    settings: Mapping[str, Any]
    rules: Mapping[str, Any]
    inputs: Mapping[str, Any]
    previous: Manifest | None
    done: bool
    started: float = field(default_factory=time.monotonic)

    @property
    def folder(self) -> Path:
        """The stage's folder in the corpus."""
        return self.corpus / self.stage

    @property
    def work(self) -> Path:
        """Where parts lie until the stage is published."""
        return self.corpus / WORK / self.stage

    @classmethod
    def begin(
        cls,
        corpus: Path,
        stage: Stage,
        *,
        settings: Mapping[str, Any],
        rules: Mapping[str, Any],
        inputs: Mapping[str, Any],
        redo: bool = False,
        resume: bool = False,
    ) -> StageRun:
        """Decide what is to do, and keep the parts of an interrupted run that still hold.

        Args:
            settings: the settings that shape this stage's content (`config.shaping`).
            rules: versions of the rules the code applies.
            inputs: identities of what the stage reads.
            redo: make it again whatever the manifest says.
            resume: go on although the inputs are those of before: the stage was finished with work left over.

        Raises:
            ChangedSettings: a finished stage has other settings or rules, and `redo` is not set.
        """
        sweep(corpus, keep="runs")  # a training may be under way
        roll_forward(corpus, stage)
        previous = _previous(corpus, stage, redo=redo)
        run = cls(corpus, stage, settings, rules, inputs, previous, done=False)
        if previous is not None and not redo:
            refuse_changes(stage, previous, settings, rules)
            if dict(previous.inputs) == dict(inputs) and not resume:
                _check_presence(corpus, previous)
                clear_work(corpus, stage)  # of a --redo that was given up
                run.done = True
                return run
        open_work(corpus, stage, settings, rules)
        fault_point("stage.started")
        return run

    def part(self, kind: str, *made_of: Any, suffix: str = ".parquet") -> Path:
        """The path of a part in work/, named by the sha256 of what it is made of, so that it is never made twice."""
        return self.work / kind / f"{identity_of([kind, *made_of])[:32]}{suffix}"

    def publish(
        self,
        files: Mapping[str, Path],
        hashes: Mapping[str, str],
        *,
        rows_in: int,
        rows_out: int,
        outcomes: Mapping[str, int],
        facts: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        aside: Mapping[str, str] | None = None,
        accept_loss: bool = False,
    ) -> Manifest:
        """Make `files` the stage, all at once.

        Args:
            files: final path (relative to the corpus) to the path below work/ it comes from. What an earlier
                generation had beside these is deleted.
            hashes: final path to sha256, for the same names.
            aside: paths (relative to the corpus) of the earlier generation to keep, to where they go.

        Raises:
            Balance: rows in are not rows out plus outcomes.
            LossAlarm: an outcome took more than its limit and `accept_loss` is not set.
        """
        counts = {str(Outcome(name)): count for name, count in outcomes.items() if count}
        allowed = {str(outcome) for outcome in OUTCOMES[self.stage]}
        if set(counts) - allowed:
            raise Balance(f"{self.stage} gave outcomes it does not have: {sorted(set(counts) - allowed)}")
        if rows_in != rows_out + sum(counts.values()):
            raise Balance(
                f"{self.stage}: {rows_in:,} rows in, but {rows_out:,} out and {sum(counts.values()):,} outcomes",
                hint="this is a fault of webtext; please report it",
            )
        if not accept_loss:
            check_loss(self.stage, rows_in, counts)
        manifest = Manifest(
            stage=self.stage,
            settings=self.settings,
            rules=self.rules,
            inputs=self.inputs,
            rows_in=rows_in,
            rows_out=rows_out,
            outcomes=counts,
            files=dict(sorted(hashes.items())),
            facts=facts or {},
            run={"seconds": round(time.monotonic() - self.started, 2), **_machine(), **(run or {})},
        )
        fault_point("stage.parts")
        moves = [[str(path.relative_to(self.corpus)), name] for name, path in sorted(files.items())]
        kept = [[source, target] for source, target in sorted((aside or {}).items())]
        stale = sorted(set(self.previous.files if self.previous else ()) - set(files) - set(aside or ()))
        journal = {"aside": kept, "moves": moves, "stale": stale, "manifest": manifest.to_json()}
        write_json(self.work / "publish.json", journal)
        fault_point("stage.journal")
        roll_forward(self.corpus, self.stage)
        return manifest


def open_work(corpus: Path, stage: Stage, settings: Mapping[str, Any], rules: Mapping[str, Any]) -> Path:
    """The folder for the parts of a stage, emptied where those in it are of other settings or rules. Which inputs they
    were made of is in their names."""
    work = corpus / WORK / stage
    plan, path = {"settings": dict(settings), "rules": dict(rules)}, work / "plan.json"
    if work.exists() and (not path.exists() or read_json(path) != plan):
        shutil.rmtree(work)
    if not path.exists():
        write_json(path, plan)
    return work


def publication_pending(corpus: Path, stage: Stage) -> bool:
    """Whether a publication was decided and not finished (`roll_forward`, for the holder of the lock)."""
    return (corpus / WORK / stage / "publish.json").exists()


def roll_forward(corpus: Path, stage: Stage) -> None:
    """Finish a publication that was decided: move the files, write the manifest, clear work/. Idempotent."""
    work = corpus / WORK / stage
    journal = work / "publish.json"
    if not journal.exists():
        return
    plan = read_json(journal)
    manifest_path = corpus / stage / MANIFEST_NAME
    manifest_path.unlink(missing_ok=True)  # a reader must not see the old manifest beside new files
    new = {target for _, target in plan["moves"]}
    for source, target in plan["aside"]:
        if not (corpus / target).exists():
            _move(corpus, source, target)
        elif source not in new:  # kept before; else `source` may already be the new file of that name
            (corpus / source).unlink(missing_ok=True)
    for source, target in plan["moves"]:
        if (corpus / source).exists():
            _move(corpus, source, target)
    for folder in {(corpus / target).parent for _, target in (*plan["aside"], *plan["moves"])}:
        sync_folder(folder)
    for name in plan["stale"]:
        (corpus / name).unlink(missing_ok=True)
    write_json(manifest_path, plan["manifest"])
    fault_point("stage.published")
    clear_work(corpus, stage)


def _move(corpus: Path, source: str, target: str) -> None:
    (corpus / target).parent.mkdir(parents=True, exist_ok=True)
    (corpus / source).replace(corpus / target)
    fault_point("stage.moved")


def clear_work(corpus: Path, stage: Stage) -> None:
    """Remove a stage's parts; and work/ itself where nothing else is in it."""
    work = corpus / WORK / stage
    # The journal goes last but one: while it is there, the publication is simply finished again.
    for entry in sorted(work.iterdir()) if work.exists() else ():
        if entry.name != "publish.json":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.rmtree(work, ignore_errors=True)
    if work.parent.exists() and not any(work.parent.iterdir()):
        work.parent.rmdir()


def stage_manifest(corpus: Path, stage: Stage) -> Manifest | None:
    """The manifest of a finished stage, None where it is not finished.

    Another process may publish the stage meanwhile, and take the old manifest away just before it is read.
    """
    path = corpus / stage / MANIFEST_NAME
    try:
        return read_manifest(path) if path.exists() else None
    except WebtextError:
        if path.exists():
            raise
        return None


def _previous(corpus: Path, stage: Stage, *, redo: bool) -> Manifest | None:
    try:
        return stage_manifest(corpus, stage)
    except DamagedFile:
        if redo:
            return None
        raise


def refuse_changes(stage: Stage, previous: Manifest, settings: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    """Raise `ChangedSettings`, with the name, where a finished stage has other settings or rules than those now."""
    for label, before, now in (("setting", previous.settings, settings), ("rules", previous.rules, rules)):
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ChangedSettings(
                    f"{stage} was made with {label} {name} = {before.get(name)!r}, now it is {now.get(name)!r}",
                    where=f"webtext {stage.command}",
                    hint="--redo makes the stage again with the new one",
                )


def _check_presence(corpus: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        if not (corpus / name).is_file():
            raise DamagedFile(
                "is missing", where=corpus / name, hint=f"make the stage again: webtext {manifest.stage.command} --redo"
            )


def _machine() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "webtext": _version("webtext"),
        "pyarrow": _version("pyarrow"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
