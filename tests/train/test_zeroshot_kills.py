"""Killed at its fault points, `webtext eval` goes on and ends with the same files."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import litter, webtext
from zeroshot_sets import write_sets

TASKS = ("--tasks", "lambada,ptb,winograd", "--device", "cpu")


@pytest.mark.kill
def test_killed_while_evaluating(tmp_path: Path, corpus_writer: Callable[..., Path]) -> None:
    corpus = corpus_writer(tmp_path / "corpus")
    folder = tmp_path / "shards"
    shutil.move(corpus / "shards", folder)
    shutil.move(corpus / "tokenizer", folder / "tokenizer")
    sets = write_sets(tmp_path / "sets")
    flags = ("--preset", "tiny", "--steps", 1, "--batch-tokens", 256, "--samples", 0, "--device", "cpu")
    webtext("train", folder, *flags)
    webtext("eval", folder, "--data", sets, *TASKS, "--out", tmp_path / "whole")
    for fault in ("eval.part:2", "files.written:1", "eval.task:1"):
        killed = webtext("eval", folder, "--data", sets, *TASKS, "--out", tmp_path / "killed", fault=fault, expect=None)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    webtext("eval", folder, "--data", sets, *TASKS, "--out", tmp_path / "killed")
    whole, found = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in sorted((tmp_path / name).rglob("*.json*"))}
        for name in ("whole", "killed")
    )
    assert found == whole
    assert len(whole) == 4
    assert litter(tmp_path / "killed") == []
