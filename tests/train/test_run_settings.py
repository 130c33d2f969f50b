"""What a run was begun with stays; what may change, may."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from training import MakeCorpus, StopAt, Whole, lines, losses, quick, same_as

from webtext.corpus.errors import ChangedSettings, DamagedFile, Interrupted, WebtextError
from webtext.tokenize.shard_index import ShardIndex
from webtext.train.checkpoints import checkpoint_folders
from webtext.train.trainer import train


def test_past_the_planned_steps_the_rate_stays_at_a_tenth(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    quick(corpus, steps=3, learning_rate=0.001)
    quick(corpus, steps=5)
    rates = [line["lr"] for line in lines(corpus) if "loss" in line]
    assert rates[3:] == pytest.approx([0.0001, 0.0001])
    assert "the learning rate was planned for 3 steps" in capsys.readouterr().err


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory: pytest.TempPathFactory, corpus_writer: MakeCorpus) -> Path:
    """A corpus with a run of two steps: to be copied, not written to."""
    corpus = corpus_writer(tmp_path_factory.mktemp("two-steps") / "corpus")
    torch.set_num_threads(1)
    quick(corpus, steps=2)
    return corpus


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
def test_a_changed_setting_is_refused_by_name(
    two_steps: Path, tmp_path: Path, changed: dict[str, Any], name: str
) -> None:
    corpus = shutil.copytree(two_steps, tmp_path / "corpus")
    with pytest.raises(ChangedSettings, match=name):
        quick(corpus, steps=4, **changed)
    # Not asked again, it is as it was.
    assert train(corpus, steps=3, device="cpu", trial=False).step == 3
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


@pytest.mark.parametrize("text", ["{", "[]", '{"run_version": 2}', '{"run_version": 4}'])
def test_a_damaged_or_newer_run_is_refused(two_steps: Path, tmp_path: Path, text: str) -> None:
    corpus = shutil.copytree(two_steps, tmp_path / "corpus")
    (corpus / "runs" / "default" / "run.json").write_text(text)
    with pytest.raises(WebtextError, match=r"run\.json"):
        quick(corpus, steps=4)
    (corpus / "runs" / "default" / "run.json").unlink()
    with pytest.raises(DamagedFile, match=r"has checkpoints, but no run\.json"):
        quick(corpus, steps=4)
    assert len(checkpoint_folders(corpus / "runs" / "default")) == 1
