"""What one sees of a run: its plan, a line a step, the curve, TensorBoard, MFU, samples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from training import MakeCorpus, lines, quick

from webtext.corpus.errors import UsageError, WebtextError
from webtext.train import tensorboard as tensorboard_module
from webtext.train import trainer as trainer_module
from webtext.train.flops import flops_per_token, listed_peak
from webtext.train.model import PRESETS
from webtext.train.plot import MOST_POINTS, loss_plot, smoothed, thinned, ticks
from webtext.train.watch import clock, step_line


def test_a_line_a_step_says_how_it_goes() -> None:
    line: dict[str, Any] = {
        "step": 7, "loss": 3.5, "grad_norm": 0.25, "lr": 6e-4, "tokens_per_second": 475_000.0, "mfu": 0.41,
        "memory_bytes": 61_200_000_000, "seconds": 1.1,
    }  # fmt: skip
    assert step_line(line, 19_073, 1.1) == (
        "step 7/19,073: loss 3.5000, grad norm 0.2500, lr 6.0e-04, 475,000 tokens/s, MFU 41.0%, 61.20 GB, 5:49:32 left"
    )
    last = step_line({**line, "step": 19_073, "mfu": None, "loss": float("nan"), "skipped": "why"}, 19_073, 1.1)
    assert last == (
        "step 19,073/19,073: loss none, grad norm 0.2500, lr 6.0e-04, 475,000 tokens/s, 61.20 GB, skipped: why"
    )
    assert [clock(seconds) for seconds in (5, 187, 7_387, 439_387)] == ["0:05", "3:07", "2:03:07", "5 d 02:03:07"]


def test_on_a_narrow_terminal_a_line_ends_sooner_and_is_still_one_line() -> None:
    line: dict[str, Any] = {
        "step": 7, "loss": 3.5, "grad_norm": 0.25, "lr": 6e-4, "tokens_per_second": 475_000.0, "mfu": 0.41,
        "memory_bytes": 61_200_000_000, "seconds": 1.1,
    }  # fmt: skip
    assert step_line(line, 19_073, 1.1, width=120) == step_line(line, 19_073, 1.1)
    assert step_line(line, 19_073, 1.1, width=100).endswith("475,000 tokens/s, MFU 41.0%, 61.20 GB")
    assert step_line(line, 19_073, 1.1, width=80) == (
        "step 7/19,073: loss 3.5000, grad norm 0.2500, lr 6.0e-04, 475,000 tokens/s"
    )
    assert step_line({**line, "skipped": "why"}, 19_073, 1.1, width=80).endswith("tokens/s, skipped: why")


def test_what_a_token_costs_is_what_others_reckon_too() -> None:
    # 0.854, 2.42, 5.20 and 10.27 GFLOP: on an H100's 989 TFLOP/s at most 1,158k, 408k, 190k and 96k tokens/s.
    found = [round(flops_per_token(PRESETS[name]) / 1e9, 2) for name in ("124M", "355M", "774M", "1558M")]
    assert found == [0.85, 2.42, 5.2, 10.27]
    peak = listed_peak("NVIDIA H100 80GB HBM3", "bfloat16")
    assert peak == 989.4e12
    assert round(peak / flops_per_token(PRESETS["124M"]) / 1000) == 1158


def test_the_peak_is_that_of_the_device_that_is_there() -> None:
    names = ["NVIDIA A100-SXM4-80GB", "NVIDIA H100 PCIe", "NVIDIA H200", "NVIDIA A10G", "Tesla V100-SXM2-16GB", "GTX"]
    found = [listed_peak(name, "bfloat16") for name in names]
    assert found == [312e12, 756.5e12, 989.4e12, 70e12, 125e12, None]
    assert listed_peak("NVIDIA A100-SXM4-80GB", "tf32") == 156e12
    assert listed_peak("NVIDIA A100-SXM4-80GB", "float32") == 19.5e12


def test_before_it_begins_it_says_what_it_will_take_and_a_dry_run_ends_there(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus()
    plan = quick(corpus, steps=6, trial=True, dry_run=True).plan
    assert not (corpus / "runs").exists()
    assert (plan.parameters, plan.steps, plan.tokens, plan.micro_batch) == (852_224, 6, 3_072, 4)
    assert plan.tokens_per_second is not None
    assert plan.hours == pytest.approx(3_072 / plan.tokens_per_second / 3600, abs=1e-4)
    assert plan.mfu is not None
    assert 0 < plan.mfu < 1
    assert not plan.peak_listed
    json.dumps(plan.to_json())
    said = capsys.readouterr().err
    assert re.search(r"it fits: some 0\.1\d GB of the \d+\.\d GB that are free", said)
    assert plan.memory_bytes < plan.free_bytes
    assert "3,072 tokens at " in said
    # Tried or not, the run is the same; and the plan of a run that has begun is of what is left.
    quick(corpus, run="tried", steps=2, trial=True)
    quick(corpus, run="untried", steps=2)
    assert lines(corpus, "tried") == lines(corpus, "untried")
    assert quick(corpus, run="tried", steps=6, dry_run=True).plan.steps == 4


def test_what_others_hold_is_not_called_free(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer_module, "free_bytes", lambda device: 60_000_000)
    quick(make_corpus(), steps=2, dry_run=True)
    assert re.search(r"fits only when others give memory back: some 0\.1\d GB of the 0\.1 GB", capsys.readouterr().err)


def test_the_curve_is_a_picture_that_shows_training_validation_and_what_was_skipped() -> None:
    steps = [{"step": step, "loss": 8.0 / step} for step in range(1, 2_000)]
    drawn = loss_plot(
        [*steps, {"step": 50, "val_loss": 3.0}, {"step": 60, "loss": None, "skipped": "NaN"}], title="run <a>"
    )
    root = ElementTree.fromstring(drawn)
    kinds = [element.tag.partition("}")[2] for element in root.iter()]
    assert (kinds.count("polyline"), kinds.count("circle")) == (3, 1)
    assert "run &lt;a&gt;: loss, nats a token" in drawn
    assert "skipped" in drawn
    places = next(element for element in root.iter() if element.tag.endswith("polyline")).get("points")
    assert places is not None
    assert len(places.split()) <= MOST_POINTS
    assert loss_plot(steps, title="a") == loss_plot(steps, title="a")
    assert "no step yet" in loss_plot([], title="a")


def test_ticks_are_round_means_are_means() -> None:
    assert ticks(2.31, 5.83) == [3.0, 4.0, 5.0]
    assert ticks(0, 200) == [0.0, 50.0, 100.0, 150.0, 200.0]
    assert smoothed([(1, 4.0), (2, 4.0), (3, 4.0)]) == [(1, 4.0), (2, pytest.approx(4.0)), (3, pytest.approx(4.0))]
    points = [(float(number), 1.0) for number in range(1_600)]
    assert thinned(points)[:2] == [(0.5, 1.0), (2.5, 1.0)]


def test_tensorboard_gets_the_numbers_of_the_log(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    corpus = make_corpus()
    quick(corpus, steps=2, tensorboard=True)
    quick(corpus, steps=4, tensorboard=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(corpus / "runs" / "default" / tensorboard_module.BOARD))
    board.Reload()
    losses = [(event.step, event.value) for event in board.Scalars("loss/train")]
    assert losses == [(line["step"], pytest.approx(line["loss"])) for line in lines(corpus) if "loss" in line]
    assert [event.step for event in board.Scalars("loss/validation")] == [2, 4]


def test_without_tensorboard_it_is_said_what_to_install(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(WebtextError, match="TensorBoard is not installed") as caught:
        quick(make_corpus(), steps=1, tensorboard=True)
    assert "webtext[watch]" in str(caught.value)


def test_samples_are_written_every_so_many_steps(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, steps=4, samples=2, sample_every=3)
    found = sorted(path.name for path in (corpus / "runs" / "default" / "samples").iterdir())
    assert found == ["step-000003.txt", "step-000004.txt"]
    with pytest.raises(UsageError, match="sample_every is 0"):
        quick(corpus, steps=4, sample_every=0)


def test_attention_within_documents_is_a_setting_of_the_run(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    quick(corpus, run="plain", steps=2)
    quick(corpus, run="masked", steps=2, within_documents=True)
    assert lines(corpus, "plain") != lines(corpus, "masked")
    settings = json.loads((Path(corpus) / "runs" / "masked" / "run.json").read_text())
    assert settings["within_documents"] is True
    quick(corpus, run="masked", steps=3)
