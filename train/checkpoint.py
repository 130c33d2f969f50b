"""A checkpoint: a Hugging Face folder, and beside it all that a run needs to go on to the bit.

```
step-000200/
  config.json model.safetensors tokenizer.json tokenizer_config.json generation_config.json    any GPT-2 reader's
  state.safetensors    the optimizer's moments, named and laid out like the weights
  state.json           step, position, seed, identities, and size and sha256 of each file above
```

Written into a folder beside it, synced and renamed: it is there whole or not at all. No pickle is read or written.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import (
    TEMPORARY,
    atomic,
    file_sha256,
    identity_of,
    os_errors,
    read_json,
    sync_folder,
    write_bytes,
    write_json,
)
from webtext.tokenize.split import ENDOFTEXT
from webtext.train.model import GPTConfig
from webtext.train.weights import config_from_json, config_to_json

STATE_VERSION = 1
"""Rises with any change of state.json or state.safetensors; a newer one is refused."""

CHECKPOINTS = "checkpoints"
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
MOMENTS, STATE = "state.safetensors", "state.json"


@dataclass(frozen=True)
class RunState:
    """What a run is, between two steps. The order of windows needs no more than `position`."""

    step: int
    """Steps taken, skipped ones too."""
    position: int
    """Where the next step reads from in the order of windows: all that were read, 0 where one batch is overfitted."""
    updates: int
    """Steps that changed the weights: all but those skipped for a loss that was no number."""
    tokens: int
    """Tokens predicted so far."""
    loss: float | None
    """Of the last step: nats a token."""
    seed: int
    order_version: int
    shards: str
    """Identity of the shards read."""
    fingerprint: str
    """Of the corpus."""
    preset: str
    recipe: Mapping[str, Any]
    software: Mapping[str, Any] = field(default_factory=dict)
    """What the bits of a sum depend on: torch, threads, CPU capability, device."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    folder: Path
    config: GPTConfig
    state: RunState

    def weights(self) -> dict[str, Tensor]:
        """In Hugging Face's layout, on the CPU."""
        return read_tensors(self.folder / WEIGHTS)

    def moments(self) -> dict[str, Tensor]:
        """The optimizer's, named `exp_avg.` or `exp_avg_sq.` and the weight's name, in the same layout."""
        return read_tensors(self.folder / MOMENTS)

    def tokenizer(self) -> bytes:
        """The bytes of tokenizer.json."""
        return (self.folder / TOKENIZER).read_bytes()


def step_folder(run: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies."""
    return run / CHECKPOINTS / f"step-{step:06d}"


def save_checkpoint(
    run: Path,
    *,
    config: GPTConfig,
    state: RunState,
    weights: Callable[[], Mapping[str, Tensor]],
    moments: Callable[[], Mapping[str, Tensor]],
    tokenizer: bytes,
    endoftext: int,
) -> Path:
    """Write the checkpoint of `state.step`; tensors in Hugging Face's layout. Give its folder.

    `weights` and `moments` are asked for one after the other: copies of both at once would take half as much memory as
    the training itself.

    Raises:
        WebtextError: no space, no permission; what was there before stands.
    """
    final = step_folder(run, state.step)
    aside = final.with_name(f".{final.name}{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os_errors(final):
            aside.mkdir(parents=True)
            _write_tensors(aside / WEIGHTS, weights())
            _write_tensors(aside / MOMENTS, moments())
            write_bytes(aside / TOKENIZER, tokenizer)
            for name, value in _small_files(config, endoftext).items():
                write_json(aside / name, value)
            files = {
                path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
                for path in sorted(aside.iterdir())
            }
            content = {"state_version": STATE_VERSION, **asdict(state), "files": files}
            write_json(aside / STATE, {"identity": identity_of(content), **content})
            fault_point("train.checkpoint")
            _replace(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fault_point("train.saved")
    return final


def read_checkpoint(folder: Path, *, verify: bool = True) -> Checkpoint:
    """Read the state of a checkpoint, and (`verify`) compare every file with it.

    Raises:
        DamagedFile: a file is missing, truncated, foreign, or has other bytes than were written.
        WebtextError: a newer webtext wrote it.
    """
    path = folder / STATE
    found = read_json(path)
    if not isinstance(found, dict) or "state_version" not in found:
        raise DamagedFile("is no state of a training run", where=path)
    if found["state_version"] != STATE_VERSION:
        raise WebtextError(
            f"has state version {found['state_version']}; this webtext reads {STATE_VERSION}",
            where=path,
            hint="go on with the webtext that wrote it",
        )
    content = {name: value for name, value in found.items() if name != "identity"}
    if identity_of(content) != found.get("identity"):
        raise DamagedFile("was changed after it was written (its identity does not fit)", where=path)
    try:
        state = RunState(**{part.name: found[part.name] for part in fields(RunState)})
        files = dict(found["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"is no whole state of a training run ({error})", where=path) from error
    for name in sorted({CONFIG, WEIGHTS, TOKENIZER, MOMENTS, *files}):
        _check_file(folder / name, files.get(name), verify=verify)
    config = config_from_json(read_json(folder / CONFIG), where=folder / CONFIG)
    return Checkpoint(folder, config, state)


def remove_folder(folder: Path) -> None:
    """Delete a folder so that no half of it is ever seen under its name."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}")
        with os_errors(folder):
            folder.rename(aside)
            shutil.rmtree(aside)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file, on the CPU; `DamagedFile` where it is none."""
    try:
        with os_errors(path):
            tensors: dict[str, Tensor] = load_file(path)
            return tensors
    except SafetensorError as error:
        raise DamagedFile(f"is no readable safetensors file ({error})", where=path) from error


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with atomic(path) as aside:
        try:
            aside.touch()
            mode = aside.stat().st_mode  # that of the user's umask; safetensors writes files only their owner can read
            # `format` is what transformers looks for before it reads a file.
            save_file(dict(tensors), aside, metadata={"format": "pt"})
            aside.chmod(mode)
        except SafetensorError as error:
            # It turns the operating system's errors into text: "... (os error 28) ...".
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def _small_files(config: GPTConfig, endoftext: int) -> dict[str, dict[str, Any]]:
    return {
        CONFIG: config_to_json(config, endoftext=endoftext),
        "generation_config.json": {
            "bos_token_id": endoftext,
            "eos_token_id": endoftext,
            "do_sample": True,
            "temperature": 1.0,  # openai/gpt-2's samples: temperature 1, top-k 40
            "top_k": 40,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": ENDOFTEXT,
            "eos_token": ENDOFTEXT,
            "unk_token": ENDOFTEXT,
            "model_max_length": config.context,
            "clean_up_tokenization_spaces": False,
        },
    }


def _replace(aside: Path, final: Path) -> None:
    sync_folder(aside)
    remove_folder(final)  # only a damaged one stands there: a run that goes on never reaches a whole one again
    aside.rename(final)
    sync_folder(final.parent)


def _check_file(path: Path, expected: Any, *, verify: bool) -> None:
    if not path.is_file():
        raise DamagedFile("is missing", where=path)
    if not isinstance(expected, dict):
        raise DamagedFile("does not belong to this checkpoint", where=path)
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise DamagedFile(f"has {size:,} bytes, {expected['bytes']:,} were written", where=path)
    if verify and file_sha256(path) != expected["sha256"]:
        raise DamagedFile("has other bytes than were written (sha256 differs)", where=path)
