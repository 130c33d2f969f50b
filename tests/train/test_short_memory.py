"""Where memory is short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training import MakeCorpus, lines, losses, quick

from webtext.corpus.errors import WebtextError
from webtext.train import loss as loss_module
from webtext.train.checkpoint import read_checkpoint
from webtext.train.loss import model_loss


def test_out_of_memory_says_what_helps(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loss_module, "model_loss", full)
    with pytest.raises(WebtextError, match="out of memory with 2 windows at once") as caught:
        quick(make_corpus(), steps=2, micro_batch=2)
    assert "--micro-batch" in str(caught.value)
    with pytest.raises(WebtextError, match="out of memory with 1 window at once") as caught:
        quick(make_corpus(), steps=2, run="smallest")
    assert "--preset" in str(caught.value)


def test_where_the_trial_finds_no_memory_fewer_windows_are_tried(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    tried: list[int] = []

    def small(model: Any, inputs: torch.Tensor, *more: Any, **options: Any) -> torch.Tensor:
        tried.append(len(inputs))
        if len(inputs) > 1:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate much")
        return model_loss(model, inputs, *more, **options)

    monkeypatch.setattr(loss_module, "model_loss", small)
    report = quick(corpus, steps=2, trial=True)
    said = capsys.readouterr().err
    assert "out of memory with 4 windows at once: tries 2" in said
    assert "out of memory with 2 windows at once: tries 1" in said
    assert (report.step, report.plan.micro_batch) == (2, 1)
    assert tried[:3] == [4, 2, 1] and set(tried[3:]) == {1}
    # What was asked for by number is not changed, and there is no traceback for it.
    with pytest.raises(WebtextError, match="out of memory with 2 windows at once") as caught:
        quick(corpus, run="asked", steps=2, micro_batch=2, trial=True)
    assert "--micro-batch" in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are looked at on Linux only")
def test_the_limit_of_a_process_counts_as_what_there_is() -> None:
    code = (
        "import resource, torch; from webtext.train.memory import free_bytes, whole_bytes\n"
        "cpu, before = torch.device('cpu'), free_bytes(torch.device('cpu'))\n"
        "import psutil; has = psutil.Process().memory_info().data\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (has + 100_000_000,) * 2)\n"
        "print(before > 200_000_000, 90_000_000 < free_bytes(cpu) <= 100_000_000)\n"
        "print(whole_bytes(cpu) == has + 100_000_000)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 3


def test_where_memory_is_short_fewer_windows_are_taken_and_the_batch_stays(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    quick(corpus, run="whole", steps=4)

    def small(model: Any, inputs: torch.Tensor, *more: Any, **options: Any) -> torch.Tensor:
        if len(inputs) > 1:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate much")
        return model_loss(model, inputs, *more, **options)

    monkeypatch.setattr(loss_module, "model_loss", small)
    report = quick(corpus, steps=4)
    assert "out of memory with 4 windows at once: goes on with 2" in capsys.readouterr().err
    assert losses(corpus) == pytest.approx(losses(corpus, "whole"), abs=2e-5)
    assert [line["position"] for line in lines(corpus) if "loss" in line] == [0, 4, 8, 12]
    assert read_checkpoint(Path(report.checkpoint)).state.software["micro_batch"] == 1
