from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from webtext.corpus.errors import ChangedSettings, DamagedFile, Interrupted, UsageError, WebtextError
from webtext.corpus.files import file_sha256
from webtext.corpus.interrupts import Stop
from webtext.tokenize.files import read_vocabulary, write_vocabulary
from webtext.tokenize.shard_index import ShardIndex
from webtext.tokenize.vocabulary import Vocabulary
from webtext.train import checkpoint as checkpoint_module
from webtext.train import loop
from webtext.train import step as step_module
from webtext.train.checkpoint import read_checkpoint
from webtext.train.checkpoints import checkpoint_folders
from webtext.train.log import TIMES, StepLog, read_log
from webtext.train.loss import model_loss
from webtext.train.trainer import TrainReport, train

# 4 windows of 128 tokens a step: 30 ms.
QUICK: dict[str, Any] = {
    "preset": "tiny", "batch_tokens": 512, "save_every": 2, "eval_windows": 4, "samples": 0, "device": "cpu",
}  # fmt: skip

MakeCorpus = Callable[..., Path]


def quick(corpus: Path, **options: Any) -> TrainReport:
    return train(corpus, **{**QUICK, **options})


def lines(corpus: Path, run: str = "default") -> list[dict[str, Any]]:
    """The log without its times."""
    found = read_log(corpus / "runs" / run / "log.jsonl")
    return [{name: value for name, value in line.items() if name not in TIMES} for line in found]


def losses(corpus: Path, run: str = "default") -> list[float]:
    return [line["loss"] for line in lines(corpus, run) if "loss" in line]


def weights_hash(report: TrainReport) -> str:
    return file_sha256(Path(report.checkpoint) / "model.safetensors")


class StopAt(Stop):
    """Asks to stop once the log has `count` lines of steps."""

    def __init__(self, log: Path, count: int) -> None:
        self._log, self._count = log, count
        super().__init__(raising=False)

    @property
    def requested(self) -> bool:
        return sum("loss" in line for line in read_log(self._log)) >= self._count

    @requested.setter
    def requested(self, value: bool) -> None:
        pass


def killed(corpus: Path, fault: str, **options: Any) -> int:
    """Train in a forked process that the fault kills; give the signal that ended it (0: none did)."""
    child = os.fork()
    if child == 0:
        try:
            os.environ["WEBTEXT_FAULT"] = fault
            quick(corpus, **options)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


Whole = tuple[Path, TrainReport]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, corpus_writer: MakeCorpus) -> Whole:
    """Six steps without an interruption, on the corpus that `make_corpus` makes by default: not to be written to."""
    corpus = corpus_writer(tmp_path_factory.mktemp("whole"))
    torch.set_num_threads(1)
    return corpus, quick(corpus, steps=6, samples=1)


def test_a_run_leaves_a_log_checkpoints_and_samples(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    report = quick(corpus, steps=6, samples=3)
    run = corpus / "runs" / "default"
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "log.jsonl", "run.json", "samples"]
    assert report.step == 6
    assert report.tokens == 6 * 512
    assert report.checkpoint == str(run / "checkpoints" / "step-000006")
    index = ShardIndex.read(corpus / "shards")
    assert report.shards == index.identity
    written = lines(corpus)
    assert [line["step"] for line in written] == [1, 2, 2, 3, 4, 4, 5, 6, 6]
    assert [line["position"] for line in written if "loss" in line] == [0, 4, 8, 12, 16, 20]
    assert {line["shards"] for line in written} == {index.identity}
    first = read_log(run / "log.jsonl")[0]
    assert list(first) == [
        "step", "position", "loss", "grad_norm", "lr", "tokens_per_second", "seconds", "shards"
    ]  # fmt: skip
    assert report.val_loss == written[-1]["val_loss"]
    said = capsys.readouterr().err
    assert "run default: tiny, 852,224 parameters, vocabulary 332, on cpu in float32 with 1 thread;" in said
    assert "a step is 4 x 128 = 512 tokens, 4 x 128 at once; 6 steps = " in said
    assert report.samples == str(run / "samples" / "step-000006.txt")
    assert Path(report.samples).read_text().count(" SAMPLE ") == 3


