"""The checkpoints of a run: which there are, the last whole one, the best one, and which of them stay.

One of them is `checkpoint`'s.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import TEMPORARY
from webtext.corpus.progress import say
from webtext.train.checkpoint import CHECKPOINTS, Checkpoint, read_checkpoint, remove_folder
from webtext.train.log import best_step


def checkpoint_folders(run: Path) -> dict[int, Path]:
    """The run's checkpoints, whole or not, by step in rising order."""
    found = {
        int(match[1]): path
        for path in (run / CHECKPOINTS).glob("step-*")
        if (match := re.fullmatch(r"step-(\d+)", path.name)) and path.is_dir()
    }
    return dict(sorted(found.items()))


def read_latest(run: Path) -> Checkpoint | None:
    """The last whole checkpoint of a run, None where it has none yet; a damaged one is named and passed over.

    Raises:
        DamagedFile: there are checkpoints, and none is whole.
        WebtextError: a newer webtext wrote the last one.
    """
    folders = checkpoint_folders(run)
    for folder in reversed(folders.values()):
        try:
            return read_checkpoint(folder)
        except DamagedFile as error:
            say(f"passed over a damaged checkpoint: {error}")
    if folders:
        raise DamagedFile("none of the run's checkpoints is whole", where=run, hint="--restart begins the run again")
    return None


def find_checkpoint(run: Path, which: str = "last", *, best: int | None = None) -> Path:
    """The folder of a checkpoint of a run, found whole: `last`, `best` (of step `best`) or the number of a step.

    Raises:
        WebtextError: there is none (yet), or not that one.
        DamagedFile: it is not whole; of `last`: none is.
    """
    if which == "last":
        found = read_latest(run)
        if found is None:
            raise WebtextError("has no checkpoint yet", where=run, hint="train first: webtext train CORPUS")
        return found.folder
    folders = checkpoint_folders(run)
    if which == "best" and best is None:
        raise WebtextError("has no checkpoint with a validation loss", where=run, hint="take the last one")
    step = best if which == "best" else int(which) if which.isdecimal() else -1
    if step not in folders:
        there = ", ".join(map(str, folders)) or "none"
        raise WebtextError(f"has no checkpoint {which!r}", where=run, hint=f"last, best, or a step; there are {there}")
    return read_checkpoint(folders[step]).folder


def prune_checkpoints(run: Path, *, step: int, keep: int, validations: Mapping[int, float | None]) -> None:
    """Delete all but the last `keep` checkpoints up to `step` and that of them with the lowest validation loss.

    One of a later step is a damaged one that the run passed over; it is not ours to count.
    """
    folders = {number: folder for number, folder in checkpoint_folders(run).items() if number <= step}
    best = best_step(validations, folders)
    for number in list(folders)[: max(0, len(folders) - keep)]:
        if number != best:
            remove_folder(folders[number])


def sweep_run(run: Path) -> None:
    """Remove what killed processes left unfinished in a run. Only for the holder of its lock."""
    for path in sorted(run.rglob(f".*{TEMPORARY}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
