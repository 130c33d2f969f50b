from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from webtext.corpus.errors import WebtextError
from webtext.train import memory
from webtext.train.memory import check_disk, check_fit, fitting_micro_batch, free_bytes, training_bytes, whole_bytes
from webtext.train.model import PRESETS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_as_many_windows_as_fit_are_taken_at_once() -> None:
    # 124M: 2.0 GB for weights, gradient and moments, 2.1 GB for the head, 1.08 GB for each window of 1,024 tokens.
    config = PRESETS["124M"]
    assert fitting_micro_batch(config, 512, CUDA, free=80 * 10**9) == 32
    assert fitting_micro_batch(config, 512, CUDA, free=16 * 10**9) == 8
    assert fitting_micro_batch(config, 512, CUDA, free=10 * 10**9) == 2
    assert fitting_micro_batch(config, 512, CUDA, free=4 * 10**9) == 1
    assert fitting_micro_batch(config, 3, CUDA, free=80 * 10**9) == 2
    # On a CPU more at once is no faster.
    assert fitting_micro_batch(config, 512, CPU, free=10**12) == 2
    assert fitting_micro_batch(PRESETS["tiny"], 8, CPU, free=10**12) == 8


@pytest.mark.parametrize("free", [2e9, 7e9, 30e9, 79e9])
def test_what_is_taken_stays_within_what_is_free(free: float) -> None:
    for config in PRESETS.values():
        micro_batch = fitting_micro_batch(config, 512, CUDA, free=int(free))
        assert micro_batch == 1 or training_bytes(config, CUDA, micro_batch) <= free


def test_a_model_that_cannot_fit_is_refused_with_what_it_needs() -> None:
    check_fit(PRESETS["124M"], CPU, whole=8 * 10**9)
    with pytest.raises(WebtextError, match=r"1,557,611,200 parameters take 3\d\.\d GB .*, cpu has 24\.0 GB"):
        check_fit(PRESETS["1558M"], CPU, whole=24 * 10**9)
    assert whole_bytes(CPU) >= free_bytes(CPU) > 0


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert whole_bytes(CPU) == psutil.virtual_memory().total + psutil.swap_memory().total
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert (whole_bytes(CPU), free_bytes(CPU)) == (1_000_000, 600_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert whole_bytes(CPU) > 1_000_000


def test_a_disk_without_room_for_one_checkpoint_is_told_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(PRESETS["tiny"], vocab_size=1_000)
    check_disk(tmp_path, config)

    class Nearly:
        free = 12 * config.parameters - 1

    monkeypatch.setattr(psutil, "disk_usage", lambda path: Nearly)
    with pytest.raises(WebtextError, match=r"no space left on the device for a checkpoint: it takes 0\.01 GB"):
        check_disk(tmp_path, config)
