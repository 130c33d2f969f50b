"""What a run leaves behind, and that it learns."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from training import MakeCorpus, lines, losses, quick

from webtext.tokenize.shard_index import ShardIndex
from webtext.train.checkpoint import read_checkpoint
from webtext.train.log import StepLog, read_log


def test_a_run_leaves_a_log_checkpoints_and_samples(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    report = quick(corpus, steps=6, samples=3)
    run = corpus / "runs" / "default"
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "log.jsonl",
        "loss.svg",
        "run.json",
        "samples",
    ]
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
        "step", "position", "loss", "grad_norm", "lr", "tokens_per_second", "mfu", "memory_bytes", "seconds", "shards"
    ]  # fmt: skip
    assert report.val_loss == written[-1]["val_loss"]
    said = capsys.readouterr().err
    assert "run default: tiny, 852,224 parameters, vocabulary 332, on cpu in float32 with 1 thread\n" in said
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


def test_the_micro_batch_changes_nothing_but_rounding(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    for run, micro_batch in (("four", 4), ("three", 3), ("one", 1)):
        quick(corpus, run=run, steps=5, micro_batch=micro_batch, save_every=5)
    assert losses(corpus, "three") == pytest.approx(losses(corpus, "four"), abs=2e-5)
    assert losses(corpus, "one") == pytest.approx(losses(corpus, "four"), abs=2e-5)
    norms = [[line["grad_norm"] for line in lines(corpus, run) if "loss" in line] for run in ("four", "one")]
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)


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
