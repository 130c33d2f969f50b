"""A run that was stopped, killed or damaged goes on to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from training import MakeCorpus, StopAt, Whole, killed, lines, losses, quick, same_as, weights_hash

from webtext.corpus.errors import Interrupted
from webtext.corpus.interrupts import Stop
from webtext.train import checkpoint as checkpoint_module
from webtext.train.checkpoint import read_checkpoint
from webtext.train.checkpoints import checkpoint_folders


def test_a_stopped_run_goes_on_to_the_bit(
    whole: Whole, make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = make_corpus()
    log = cut / "runs" / "default" / "log.jsonl"
    for count in (1, 3, 4):
        with pytest.raises(Interrupted, match="the same command goes on where it was"):
            quick(cut, steps=6, stop=StopAt(log, count))
        assert len(losses(cut)) == count
        assert list(checkpoint_folders(cut / "runs" / "default"))[-1] == count
    report = quick(cut, steps=6, samples=1)
    assert report.begun == 4
    assert same_as(whole, cut, report)
    assert Path(report.samples or "").read_bytes() == Path(whole[1].samples or "").read_bytes()
    assert "goes on from step 4" in capsys.readouterr().err


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory, corpus_writer: MakeCorpus) -> Whole:
    """Three steps of windows taken one at a time, without an interruption."""
    corpus = corpus_writer(tmp_path_factory.mktemp("one-by-one"))
    torch.set_num_threads(1)
    return corpus, quick(corpus, steps=3, micro_batch=1)


@pytest.mark.parametrize("asked_before", [41, 43, 47, 60])
def test_a_stop_within_a_step_leaves_the_step_undone(
    one_by_one: Whole, make_corpus: MakeCorpus, asked_before: int
) -> None:
    cut = make_corpus()

    class Countdown(Stop):
        asked = 0

        @property
        def requested(self) -> bool:
            self.asked += 1
            # Twice before the first step; then each step asks 37 times: before it, and for each of four micro-batches
            # before it and at each of four blocks, forward and backward.
            return self.asked > asked_before

        @requested.setter
        def requested(self, value: bool) -> None:
            pass

    with pytest.raises(Interrupted):
        quick(cut, steps=3, micro_batch=1, stop=Countdown(raising=False))
    assert len(losses(cut)) == 1
    assert same_as(one_by_one, cut, quick(cut, steps=3, micro_batch=1))


@pytest.mark.parametrize(
    "fault",
    ["train.step:1", "train.step:5", "train.checkpoint:1", "train.checkpoint:2", "train.saved:1", "train.saved:2"],
)
def test_a_killed_run_goes_on_to_the_bit(whole: Whole, make_corpus: MakeCorpus, fault: str) -> None:
    cut = make_corpus()
    assert killed(cut, fault, steps=6) == signal.SIGKILL
    assert same_as(whole, cut, quick(cut, steps=6))


@pytest.mark.kill
def test_it_survives_being_killed_at_every_file_it_writes(whole: Whole, make_corpus: MakeCorpus) -> None:
    cut = make_corpus()
    # Settings, log, samples and each file of a checkpoint: all are written aside and renamed.
    kills = 0
    for turn in (1, 2, 3, 5, 7, 9, 11):
        kills += killed(cut, f"files.written:{turn}", steps=6) == signal.SIGKILL
        kills += killed(cut, f"files.renamed:{turn}", steps=6) == signal.SIGKILL
    assert kills >= 10
    assert same_as(whole, cut, quick(cut, steps=6))


@pytest.mark.kill
def test_a_process_of_its_own_killed_and_gone_on_with_gives_the_same(whole: Whole, make_corpus: MakeCorpus) -> None:
    cut = make_corpus()
    code = (
        "import sys; from pathlib import Path; from webtext.train.trainer import train\n"
        "train(Path(sys.argv[1]), preset='tiny', steps=6, batch_tokens=512, save_every=2, eval_windows=4, device='cpu')"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WEBTEXT_FAULT": "train.step:3"}
    done = subprocess.run([sys.executable, "-c", code, str(cut)], env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    report = quick(cut, steps=6)
    assert report.begun == 2
    assert same_as(whole, cut, report)


def test_more_steps_go_on_as_if_they_had_been_asked_for_at_once(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, run="pieces", steps=4, decay_steps=8)
    pieces = quick(corpus, run="pieces", steps=8)
    whole = quick(corpus, run="whole", steps=8)
    assert lines(corpus, "pieces") == lines(corpus, "whole")
    assert weights_hash(pieces) == weights_hash(whole)


def test_a_finished_run_does_nothing_and_says_so(make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus()
    first = quick(corpus, steps=4)
    before = {path: path.stat().st_mtime_ns for path in (corpus / "runs").rglob("*")}
    capsys.readouterr()
    again = quick(corpus, steps=4)
    assert (again.begun, again.step, again.val_loss, again.loss) == (4, 4, first.val_loss, first.loss)
    assert "stands at step 4 already: nothing to train" in capsys.readouterr().err
    after = {path: path.stat().st_mtime_ns for path in (corpus / "runs").rglob("*")}
    assert after == before
    assert len(losses(corpus)) == 4


def test_a_damaged_checkpoint_is_passed_over_and_comes_out_the_same(
    whole: Whole, make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = make_corpus()
    with pytest.raises(Interrupted):
        quick(cut, steps=6, stop=StopAt(cut / "runs" / "default" / "log.jsonl", 5))
    path = cut / "runs" / "default" / "checkpoints" / "step-000005" / "state.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    report = quick(cut, steps=6)
    assert "state.safetensors: has other bytes than were written" in capsys.readouterr().err
    assert report.begun == 4
    assert same_as(whole, cut, report)


def test_it_stops_on_sigterm_in_the_middle_of_a_step(make_corpus: MakeCorpus) -> None:
    """A process of its own, in a step that would take minutes; the weights of the last whole step are saved."""
    corpus = make_corpus(documents=40, words=800)
    code = (
        "import os, signal, sys, threading, time; from pathlib import Path\n"
        "from webtext.corpus.interrupts import stop_signals\n"
        "from webtext.train import loss; from webtext.train.trainer import train\n"
        "whole = loss.model_loss; taken = 0\n"
        "def slow(*inputs, **options):\n"
        "    global taken; taken += 1\n"
        "    if taken == 3: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    if taken > 3: raise SystemExit('it went on after the signal')\n"
        "    return whole(*inputs, **options)\n"
        "loss.model_loss = slow\n"
        "with stop_signals(raising=False) as stop:\n"
        "    train(Path(sys.argv[1]), preset='tiny', steps=6, batch_tokens=2048, micro_batch=8, save_every=100,\n"
        "          samples=0, device='cpu', trial=False, stop=stop)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(corpus)], env=environment, capture_output=True, text=True, check=False
    )
    assert "webtext.corpus.errors.Interrupted: stopped; what was done is kept" in done.stderr
    assert "it went on" not in done.stderr
    found = read_checkpoint(corpus / "runs" / "default" / "checkpoints" / "step-000001")
    assert (found.state.step, found.state.position) == (1, 16)
    assert len(losses(corpus)) == 1


def test_a_stop_before_the_first_step_leaves_no_run(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    stop = Stop(raising=False)
    stop.requested = True
    with pytest.raises(Interrupted):
        quick(corpus, steps=2, stop=stop)
    assert not (corpus / "runs").exists()


def test_a_kill_in_the_middle_of_a_file_costs_nothing_but_the_time(whole: Whole, make_corpus: MakeCorpus) -> None:
    """Half of the bytes of the weights, or of the moments, are on the disk when the process is killed."""
    cut = make_corpus()
    for turn in (1, 2, 3, 4):
        child = os.fork()
        if child == 0:
            written = Counter[str]()

            def half(tensors: Any, path: Path, metadata: Any, turn: int = turn, written: Any = written) -> None:
                written["files"] += 1
                save_file(tensors, path, metadata)
                if written["files"] == turn:
                    os.truncate(path, path.stat().st_size // 2)
                    os.kill(os.getpid(), signal.SIGKILL)

            checkpoint_module.save_file = half
            try:
                quick(cut, steps=6)
            finally:
                os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert same_as(whole, cut, quick(cut, steps=6))


@pytest.mark.parametrize("changed", [{"micro_batch": 1}, {"micro_batch": 3}])
def test_a_killed_run_goes_on_with_another_micro_batch_and_the_same_data(
    whole: Whole, make_corpus: MakeCorpus, changed: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    cut = make_corpus()
    assert killed(cut, "train.step:4", steps=6) == signal.SIGKILL
    quick(cut, steps=6, **changed)
    told = capsys.readouterr().err
    assert f"goes on with micro_batch 4 -> {changed['micro_batch']}: losses equal an uninterrupted run's within" in told
    ours, theirs = lines(cut), lines(whole[0])
    exact = ("step", "position", "lr", "shards", "val_windows")
    assert [[line.get(name) for name in exact] for line in ours] == [
        [line.get(name) for name in exact] for line in theirs
    ]
    assert losses(cut)[:2] == losses(whole[0])[:2]
    assert losses(cut) == pytest.approx(losses(whole[0]), abs=2e-5)
    assert losses(cut) != losses(whole[0])


def test_another_environment_is_said(make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus()
    quick(corpus, steps=2)
    capsys.readouterr()
    quick(corpus, steps=3)
    assert "goes on with" not in capsys.readouterr().err
    torch.set_num_threads(2)
    quick(corpus, steps=4)
    torch.set_num_threads(1)
    assert "goes on with threads 1 -> 2: losses equal an uninterrupted run's within rounding" in capsys.readouterr().err
