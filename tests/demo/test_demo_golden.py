"""On the demo's corpus the tiny preset follows golden losses, step by step."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import golden
import pytest
import torch
from small_demo import SmallDemo


@pytest.fixture
def shards(small_demo: SmallDemo, tmp_path: Path) -> Path:
    """The demo's shards by themselves: its own run stays as it is."""
    corpus = small_demo.folder / "corpus"
    copy = shutil.copytree(corpus / "shards", tmp_path / "shards")
    shutil.copytree(corpus / "tokenizer", copy / "tokenizer")
    return copy


def test_training_follows_the_golden_losses(shards: Path) -> None:
    torch.set_num_threads(1)
    if golden.renewing():
        golden.renew("demo", shards, golden.losses_on(shards))
    wanted = golden.golden("demo")
    python = ".".join(map(str, sys.version_info[:3]))
    if wanted["python"] != python:
        pytest.skip(f"the golden losses are those of Python {wanted['python']}'s documentation, this is {python}")
    assert golden.tokens_sha256(shards) == wanted["tokens_sha256"], (
        "the demo's corpus has other tokens than the golden losses were taken on; if that is meant, renew them: "
        "WEBTEXT_RENEW_GOLDEN=1 python -m pytest -k golden"
    )
    found = golden.losses_on(shards)
    assert len(found) == golden.STEPS
    assert golden.largest_difference(found, wanted["losses"]) < golden.TOLERANCE
    assert sum(found[-5:]) / 5 < found[0] - 0.5  # and it learns (one batch may hold a page of rare characters)


def test_one_batch_of_it_is_learnt_by_heart(shards: Path) -> None:
    torch.set_num_threads(1)
    found = golden.losses_on(shards, steps=90, batch_tokens=256, decay_steps=90, overfit_one_batch=True)
    assert found[0] > 6.5
    assert found[-1] < 0.05
