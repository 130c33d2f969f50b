from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import identity_of
from webtext.train.checkpoint import (
    Checkpoint,
    RunState,
    read_checkpoint,
    save_checkpoint,
    step_folder,
)
from webtext.train.checkpoints import checkpoint_folders, find_checkpoint, prune_checkpoints, read_latest, sweep_run
from webtext.train.device import Numerics
from webtext.train.log import best_step
from webtext.train.loss import LossOfModel
from webtext.train.model import GPTConfig, build
from webtext.train.optimizer import load_moments, make_optimizer, read_moments
from webtext.train.prefetch import Batch
from webtext.train.ranks import Ranks
from webtext.train.recipe import recipe_for
from webtext.train.step import Learner, take_step
from webtext.train.weights import load_into, to_hugging_face

CONFIG = GPTConfig(vocab_size=300, context=16, layers=2, heads=2, width=16)
STATE = RunState(
    step=3, position=24, updates=3, tokens=384, loss=1.5, seed=1, order_version=1, shards="s" * 64,
    fingerprint="f" * 64, preset="tiny", recipe={"learning_rate": 1e-3}, software={"torch": "x"},
)  # fmt: skip
RECIPE = recipe_for("tiny")
ALONE = Ranks(torch.device("cpu"))


def save(run: Path, step: int = 3, seed: int = 1, tokenizer: bytes = b"{}") -> Path:
    model = build(CONFIG, seed=seed)
    return save_checkpoint(
        run,
        config=CONFIG,
        state=replace(STATE, step=step),
        weights=lambda: to_hugging_face(dict(model.named_parameters())),
        moments=lambda: read_moments(model, make_optimizer(model, RECIPE), ALONE),
        tokenizer=tokenizer,
        endoftext=299,
    )


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    folder = save(tmp_path)
    assert folder == tmp_path / "checkpoints" / "step-000003"
    found = read_checkpoint(folder)
    assert (found.config, found.state) == (CONFIG, STATE)
    assert found.tokenizer() == b"{}"
    model = build(CONFIG, seed=2)
    load_into(model, found.weights(), where=folder)
    for ours, theirs in zip(model.parameters(), build(CONFIG, seed=1).parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert {path.stat().st_mode for path in folder.iterdir()} == {(folder / "state.json").stat().st_mode}
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "state.json",
        "state.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_the_optimizer_goes_on_to_the_bit(tmp_path: Path) -> None:
    rows = torch.randint(0, 300, (2, 17), generator=torch.Generator().manual_seed(1))
    batch = Batch(0, rows[:, :-1], rows[:, 1:], None)

    def learner_of(seed: int) -> Learner:
        model = build(CONFIG, seed=seed)
        numerics = Numerics(torch.device("cpu"), "float32")
        return Learner(model, LossOfModel(model), make_optimizer(model, RECIPE), numerics, ALONE)

    def steps(learner: Learner, count: int) -> None:
        for _ in range(count):
            take_step(learner, iter([batch]), counts=(1, 1), tokens=32, clip=1.0, judge=lambda loss, norm: None)

    learner = learner_of(seed=1)
    steps(learner, 3)
    folder = save_checkpoint(
        tmp_path,
        config=CONFIG,
        state=STATE,
        weights=lambda: to_hugging_face(dict(learner.model.named_parameters())),
        moments=lambda: read_moments(learner.model, learner.optimizer, ALONE),
        tokenizer=b"{}",
        endoftext=299,
    )
    found = read_checkpoint(folder)
    other = learner_of(seed=9)
    load_into(other.model, found.weights(), where=folder)
    load_moments(other.model, other.optimizer, found.moments(), updates=found.state.updates, where=folder)
    before = [parameter.clone() for parameter in learner.model.parameters()]
    steps(learner, 3)
    steps(other, 3)
    for ours, theirs, earlier in zip(learner.model.parameters(), other.model.parameters(), before, strict=True):
        assert not torch.equal(ours, earlier)
        assert torch.equal(ours, theirs)


def test_transformers_loads_it_as_it_is(make_corpus: Callable[..., Path], tmp_path: Path) -> None:
    tokenizer = (make_corpus() / "tokenizer" / "tokenizer.json").read_bytes()
    folder = save(tmp_path, tokenizer=tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens = torch.arange(16)[None]
    with torch.no_grad():
        torch.testing.assert_close(model(tokens).logits, build(CONFIG, seed=1)(tokens), rtol=0, atol=1e-5)
    theirs = AutoTokenizer.from_pretrained(folder)
    assert theirs.decode(theirs.encode(" the fox reads pages")) == " the fox reads pages"
    assert theirs.eos_token == "<|endoftext|>"


@pytest.mark.parametrize(
    "name", ["model.safetensors", "state.safetensors", "tokenizer.json", "config.json", "state.json"]
)
def test_a_flipped_byte_is_found_in_any_file(tmp_path: Path, name: str) -> None:
    path = save(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFile) as caught:
        read_checkpoint(path.parent)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "state.safetensors", "tokenizer.json", "config.json", "state.json"]
)
def test_a_truncated_or_missing_file_is_found(tmp_path: Path, name: str) -> None:
    path = save(tmp_path) / name
    os.truncate(path, path.stat().st_size - 1 if name != "state.json" else 20)
    with pytest.raises(DamagedFile) as caught:
        read_checkpoint(path.parent, verify=False)
    assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(WebtextError) as missing:
        read_checkpoint(path.parent)
    assert missing.value.where == str(path)