def test_the_checkpoint_carries_what_the_run_is(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    report = quick(corpus, steps=4, seed=5)
    state = read_checkpoint(Path(report.checkpoint)).state
    assert (state.step, state.position, state.updates, state.seed, state.tokens) == (4, 16, 4, 5, 2_048)
    assert (state.shards, state.fingerprint) == (report.shards, report.fingerprint)
    assert state.loss == losses(corpus)[-1]
    assert state.software["threads"] == 1


def test_it_learns(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(documents=20, words=400)
    report = quick(corpus, steps=40, save_every=40)
    found = losses(corpus)
    assert abs(found[0] - math.log(ShardIndex.read(corpus / "shards").vocab_size)) < 0.2
    # The ring of words has 0.81 bits a word; 40 steps come a good part of the way.
    assert report.val_loss is not None
    assert report.val_loss < 2.2


@pytest.mark.slow
def test_one_batch_is_learnt_by_heart(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, steps=100, batch_tokens=256, overfit_one_batch=True, save_every=100)
    assert losses(corpus)[-1] < 0.05
    assert [line["position"] for line in lines(corpus) if "loss" in line] == [0] * 100


def same_as(whole: Whole, cut: Path, report: TrainReport) -> bool:
    """Whether log and weights are those of the uninterrupted run, and nothing unfinished is left."""
    assert lines(cut) == lines(whole[0])
    assert [path for path in cut.rglob("*") if ".tmp-" in path.name] == []
    return weights_hash(report) == weights_hash(whole[1])


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


@pytest.mark.parametrize("asked_before", [41, 43, 47, 60])
def test_a_stop_within_a_step_leaves_the_step_undone(make_corpus: MakeCorpus, asked_before: int) -> None:
    cut = make_corpus()
    uninterrupted = quick(cut, run="whole", steps=3, micro_batch=1)

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
    assert weights_hash(quick(cut, steps=3, micro_batch=1)) == weights_hash(uninterrupted)
    assert lines(cut) == lines(cut, "whole")


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


def test_the_micro_batch_changes_nothing_but_rounding(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    for run, micro_batch in (("four", 4), ("three", 3), ("one", 1)):
        quick(corpus, run=run, steps=5, micro_batch=micro_batch, save_every=5)
    assert losses(corpus, "three") == pytest.approx(losses(corpus, "four"), abs=2e-5)
    assert losses(corpus, "one") == pytest.approx(losses(corpus, "four"), abs=2e-5)
    norms = [[line["grad_norm"] for line in lines(corpus, run) if "loss" in line] for run in ("four", "one")]
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)


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


def test_more_steps_go_on_as_if_they_had_been_asked_for_at_once(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, run="pieces", steps=4, decay_steps=8)
    pieces = quick(corpus, run="pieces", steps=8)
    whole = quick(corpus, run="whole", steps=8)
    assert lines(corpus, "pieces") == lines(corpus, "whole")
    assert weights_hash(pieces) == weights_hash(whole)


def test_past_the_planned_steps_the_rate_stays_at_a_tenth(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    quick(corpus, steps=3, learning_rate=0.001)
    quick(corpus, steps=5)
    rates = [line["lr"] for line in lines(corpus) if "loss" in line]
    assert rates[3:] == pytest.approx([0.0001, 0.0001])
    assert "the learning rate was planned for 3 steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"seed": 2}, "seed = 1, now it is 2"),
        ({"preset": "117M"}, "preset = 'tiny', now it is '124M'"),
        ({"batch_tokens": 1_024}, "batch_tokens = 512, now it is 1024"),
        ({"learning_rate": 0.5}, "learning_rate = 0.002, now it is 0.5"),
        ({"decay_steps": 9}, "decay_steps = 2, now it is 9"),
        ({"overfit_one_batch": True}, "overfit_one_batch = False, now it is True"),
    ],
)
def test_a_changed_setting_is_refused_by_name(make_corpus: MakeCorpus, changed: dict[str, Any], name: str) -> None:
    corpus = make_corpus()
    quick(corpus, steps=2)
    with pytest.raises(ChangedSettings, match=name):
        quick(corpus, steps=4, **changed)
    # Not asked again, it is as it was.
    assert train(corpus, steps=3, device="cpu").step == 3
    restarted = quick(
        corpus, steps=2, restart=True, **{name: value for name, value in changed.items() if name == "seed"}
    )
    assert (restarted.begun, restarted.step, len(losses(corpus))) == (0, 2, 2)


def test_pace_may_change_at_any_time(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, steps=2)
    report = quick(corpus, steps=4, micro_batch=1, save_every=1, eval_every=4, keep=1)
    assert report.step == 4
    assert len(checkpoint_folders(corpus / "runs" / "default")) <= 2


def test_the_log_is_cut_at_the_checkpoint_and_a_torn_line_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0}\n{"step": 2, "val_loss": 2.5}\n{"step": 3, "lo')
    with StepLog(path, step=2) as log:
        assert log.validations == {2: 2.5}
        log.add({"step": 3, "loss": float("nan")})
        log.add({"step": 3, "val_loss": 2.5})
        assert log.validations == {2: 2.5, 3: 2.5}
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 3.0},
        {"step": 2, "loss": 2.0},
        {"step": 2, "val_loss": 2.5},
        {"step": 3, "loss": None},
        {"step": 3, "val_loss": 2.5},
    ]
    with StepLog(path, step=1) as log:
        assert log.validations == {}
    assert path.read_text() == '{"step": 1, "loss": 3.0}\n'


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


