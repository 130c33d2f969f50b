"""Steps that are skipped: no number, or a spike; and what is written down of them."""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from training import MakeCorpus, StopAt, lines, quick, weights_hash

from webtext.corpus.errors import Interrupted, UsageError, WebtextError
from webtext.train import loss as loss_module
from webtext.train.checkpoint import read_checkpoint
from webtext.train.loss import model_loss
from webtext.train.spikes import LEAST, WINDOW, SpikeGuard, z_score
from webtext.train.tracing import trace_step


def changed_loss(monkeypatch: pytest.MonkeyPatch, changes: dict[int, float]) -> None:
    """The loss of the calls in `changes` times a factor; a step of QUICK is one call."""
    calls = Counter[str]()

    def changed(*arguments: Any, **options: Any) -> torch.Tensor:
        calls["loss"] += 1
        return model_loss(*arguments, **options) * changes.get(calls["loss"], 1.0)

    monkeypatch.setattr(loss_module, "model_loss", changed)


def test_a_step_without_a_loss_is_skipped_and_what_it_read_is_written_down(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    changed_loss(monkeypatch, {3: float("nan")})
    report = quick(corpus, steps=4, save_every=4, eval_every=100)
    said = capsys.readouterr().err
    path = corpus / "runs" / "default" / "skipped" / "step-000003.json"
    assert f"step 3 skipped, the weights stay as they were; what it read: {path}" in said
    assert "skipped: the loss is no number" in said
    written = [line for line in lines(corpus) if "loss" in line]
    assert [line.get("skipped") for line in written] == [None, None, "the loss is no number", None]
    assert written[2]["loss"] is None
    assert written[3]["position"] == 12
    state = read_checkpoint(Path(report.checkpoint)).state
    assert (state.step, state.updates) == (4, 3)
    for tensor in load_file(Path(report.checkpoint) / "model.safetensors").values():
        assert bool(torch.isfinite(tensor).all())
    found = json.loads(path.read_text())
    traced = trace_step(corpus, step=3)
    assert (found["step"], found["position"], found["loss"]) == (3, 8, None)
    assert [document["url"] for document in found["documents"]] == [document.url for document in traced.documents]
    assert all(document["url"].startswith("https://example.org/") for document in found["documents"])
    assert [window["window"] for window in found["windows"]] == [window.window for window in traced.windows]
    assert "<line" in (corpus / "runs" / "default" / "loss.svg").read_text()


def test_a_run_without_a_loss_gives_up(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    changed_loss(monkeypatch, dict.fromkeys(range(1, 100), float("inf")))
    with pytest.raises(WebtextError, match="20 steps in a row were skipped, the last one for this: the loss is no"):
        quick(make_corpus(), steps=30, batch_tokens=128, save_every=100)


def test_a_spike_is_skipped_also_by_a_run_that_goes_on(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(documents=20, words=400)
    options: dict[str, Any] = {"steps": 44, "save_every": 44, "eval_every": 100, "batch_tokens": 256}
    with monkeypatch.context() as patched:
        changed_loss(patched, {40: 40.0, 42: 40.0})
        whole = quick(corpus, run="whole", **options)
    skipped = {line["step"]: line["skipped"] for line in lines(corpus, "whole") if "skipped" in line}
    assert list(skipped) == [40, 42]
    assert skipped[40].startswith("a spike of the loss, ")
    assert skipped[40].endswith(" standard deviations above the 39 steps before")
    with monkeypatch.context() as patched:
        changed_loss(patched, {40: 40.0})
        with pytest.raises(Interrupted):
            quick(corpus, run="cut", stop=StopAt(corpus / "runs" / "cut" / "log.jsonl", 41), **options)
    with monkeypatch.context() as patched:
        changed_loss(patched, {1: 40.0})
        cut = quick(corpus, run="cut", **options)
    assert lines(corpus, "cut") == lines(corpus, "whole")
    assert weights_hash(cut) == weights_hash(whole)
    # Not where it is not wanted.
    with monkeypatch.context() as patched:
        changed_loss(patched, {40: 40.0})
        quick(corpus, run="all", spike_z=0, **options)
    assert [line for line in lines(corpus, "all") if "skipped" in line] == []
    with pytest.raises(UsageError, match="spike_z is -1"):
        quick(corpus, steps=1, spike_z=-1.0)


def test_a_loss_that_stays_high_is_a_spike_no_more() -> None:
    guard, skipped = SpikeGuard(), 0
    for step in range(400):
        loss = (3.0 if step < 200 else 5.0) + 0.05 * (step % 7)
        skipped += guard.why(loss, 1.0) is not None
        guard.add(loss, 1.0)
    assert 1 <= skipped <= 10


def test_a_gradient_far_out_of_the_ordinary_is_a_spike_too() -> None:
    guard = SpikeGuard()
    for step in range(LEAST):
        assert guard.why(3.0, 1e9) is None  # too few before
        guard.add(3.0 + 0.01 * (step % 3), 1.0 + 0.1 * (step % 5))
    assert guard.why(3.0, 1.5) is None
    why = guard.why(3.0, 50.0)
    assert why is not None
    assert why.startswith("a spike of the gradient, ")
    assert guard.why(3.0, float("inf")) == "the gradient is no number"


@pytest.mark.parametrize("limit", [3.0, 6.0])
def test_the_limit_is_where_it_says(limit: float) -> None:
    """Losses of mean 3 and deviation .1; gradients whose logarithms have mean 0 and deviation .1."""
    guard = SpikeGuard(limit)
    for step in range(LEAST):
        sign = 1 if step % 2 else -1
        guard.add(3 + 0.1 * sign, math.exp(0.1 * sign))
    below, above = 0.1 * (limit - 0.01), 0.1 * (limit + 0.01)
    assert guard.why(3 + below, math.exp(below)) is None
    assert guard.why(3 + above, 1.0) == (
        f"a spike of the loss, {limit + 0.01:.1f} standard deviations above the {LEAST} steps before"
    )
    assert (why := guard.why(3.0, math.exp(above))) is not None and why.startswith("a spike of the gradient, ")
    assert guard.why(3 - 10 * above, math.exp(-10 * above)) is None  # below is no spike
    never = SpikeGuard(0)
    never._losses, never._norms = guard._losses, guard._norms
    assert never.why(100.0, 1e9) is None


@given(st.lists(st.floats(0.5, 12.0), min_size=LEAST, max_size=WINDOW), st.floats(0.5, 30.0))
def test_the_z_score_is_that_of_the_textbook(before: list[float], value: float) -> None:
    mean = sum(before) / len(before)
    deviation = (sum((one - mean) ** 2 for one in before) / len(before)) ** 0.5
    expected = (value - mean) / max(deviation, 0.002 * mean)
    assert z_score(value, deque(before)) == pytest.approx(expected, rel=1e-6, abs=1e-6)
