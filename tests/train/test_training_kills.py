"""Killed at random moments, again and again, and gone on with: the same data, the same losses, one whole checkpoint."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import command, environment, litter, webtext

from webtext.corpus.files import file_sha256
from webtext.train.checkpoints import read_latest
from webtext.train.log import TIMES, read_log

STEPS, KILLS = 300, 12
FLAGS = ("--preset", "tiny", "--steps", STEPS, "--batch-tokens", 512, "--save-every", 7, "--eval-every", 21,
         "--samples", 1, "--sample-every", STEPS, "--no-trial", "--device", "cpu")  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, corpus_writer: Callable[..., Path]) -> Path:
    """A folder of shards, and beside it one with a run that nothing interrupted."""
    corpus = corpus_writer(tmp_path_factory.mktemp("kills"))
    folder = corpus.parent / "shards"
    shutil.move(corpus / "shards", folder)
    shutil.move(corpus / "tokenizer", folder / "tokenizer")
    whole = shutil.copytree(folder, corpus.parent / "whole")
    webtext("train", whole, *FLAGS)
    return folder


def came_to(folder: Path) -> dict[str, Any]:
    """What a run left, but for times."""
    run = folder / "runs" / "default"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for line in lines:
        for name in TIMES:
            line.pop(name, None)
    latest = read_latest(run)
    assert latest is not None
    return {
        "lines": lines,
        "checkpoints": sorted(path.name for path in (run / "checkpoints").iterdir()),
        "weights": file_sha256(latest.folder / "model.safetensors"),
        "moments": file_sha256(latest.folder / "state.safetensors"),
        "samples": (run / "samples" / f"step-{STEPS:06d}.txt").read_text(),
    }


def train_with_kills(folder: Path, chance: random.Random, micro_batches: tuple[int, ...] | None) -> int:
    """Start, kill, start again, until the run is done; how often a kill hit it while it was training.

    Every fourth comes early, mostly while it starts. The others wait for some further steps: a busy machine takes its
    time to start, and each start must get further.
    """
    log = folder / "runs" / "default" / "log.jsonl"
    hits = 0
    for number in range(KILLS + 1):
        micro = () if micro_batches is None else ("--micro-batch", chance.choice(micro_batches))
        before = last_step(log)
        running = subprocess.Popen(
            command("train", folder, *FLAGS, *micro), env=environment(), stderr=subprocess.PIPE, text=True
        )
        if number < KILLS:
            if number % 4:
                until = before + chance.randint(1, 20)
                while last_step(log) < until:
                    assert running.poll() is None, running.communicate()
                    time.sleep(0.01)
                hits += 1
            time.sleep(chance.uniform(0.0, 0.3 if number % 4 else 3.0))
            running.kill()
        _, told = running.communicate()
    assert running.returncode == 0, told
    return hits


def last_step(log: Path) -> int:
    """The last step that was written down; 0 where there is none."""
    return max((line["step"] for line in read_log(log)), default=0)


@pytest.mark.kill
def test_killed_at_random_moments_it_comes_out_the_same_to_the_bit(shards: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shards, tmp_path / "cut")
    assert train_with_kills(folder, random.Random(12), None) == 9
    assert came_to(folder) == came_to(shards.parent / "whole")
    assert litter(folder) == []


@pytest.mark.kill
def test_with_another_micro_batch_each_time_the_data_are_the_same_and_losses_within_rounding(
    shards: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(shards, tmp_path / "cut")
    assert train_with_kills(folder, random.Random(13), (1, 2, 3, 4)) == 9
    ours, whole = came_to(folder), came_to(shards.parent / "whole")
    assert litter(folder) == []
    rounded = ("loss", "grad_norm", "val_loss")
    strict = [[{name: value for name, value in line.items() if name not in rounded} for line in found["lines"]]
              for found in (ours, whole)]  # fmt: skip
    assert strict[0] == strict[1]
    losses = [[line[name] for line in found["lines"] for name in ("loss", "val_loss") if name in line]
              for found in (ours, whole)]  # fmt: skip
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    assert losses[0][:30] == pytest.approx(losses[1][:30], abs=1e-4)
