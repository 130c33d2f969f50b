"""The tokenize stage, after any crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizing
from tokenizing import SETTINGS, documents, made_bytes, tokenize_documents, write_clean

from webtext.corpus import faults
from webtext.corpus.config import shaping
from webtext.corpus.errors import Interrupted
from webtext.corpus.faults import InjectedFault
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import StageRun
from webtext.pipelines.tokenize import RULES, tokenize_inputs


@pytest.mark.parametrize(
    "fault",
    ["stage.started", "tokenize.trained", "tokenize.encoded:2", "files.written:1", "files.written:5", "files.renamed:9",
     "stage.parts", "stage.journal", "stage.moved:1", "stage.moved:3", "stage.published"],
)  # fmt: skip
def test_after_a_failure_anywhere_the_same_command_gives_the_same_bytes(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    clean = write_clean(tmp_path, documents(100), files=2, group=20)
    point, _, turn = fault.partition(":")
    with monkeypatch.context() as broken:
        faults._passed.clear()
        broken.setenv("WEBTEXT_FAULT", f"{point}:{turn or 1}:raise")
        with pytest.raises((InjectedFault, RuntimeError), match=point):
            tokenize_documents(tmp_path, clean)
    run = StageRun.begin(tmp_path, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("one"))
    if not run.done:
        tokenize_documents(tmp_path, clean)
    assert made_bytes(tmp_path) == made_bytes(made)
    assert not (tmp_path / "work").exists()


def test_a_tokenizer_that_was_trained_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path
) -> None:
    clean = write_clean(tmp_path, documents(100))
    with monkeypatch.context() as broken:
        faults._passed.clear()
        broken.setenv("WEBTEXT_FAULT", "tokenize.trained:1:raise")
        with pytest.raises(InjectedFault):
            tokenize_documents(tmp_path, clean)

    def never(*arguments: object) -> object:
        raise AssertionError("trained again")

    monkeypatch.setattr("webtext.pipelines.tokenize.train_on_corpus", never)
    tokenize_documents(tmp_path, clean)
    assert made_bytes(tmp_path) == made_bytes(made)


@pytest.mark.kill
@pytest.mark.parametrize("fault", ["tokenize.trained", "tokenize.encoded:2", "stage.moved:2"])
def test_after_a_kill_another_number_of_workers_gives_the_same_bytes(made: Path, tmp_path: Path, fault: str) -> None:
    clean = write_clean(tmp_path, documents(100), files=2, group=20)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import tokenizing as t; "
        "c = Path(sys.argv[2]); t.tokenize_documents(c, sorted((c / 'clean').iterdir()))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(Path(tokenizing.__file__).parent), str(tmp_path)],
        env={**os.environ, "WEBTEXT_FAULT": fault}, capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    run = StageRun.begin(tmp_path, Stage.SHARDS, settings=shaping(SETTINGS), rules=RULES, inputs=tokenize_inputs("one"))
    if not run.done:
        tokenize_documents(tmp_path, clean, workers=2)
    assert made_bytes(tmp_path) == made_bytes(made)


def test_a_signal_does_not_wait_for_the_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: object, made: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            pass

    monkeypatch.setattr("webtext.pipelines.training.train_on_counts", endless)
    with pytest.raises(Interrupted), stop_signals(raising=True):
        tokenize_documents(tmp_path, write_clean(tmp_path, documents(10)))
    assert not (tmp_path / "progress.json").exists()
