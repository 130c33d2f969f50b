"""runs/NAME/: the settings that a run was begun with, and goes on with.

```
runs/NAME/
  run.json      settings and identities, written once
  log.jsonl     one line a step
  checkpoints/  step-000200/ ...
  samples/      step-000200.txt ...
  loss.svg      the curve
  skipped/      step-000123.json: what a step read that was skipped
  tensorboard/  where it was asked for
  eval/         step-000200/ ... what webtext eval found
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from webtext.corpus.errors import ChangedSettings, DamagedFile, UsageError, WebtextError
from webtext.corpus.files import identity_of, os_errors, read_json, write_json
from webtext.train.checkpoint import CHECKPOINTS, remove_folder
from webtext.train.log import LOG_NAME
from webtext.train.model import GPTConfig
from webtext.train.permutation import ORDER_VERSION
from webtext.train.plot import PLOT
from webtext.train.recipe import Recipe
from webtext.train.tensorboard import BOARD

RUN_VERSION = 3
"""Rises with any change of run.json; a newer one is refused."""
OLDEST_RUN = 2
"""Version 2 had no `within_documents`."""

RUNS, RUN, SAMPLES, SKIPPED, EVAL = "runs", "run.json", "samples", "skipped", "eval"


@dataclass(frozen=True)
class RunSettings:
    """What decides the weights of a run. The number of steps does not belong to it: a run may go on."""

    preset: str
    seed: int
    learning_rate: float
    batch_tokens: int
    decay_steps: int
    """At this step the learning rate has come down to a tenth, and stays there."""
    overfit_one_batch: bool
    """Read the first batch again and again: a test of the set-up, not a training."""
    recipe: Mapping[str, Any]
    """The recipe with the values above."""
    model: Mapping[str, int]
    """The fields of a `GPTConfig`."""
    endoftext: int
    tokenizer: str
    """Fingerprint of the tokenizer."""
    shards: str
    """Identity of the shards, which stay the same however the corpus grows."""
    fingerprint: str
    """Of the corpus."""
    init: str | None = None
    """Identity of the weights that the run began with, None where they were drawn."""
    init_folder: str | None = None
    """Where they lay."""
    order_version: int = ORDER_VERSION
    within_documents: bool = False
    """Tokens look at those of their own document only; GPT-2's looked at all before them."""

    def config(self) -> GPTConfig:
        """The model's shape."""
        return GPTConfig(**self.model)

    def whole_recipe(self) -> Recipe:
        """The recipe as it was when the run began."""
        return Recipe(**self.recipe)


def run_folder(corpus: Path, name: str) -> Path:
    """The folder of a run.

    Raises:
        UsageError: not a name for a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", name):
        raise UsageError(
            f"{name!r} is no name for a run", hint="letters, digits, dots, hyphens and underscores, up to 100"
        )
    return corpus / RUNS / name


def read_run(folder: Path) -> RunSettings | None:
    """The settings a run was begun with, None where there is no run.

    Raises:
        DamagedFile: run.json is no whole one.
        WebtextError: a newer webtext wrote it, or it follows another order of windows.
    """
    path = folder / RUN
    if not path.exists():
        return None
    found = read_json(path)
    hint = "--restart begins the run again"
    if not isinstance(found, dict) or "run_version" not in found:
        raise DamagedFile("is no run of ours", where=path, hint=hint)
    if found["run_version"] not in range(OLDEST_RUN, RUN_VERSION + 1):
        raise WebtextError(
            f"has run version {found['run_version']}; this webtext reads {OLDEST_RUN} to {RUN_VERSION}",
            where=path,
            hint="go on with the webtext that began it",
        )
    content = {name: value for name, value in found.items() if name != "identity"}
    if identity_of(content) != found.get("identity"):
        raise DamagedFile("was changed after it was written (its identity does not fit)", where=path, hint=hint)
    try:
        found.setdefault("within_documents", False)
        settings = RunSettings(**{part.name: found[part.name] for part in fields(RunSettings)})
        settings.config(), settings.whole_recipe()
    except (KeyError, TypeError) as error:
        raise DamagedFile(f"is no whole run ({error})", where=path, hint=hint) from error
    if settings.order_version != ORDER_VERSION:
        raise WebtextError(
            f"reads windows in order {settings.order_version}; this webtext knows order {ORDER_VERSION}",
            where=path,
            hint="go on with the webtext that began it, or begin another run: --run NAME",
        )
    return settings


def write_run(folder: Path, settings: RunSettings) -> None:
    """Write run.json."""
    content = {"run_version": RUN_VERSION, **asdict(settings)}
    write_json(folder / RUN, {"identity": identity_of(content), **content})


def refuse_changes(folder: Path, settings: RunSettings, asked: Mapping[str, Any]) -> None:
    """Compare what is asked for now (None: nothing) with what the run was begun with.

    Raises:
        ChangedSettings: a setting differs; it is named.
    """
    for name, value in asked.items():
        begun = getattr(settings, name)
        if value is not None and value != begun:
            raise ChangedSettings(
                f"the run was begun with {name} = {begun!r}, now it is {value!r}",
                where=folder,
                hint="--restart begins it again with the new one, --run NAME begins another",
            )


def clear_run(folder: Path) -> None:
    """Forget a run. Checkpoints go first: without them it starts at step 0, whatever else is still there."""
    remove_folder(folder / CHECKPOINTS)
    with os_errors(folder):
        (folder / LOG_NAME).unlink(missing_ok=True)
        (folder / RUN).unlink(missing_ok=True)
        (folder / PLOT).unlink(missing_ok=True)
    for name in (SAMPLES, SKIPPED, EVAL, BOARD):
        remove_folder(folder / name)
