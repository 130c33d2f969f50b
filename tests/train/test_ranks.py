"""Two processes over gloo, by DDP and by FSDP2: the losses of one process, and a run goes on either way."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training import MakeCorpus, lines, losses, quick
from transformers import GPT2Config, GPT2LMHeadModel

from webtext.corpus.errors import UsageError, WebtextError
from webtext.train.checkpoints import checkpoint_folders, read_latest
from webtext.train.model import PRESETS
from webtext.train.ranks import Ranks

CODE = """
import json, sys
from pathlib import Path
import torch
from torch import distributed
from training import quick
torch.set_num_threads(1)
distributed.init_process_group("gloo")
for options in json.loads(sys.argv[2]):
    quick(Path(sys.argv[1]), **{name: Path(value) if name == "init" else value for name, value in options.items()})
distributed.destroy_process_group()
"""


def two_ranks(corpus: Path, *runs: dict[str, Any]) -> str:
    """Train with two processes, one run after the other; what they say."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2", "PYTHONPATH": str(Path(__file__).parent.parent), "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(corpus), json.dumps(runs)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return said[0]


@pytest.mark.slow
def test_two_ranks_come_to_what_one_does_and_go_on_with_each_others_runs(
    whole: tuple[Path, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(whole[0], corpus, ignore=shutil.ignore_patterns("runs"))
    # One begins, two go on by DDP and by FSDP2 (three windows a step: the ranks have one and two of them), one ends it.
    quick(corpus, run="elastic", steps=2, decay_steps=6)
    said = two_ranks(
        corpus,
        {"run": "ddp", "steps": 6, "parallel": "ddp", "samples": 1},
        {"run": "fsdp", "steps": 6, "parallel": "fsdp", "samples": 1},
        {"run": "elastic", "steps": 3, "parallel": "ddp"},
        {"run": "elastic", "steps": 5, "parallel": "fsdp"},
        {"run": "odd", "steps": 2, "parallel": "fsdp", "batch_tokens": 384, "micro_batch": 1},
    )
    quick(corpus, run="elastic", steps=6)
    quick(corpus, run="odd-alone", steps=2, batch_tokens=384)
    assert "2 ranks (ddp)" in said
    assert "2 ranks (fsdp)" in said
    assert "ranks 1 -> 2: losses equal an uninterrupted run's within rounding" in said
    for run in ("ddp", "fsdp", "elastic"):
        assert losses(corpus, run) == pytest.approx(losses(whole[0]), abs=2e-5), run
        assert [line["position"] for line in lines(corpus, run) if "loss" in line] == [0, 4, 8, 12, 16, 20]
        values = [[line["val_loss"] for line in lines(path, name) if "val_loss" in line]
                  for path, name in ((corpus, run), (whole[0], "default"))]  # fmt: skip
        assert values[0][-1] == pytest.approx(values[1][-1], abs=2e-5)
        latest = read_latest(corpus / "runs" / run)
        assert latest is not None
        assert (latest.state.step, latest.state.position) == (6, 24)
    assert losses(corpus, "odd") == pytest.approx(losses(corpus, "odd-alone"), abs=2e-5)
    ours, theirs = (read_latest(path) for path in (corpus / "runs" / "fsdp", whole[0] / "runs" / "default"))
    assert ours is not None
    assert theirs is not None
    for name, tensor in theirs.weights().items():
        # AdamW divides by the root of a moment that is nearly nothing: rounding shows in single weights.
        assert float((ours.weights()[name] - tensor).abs().mean()) < 1e-4, name
    assert (corpus / "runs" / "ddp" / "samples" / "step-000006.txt").exists()
    assert list(checkpoint_folders(corpus / "runs" / "ddp"))[-1] == 6


@pytest.mark.slow
def test_the_largest_model_in_small_goes_on_with_two_ranks_one_and_two_again(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    """1558M's 48 layers and 25 heads, heads of 4 instead of 64: FSDP2 gathers and shards block by block."""
    corpus, folder = make_corpus(), tmp_path / "model"
    shape = PRESETS["1558M"]
    torch.manual_seed(1)
    small = GPT2Config(vocab_size=332, n_positions=64, n_embd=4 * shape.heads, n_layer=shape.layers, n_head=shape.heads)
    GPT2LMHeadModel(small).save_pretrained(folder)
    shutil.copy(corpus / "tokenizer" / "tokenizer.json", folder)
    options: dict[str, Any] = {"preset": "1558M", "batch_tokens": 256, "learning_rate": 1e-3}
    shared = {**options, "run": "elastic", "parallel": "fsdp"}
    quick(corpus, run="whole", steps=6, init=folder, **options)
    assert "2 ranks (fsdp)" in two_ranks(corpus, {**shared, "steps": 2, "init": str(folder), "decay_steps": 6})
    quick(corpus, run="elastic", steps=4, **options)
    said = two_ranks(corpus, {**shared, "steps": 6})
    assert "ranks 1 -> 2: losses equal an uninterrupted run's within rounding" in said
    assert losses(corpus, "elastic") == pytest.approx(losses(corpus, "whole"), abs=2e-4)
    assert losses(corpus, "whole")[-1] < losses(corpus, "whole")[0] - 0.1  # it learns: equal losses say something
    assert [line["position"] for line in lines(corpus, "elastic") if "loss" in line] == [0, 4, 8, 12, 16, 20]
    latest, whole = (read_latest(corpus / "runs" / run) for run in ("elastic", "whole"))
    assert latest is not None and whole is not None
    assert (latest.state.step, latest.state.software["ranks"]) == (6, 2)
    assert latest.config == whole.config
    for name, tensor in whole.weights().items():
        assert float((latest.weights()[name] - tensor).abs().mean()) < 1e-4, name


def test_one_rank_needs_nobody() -> None:
    alone = Ranks(torch.device("cpu"))
    assert alone.first
    assert (alone.total(1.5, 2.0), alone.least(3), alone.any(True), alone.gathered("a")) == ([1.5, 2.0], 3, True, ["a"])
    assert alone.told(lambda: 7) == 7


def test_what_ranks_cannot_do_is_said(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such way to work in parallel: pipeline"):
        quick(make_corpus(), steps=1, parallel="pipeline")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(WebtextError, match="the 2 ranks do not find each other"):
        quick(make_corpus(), steps=1)