def test_files_of_another_checkpoint_are_found(tmp_path: Path) -> None:
    one, other = save(tmp_path / "a", seed=1), save(tmp_path / "b", seed=2)
    (other / "model.safetensors").replace(one / "model.safetensors")
    with pytest.raises(DamagedFile, match=r"model.safetensors: has other bytes than were written"):
        read_checkpoint(one)


def test_a_foreign_state_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "state.json").write_text('{"step": 3}')
    with pytest.raises(DamagedFile, match="no state of a training run"):
        read_checkpoint(folder)


def test_a_newer_state_is_refused_and_never_passed_over(tmp_path: Path) -> None:
    save(tmp_path, step=1)
    folder = save(tmp_path, step=2)
    content = json.loads((folder / "state.json").read_text())
    del content["identity"]
    content["state_version"] = 2
    (folder / "state.json").write_text(json.dumps({"identity": identity_of(content), **content}))
    with pytest.raises(WebtextError, match="has state version 2; this webtext reads 1") as caught:
        read_latest(tmp_path)
    assert not isinstance(caught.value, DamagedFile)


def test_the_last_whole_one_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_latest(tmp_path) is None
    for step in (1, 2, 10):
        save(tmp_path, step=step)
    os.truncate(step_folder(tmp_path, 10) / "model.safetensors", 100)
    found = read_latest(tmp_path)
    assert isinstance(found, Checkpoint)
    assert found.state.step == 2
    message = capsys.readouterr().err
    assert "passed over a damaged checkpoint" in message
    assert "step-000010/model.safetensors: has 100 bytes" in message


def test_with_no_whole_one_it_does_not_begin_anew_by_itself(tmp_path: Path) -> None:
    (save(tmp_path) / "config.json").unlink()
    with pytest.raises(DamagedFile, match="none of the run's checkpoints is whole"):
        read_latest(tmp_path)


def test_the_last_ones_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5, 9):
        save(tmp_path, step=step)
    # 9 is a damaged one that the run at step 5 passed over: it is not one of the last two.
    # 7 was validated, but has no checkpoint; the loss of 3 was no number.
    validations = {1: 3.0, 2: 2.0, 3: None, 4: 2.5, 7: 1.0, 9: 0.5}
    prune_checkpoints(tmp_path, step=5, keep=2, validations=validations)
    assert list(checkpoint_folders(tmp_path)) == [2, 4, 5, 9]
    assert best_step(validations, [1, 2, 4, 5]) == 2
    assert best_step({1: 2.0, 2: 2.0}, [1, 2]) == 1  # the earliest of equals


def test_a_checkpoint_is_found_by_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="has no checkpoint yet"):
        find_checkpoint(tmp_path)
    for step in (1, 2, 3):
        save(tmp_path, step=step)
    assert find_checkpoint(tmp_path) == step_folder(tmp_path, 3)
    assert find_checkpoint(tmp_path, "2") == step_folder(tmp_path, 2)
    assert find_checkpoint(tmp_path, "best", best=1) == step_folder(tmp_path, 1)
    for which, hint in (("7", "there are 1, 2, 3"), ("first", "last, best, or a step"), ("best", "take the last one")):
        with pytest.raises(WebtextError, match="has no checkpoint") as caught:
            find_checkpoint(tmp_path, which)
        assert hint in str(caught.value)
    os.truncate(step_folder(tmp_path, 2) / "model.safetensors", 100)
    with pytest.raises(DamagedFile, match="has 100 bytes"):
        find_checkpoint(tmp_path, "2")


def test_steps_are_numbers_not_words(tmp_path: Path) -> None:
    for step in (999_999, 1_000_000):
        save(tmp_path, step=step)
    found = read_latest(tmp_path)
    assert found is not None
    assert found.state.step == 1_000_000


@pytest.mark.parametrize("fault", ["files.written:1", "files.renamed:4", "train.checkpoint:1"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    save(tmp_path, step=3, seed=1)
    monkeypatch.setenv("WEBTEXT_FAULT", f"{fault}:raise")
    monkeypatch.setattr("webtext.corpus.faults._passed", Counter())
    with pytest.raises(RuntimeError):
        save(tmp_path, step=4)
    found = read_latest(tmp_path)
    assert found is not None
    assert found.state.step == 3
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000003"]


def test_no_space_is_said_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    save(tmp_path, step=3)

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("webtext.train.checkpoint.save_file", full)
    with pytest.raises(WebtextError, match="no space left on the device"):
        save(tmp_path, step=4)
    assert list(checkpoint_folders(tmp_path)) == [3]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / ".step-000004.tmp-123-abcd"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    save(tmp_path)
    sweep_run(tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000003"]


def test_no_pickle_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was opened")

    for place in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load", "torch.serialization.load"):
        monkeypatch.setattr(place, opened)
    found = read_checkpoint(folder)
    assert len(found.weights()) * 2 == len(found.moments())
