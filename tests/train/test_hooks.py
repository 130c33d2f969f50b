"""What a run calls after every so many steps, and that a run that goes on does not call it twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from webtext.corpus.errors import UsageError
from webtext.train.hooks import AfterSteps
from webtext.train.log import read_log
from webtext.train.model import GPT2
from webtext.train.trainer import train


def test_a_hook_is_called_after_its_steps_and_the_last_and_its_numbers_are_logged(
    make_corpus: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, called = make_corpus(), []

    def count(model: GPT2, step: int) -> dict[str, float]:
        assert not torch.is_grad_enabled()
        called.append(step)
        return {"accuracy": step / 8}

    def go(steps: int) -> None:
        train(corpus, preset="tiny", batch_tokens=512, steps=steps, decay_steps=5, save_every=3, samples=0,
              device="cpu", trial=False, hooks=[AfterSteps(2, count, "quiz")])  # fmt: skip

    go(5)
    go(5)
    assert called == [2, 4, 5]
    go(6)
    assert called == [2, 4, 5, 6]
    lines = [line for line in read_log(corpus / "runs" / "default" / "log.jsonl") if line.get("after") == "quiz"]
    assert [(line["step"], line["accuracy"]) for line in lines] == [(2, 0.25), (4, 0.5), (5, 0.625), (6, 0.75)]
    assert "step 4: accuracy 0.5" in capsys.readouterr().err


def test_a_hook_without_numbers_is_called_again_where_a_run_goes_on(make_corpus: Callable[..., Path]) -> None:
    corpus, called = make_corpus(), []

    def silent(model: GPT2, step: int) -> dict[str, float]:
        called.append(step)
        return {}

    for _ in range(2):
        train(corpus, preset="tiny", batch_tokens=512, steps=2, samples=0, device="cpu", trial=False,
              hooks=[AfterSteps(1, silent)])  # fmt: skip
    assert called == [1, 2, 2]


def test_every_takes_a_number_of_steps() -> None:
    with pytest.raises(UsageError, match="quiz: every 0 steps"):
        AfterSteps(0, lambda model, step: {}, "quiz")
