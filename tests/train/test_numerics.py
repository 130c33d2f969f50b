"""Precisions, recomputation and compiling change rounding, not what is learnt; what a machine lacks is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from training import MakeCorpus, losses, quick

from webtext.corpus.errors import Interrupted, UsageError
from webtext.corpus.interrupts import Stop
from webtext.train.compiling import compiled_or_not
from webtext.train.device import Numerics
from webtext.train.loss import LossOfModel, piece_gradient
from webtext.train.model import PRESETS, build
from webtext.train.scaling import LossScale
from webtext.train.trial import fits_in_a_process


def test_half_precisions_and_recomputation_come_to_nearly_the_same(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, run="plain", steps=4, save_every=4)
    quick(corpus, run="again", steps=4, save_every=4, recompute="on")
    assert losses(corpus, "again") == pytest.approx(losses(corpus, "plain"), abs=2e-5)
    for precision in ("bf16", "fp16"):
        quick(corpus, run=precision, steps=4, save_every=4, precision=precision)
        assert losses(corpus, precision) == pytest.approx(losses(corpus, "plain"), abs=0.05)
        assert losses(corpus, precision) != losses(corpus, "plain")


def test_an_overflow_in_fp16_takes_the_step_again_with_half_the_scale() -> None:
    scale = LossScale()
    assert scale.overflowed()
    assert scale.value == 2.0**15
    for _ in range(2_000):
        scale.fitted()
    assert scale.value == 2.0**16
    scale.value = 2.0**-10
    assert not scale.overflowed()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "fp8"}, "no such precision: fp8"),
        ({"precision": "tf32"}, "tf32 is a precision of NVIDIA's GPUs"),
        ({"compile": "yes"}, "compile is yes"),
        ({"recompute": "never"}, "recompute is never"),
    ],
)
def test_what_there_is_not_is_said(make_corpus: MakeCorpus, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        quick(make_corpus(), steps=1, **wrong)


def test_where_it_cannot_compile_it_goes_on_without(capsys: pytest.CaptureFixture[str]) -> None:
    trained = LossOfModel(build(replace(PRESETS["tiny"], vocab_size=100, layers=1), seed=1))
    calls = []

    def fails_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("InvalidCxxCompiler: no working C++ compiler found\nmany\nlines")

    trained.piece = torch.compile(piece_gradient)
    assert not compiled_or_not(trained, fails_once)
    assert len(calls) == 2
    assert trained.piece is piece_gradient
    assert "cannot compile here, goes on without (RuntimeError: InvalidCxxCompiler" in capsys.readouterr().err


def test_a_stop_while_it_compiles_stops() -> None:
    trained = LossOfModel(build(replace(PRESETS["tiny"], vocab_size=100, layers=1), seed=1))

    def stopped() -> None:
        try:
            raise Stop.error()
        except Interrupted as error:
            raise RuntimeError("the compiler failed") from error

    with pytest.raises(Interrupted):
        compiled_or_not(trained, stopped)


@pytest.mark.slow
def test_too_many_windows_end_the_process_that_tries_them_not_this_one() -> None:
    config = replace(PRESETS["tiny"], vocab_size=500)
    cpu = Numerics(torch.device("cpu"), "float32")
    assert fits_in_a_process(config, cpu, 4, limit=4 * 10**9)
    assert not fits_in_a_process(config, cpu, 8_192, limit=4 * 10**9)