def test_a_step_without_a_loss_is_skipped_and_said(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    calls = Counter[str]()

    def third_is_nan(*arguments: Any) -> torch.Tensor:
        calls["loss"] += 1
        loss = model_loss(*arguments)
        return loss * float("nan") if calls["loss"] == 3 else loss

    monkeypatch.setattr(step_module, "model_loss", third_is_nan)
    report = quick(corpus, steps=4, save_every=4, eval_every=100)
    assert "step 3 skipped, the weights stay as they were" in capsys.readouterr().err
    written = [line for line in lines(corpus) if "loss" in line]
    assert [line.get("skipped", False) for line in written] == [False, False, True, False]
    assert written[2]["loss"] is None
    assert written[3]["position"] == 12
    state = read_checkpoint(Path(report.checkpoint)).state
    assert (state.step, state.updates) == (4, 3)
    for tensor in load_file(Path(report.checkpoint) / "model.safetensors").values():
        assert bool(torch.isfinite(tensor).all())


def test_a_run_without_a_loss_gives_up(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "model_loss", lambda *arguments: model_loss(*arguments) * float("inf"))
    with pytest.raises(WebtextError, match="20 steps in a row gave no loss"):
        quick(make_corpus(), steps=30, batch_tokens=128, save_every=100)


def test_an_unfinished_run_keeps_the_shards_it_began_with(
    whole: Whole, make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = make_corpus()
    with pytest.raises(Interrupted):
        quick(cut, steps=6, stop=StopAt(cut / "runs" / "default" / "log.jsonl", 3))
    # The corpus grows: the shards of before go where tokenize puts them.
    before = ShardIndex.read(cut / "shards").identity
    (cut / "shards").rename(tmp_path / "before")
    grown = make_corpus(documents=16, salt="grown")
    (grown / "shards" / "older").mkdir()
    (tmp_path / "before").rename(grown / "shards" / "older" / before[:16])
    report = quick(grown, steps=6)
    assert report.shards == before
    assert "goes on with the shards it began with" in capsys.readouterr().err
    assert same_as(whole, grown, report)
    # A new run reads the new ones.
    assert quick(grown, run="new", steps=2).shards == ShardIndex.read(grown / "shards").identity != before


def test_shards_that_are_gone_are_missed_by_name(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, steps=2)
    before = ShardIndex.read(corpus / "shards").identity
    make_corpus(salt="other")
    with pytest.raises(WebtextError, match=rf"began with \({before[:16]}\) are gone"):
        quick(corpus, steps=4)
    assert quick(corpus, steps=2, restart=True).shards == ShardIndex.read(corpus / "shards").identity


def test_too_little_text_for_one_batch_says_how_much_there_is(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(documents=4, words=200)
    with pytest.raises(WebtextError, match=r"a step takes 1,024 tokens, 8 windows of 128; the shards have 6") as caught:
        quick(corpus, steps=2, batch_tokens=1_024)
    assert "--batch-tokens 768 or less" in str(caught.value)
    assert not (corpus / "runs").exists()
    assert quick(corpus, steps=2, batch_tokens=768).step == 2


def test_a_failing_validation_loses_nothing(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> float:
        raise ZeroDivisionError

    corpus = make_corpus()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "validation_loss", fails)
        with pytest.raises(ZeroDivisionError):
            quick(corpus, steps=2)
    assert list(checkpoint_folders(corpus / "runs" / "default")) == [2]  # saved before it was validated
    report = quick(corpus, steps=2)
    assert report.begun == 2
    assert report.val_loss is not None


def test_the_last_checkpoints_and_the_best_one_are_kept(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([5.0, 3.0, 4.0, 4.5, 4.2, 6.0])
    monkeypatch.setattr(loop, "validation_loss", lambda *_, **__: next(values))
    corpus = make_corpus()
    quick(corpus, steps=6, save_every=1, keep=2)
    assert list(checkpoint_folders(corpus / "runs" / "default")) == [2, 5, 6]
    # Validated more often than saved: the best of those that exist.
    values = iter([1.0, 5.0, 2.0, 4.0, 3.0, 6.0, 3.5, 7.0])
    quick(corpus, run="other", steps=8, save_every=2, eval_every=1, keep=1)
    assert list(checkpoint_folders(corpus / "runs" / "other")) == [4, 8]


def test_it_stops_on_sigterm_in_the_middle_of_a_step(make_corpus: MakeCorpus) -> None:
    """A process of its own, in a step that would take minutes; the weights of the last whole step are saved."""
    corpus = make_corpus(documents=40, words=800)
    code = (
        "import os, signal, sys, threading, time; from pathlib import Path\n"
        "from webtext.corpus.interrupts import stop_signals\n"
        "from webtext.train import step; from webtext.train.trainer import train\n"
        "whole = step.model_loss; taken = 0\n"
        "def slow(model, inputs, targets):\n"
        "    global taken; taken += 1\n"
        "    if taken == 3: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    if taken > 3: raise SystemExit('it went on after the signal')\n"
        "    return whole(model, inputs, targets)\n"
        "step.model_loss = slow\n"
        "with stop_signals(raising=False) as stop:\n"
        "    train(Path(sys.argv[1]), preset='tiny', steps=6, batch_tokens=2048, micro_batch=8, save_every=100,\n"
        "          samples=0, device='cpu', stop=stop)"
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


def test_without_held_out_text_there_is_no_validation(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus(val=0)
    report = quick(corpus, steps=2)
    assert report.val_loss is None
    assert "too little held-out text" in capsys.readouterr().err


def test_what_cannot_be_trained_is_said_before_anything_is_written(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()
    wrong: list[tuple[dict[str, Any], type[WebtextError], str]] = [
        ({"preset": "huge"}, UsageError, "no such preset: huge"),
        ({"steps": 0}, UsageError, "steps is 0"),
        ({"steps": -3}, UsageError, "steps is -3"),
        ({"batch_tokens": 500}, UsageError, "take 384 or 512"),
        ({"micro_batch": 0}, UsageError, "micro_batch is 0"),
        ({"learning_rate": float("nan")}, UsageError, "learning_rate is nan"),
        ({"device": "tpu"}, UsageError, "no such device: tpu"),
        ({"seed": -1}, UsageError, "seed is -1"),
        ({"run": "../up"}, UsageError, "no name for a run"),
        ({"run": ""}, UsageError, "no name for a run"),
    ]
    if not torch.cuda.is_available():
        wrong.append(({"device": "cuda"}, WebtextError, "no cuda device"))
    for options, kind, message in wrong:
        with pytest.raises(kind, match=message):
            quick(corpus, **{"steps": 2, **options})
    small = make_corpus("small", documents=2, words=100)
    with pytest.raises(WebtextError, match=r"too little text: 202 tokens are not one window of 1,024"):
        quick(small, preset="124M", batch_tokens=1_024)
    assert not (small / "runs").exists()
    with pytest.raises(WebtextError, match="there is no corpus here"):
        quick(tmp_path / "nowhere", steps=2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WebtextError, match="no shards to train on yet"):
        quick(tmp_path / "empty", steps=2)
    assert not (corpus / "runs").exists()


def test_another_tokenizer_than_the_shards_is_refused_with_both_named(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    theirs = read_vocabulary(corpus / "tokenizer" / "tokenizer.json")
    write_vocabulary(corpus / "tokenizer", Vocabulary(theirs.merges[:-1]))
    with pytest.raises(
        WebtextError, match=r"another tokenizer \(331 tokens, \w+\) than the shards were made with \(332 tokens"
    ):
        quick(corpus, steps=2)


def test_a_flipped_byte_in_a_shard_is_found(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    path = corpus / "shards" / "train-00001.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFile, match=r"train-00001.arrow"):
        quick(corpus, steps=2)
    assert not (corpus / "runs").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"run_version": 2}', '{"run_version": 3}'])
def test_a_damaged_or_newer_run_is_refused(make_corpus: MakeCorpus, text: str) -> None:
    corpus = make_corpus()
    quick(corpus, steps=2)
    (corpus / "runs" / "default" / "run.json").write_text(text)
    with pytest.raises(WebtextError, match=r"run\.json"):
        quick(corpus, steps=4)
    (corpus / "runs" / "default" / "run.json").unlink()
    with pytest.raises(DamagedFile, match=r"has checkpoints, but no run\.json"):
        quick(corpus, steps=4)
    assert len(checkpoint_folders(corpus / "runs" / "default")) == 1


def test_out_of_memory_says_what_helps(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step_module, "model_loss", full)
    with pytest.raises(WebtextError, match="out of memory with 2 windows at once") as caught:
        quick(make_corpus(), steps=2, micro_batch=2)
    assert "--micro-batch" in str(caught.value)
    with pytest.raises(WebtextError, match="out of memory with 1 windows at once") as caught:
        quick(make_corpus(), steps=2, run="smallest")
    assert "--preset" in str(caught.value)


def test_where_memory_is_short_fewer_windows_are_taken_and_the_batch_stays(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    quick(corpus, run="whole", steps=4)

    def small(model: Any, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if len(inputs) > 1:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate much")
        return model_loss(model, inputs, targets)

    monkeypatch.setattr(step_module, "model_loss", small)
    report = quick(corpus, steps=4)
    assert "out of memory with 4 windows at once: goes on with 2" in capsys.readouterr().err
    assert losses(corpus) == pytest.approx(losses(corpus, "whole"), abs=2e-5)
    assert [line["position"] for line in lines(corpus) if "loss" in line] == [0, 4, 8, 12]
    assert read_checkpoint(Path(report.checkpoint)).state.software["micro_batch"] == 1
