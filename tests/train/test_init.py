from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from openai_bundle import write_bundle
from transformers import GPT2Config, GPT2LMHeadModel

from webtext.corpus.errors import ChangedSettings, WebtextError
from webtext.tokenize.files import write_vocabulary
from webtext.tokenize.vocabulary import Vocabulary
from webtext.train.folders import find_model
from webtext.train.generation import generate
from webtext.train.log import read_log
from webtext.train.model import PRESETS
from webtext.train.runs import read_run
from webtext.train.shards_folder import find_data
from webtext.train.trainer import TrainReport, train
from webtext.train.weights import to_hugging_face

MakeCorpus = Callable[..., Path]
QUICK: dict[str, Any] = {
    "batch_tokens": 256, "save_every": 2, "eval_windows": 4, "samples": 0, "device": "cpu", "trial": False,
}  # fmt: skip


def quick(corpus: Path, **options: Any) -> TrainReport:
    return train(corpus, **{**QUICK, **options})


def losses(corpus: Path, run: str = "default") -> list[float]:
    return [line["loss"] for line in read_log(corpus / "runs" / run / "log.jsonl") if "loss" in line]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Path:
    return make_corpus()


@pytest.fixture
def folder(corpus: Path, tmp_path: Path) -> Path:
    """A model of an odd shape, as transformers writes it, with the corpus' tokenizer."""
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=332, n_positions=64, n_embd=24, n_layer=2, n_head=2, initializer_range=0.1)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    shutil.copy(corpus / "tokenizer" / "tokenizer.json", tmp_path / "model")
    return tmp_path / "model"


def first_batch_loss(corpus: Path, folder: Path, windows: int) -> float:
    """What transformers says of the first batch of a run with seed 1."""
    theirs = GPT2LMHeadModel.from_pretrained(folder).eval()
    data = find_data(corpus, theirs.config.n_positions)
    inputs, targets = (torch.from_numpy(array.copy()) for array in data.train.batch(0, windows, seed=1))
    with torch.no_grad():
        logits = theirs(inputs).logits
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()))


def test_a_run_starts_from_the_weights_of_a_folder(
    corpus: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = quick(corpus, init=folder, steps=2)
    assert losses(corpus)[0] == pytest.approx(first_batch_loss(corpus, folder, 4), abs=1e-5)
    assert f"starts from the weights of {folder}" in capsys.readouterr().err
    assert report.preset == "tiny"  # the nearest in size: for its recipe only
    config = GPT2Config.from_pretrained(report.checkpoint)
    assert (config.n_positions, config.n_embd, config.n_layer, config.vocab_size) == (64, 24, 2, 332)
    settings = read_run(corpus / "runs" / "default")
    assert settings is not None
    assert (settings.init, settings.init_folder) == (find_model(folder).identity(), str(folder))


def test_the_batch_of_a_recipe_is_fitted_to_another_context(corpus: Path, folder: Path) -> None:
    quick(corpus, init=folder, steps=1, batch_tokens=None)
    settings = read_run(corpus / "runs" / "default")
    assert settings is not None
    assert settings.batch_tokens == 1_024 == 16 * 64


def test_our_own_checkpoints_and_presets_of_the_same_shape_are_known(corpus: Path) -> None:
    first = quick(corpus, run="first", preset="tiny", steps=2)
    second = quick(corpus, run="second", init=Path(first.checkpoint), steps=1)
    assert second.preset == "tiny"
    assert losses(corpus, "second")[0] == pytest.approx(first_batch_loss(corpus, Path(first.checkpoint), 2), abs=1e-5)


def test_a_run_goes_on_without_the_folder_and_refuses_another(corpus: Path, folder: Path, tmp_path: Path) -> None:
    whole = quick(corpus, run="whole", init=folder, steps=4)
    quick(corpus, init=folder, steps=2, decay_steps=4)
    other = shutil.copytree(folder, tmp_path / "other")
    model = GPT2LMHeadModel.from_pretrained(other)
    with torch.no_grad():
        model.transformer.wte.weight[0] += 1
    model.save_pretrained(other)
    with pytest.raises(ChangedSettings, match="the run was begun with init = "):
        quick(corpus, init=other, steps=4)
    with pytest.raises(ChangedSettings, match="init = None, now it is"):
        quick(corpus, run="drawn", preset="tiny", steps=1)
        quick(corpus, run="drawn", init=folder, steps=2)
    shutil.rmtree(folder)
    assert quick(corpus, steps=4).begun == 2
    assert losses(corpus) == losses(corpus, "whole")
    assert whole.loss == losses(corpus)[-1]


def test_weights_that_changed_before_the_first_checkpoint_are_refused(
    corpus: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("webtext.train.loop.take_step", dies)
        with pytest.raises(KeyboardInterrupt):
            quick(corpus, init=folder, steps=2)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(data))
    with pytest.raises(WebtextError, match="has other weights than when the run was begun"):
        quick(corpus, steps=2)
    assert quick(corpus, init=folder, steps=2, restart=True).step == 2


def test_another_vocabulary_is_refused_before_anything_is_written(corpus: Path, folder: Path, tmp_path: Path) -> None:
    other = Vocabulary(tuple(_merges(corpus))[:-1])
    write_vocabulary(folder, other)
    with pytest.raises(WebtextError, match=r"has another tokenizer \(\w+\) than the shards were made with") as caught:
        quick(corpus, init=folder, steps=1)
    assert f"webtext tokenize CORPUS --tokenizer {folder} --redo" in str(caught.value)
    for name in ("tokenizer.json", "vocab.bpe", "encoder.json"):
        (folder / name).unlink()
    small = GPT2Config(vocab_size=300, n_positions=64, n_embd=24, n_layer=2, n_head=2)
    GPT2LMHeadModel(small).save_pretrained(folder)
    with pytest.raises(WebtextError, match="has a vocabulary of 300, the shards one of 332"):
        quick(corpus, init=folder, steps=1)
    with pytest.raises(WebtextError, match="is no folder of a GPT-2"):
        quick(corpus, init=tmp_path, steps=1)
    assert not (corpus / "runs").exists()


def _merges(corpus: Path) -> list[tuple[bytes, bytes]]:
    from webtext.tokenize.files import read_vocabulary

    return list(read_vocabulary(corpus / "tokenizer").merges)


def test_openais_checkpoint_is_started_from(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same weights in both layouts train alike."""
    random = np.random.default_rng(1)
    theirs = tmp_path / "openai"
    names: dict[str, tuple[int, ...]] = {"wte": (332, 24), "wpe": (64, 24), "ln_f/g": (24,), "ln_f/b": (24,)}
    for layer in ("h0", "h1"):
        for name, inside, out in (("attn/c_attn", 24, 72), ("attn/c_proj", 24, 24), ("mlp/c_fc", 24, 96)):
            names |= {f"{layer}/{name}/w": (1, inside, out), f"{layer}/{name}/b": (out,)}
        names |= {f"{layer}/mlp/c_proj/w": (1, 96, 24), f"{layer}/mlp/c_proj/b": (24,)}
        names |= {f"{layer}/{norm}/{part}": (24,) for norm in ("ln_1", "ln_2") for part in "gb"}
    tensors = {f"model/{name}": random.normal(0, 0.1, shape).astype(np.float32) for name, shape in names.items()}
    write_bundle(theirs / "model.ckpt", tensors)  # type: ignore[arg-type]
    (theirs / "hparams.json").write_text(
        json.dumps({"n_vocab": 332, "n_ctx": 64, "n_embd": 24, "n_head": 2, "n_layer": 2})
    )
    found = find_model(theirs).model()
    model = GPT2LMHeadModel(GPT2Config(vocab_size=332, n_positions=64, n_embd=24, n_layer=2, n_head=2))
    model.load_state_dict(to_hugging_face(dict(found.named_parameters())), strict=False)
    model.save_pretrained(tmp_path / "hugging-face")
    quick(corpus, run="openai", init=theirs, steps=3)
    assert "has no tokenizer: the shards'" in capsys.readouterr().err
    quick(corpus, run="hugging-face", init=tmp_path / "hugging-face", steps=3)
    assert losses(corpus, "openai") == losses(corpus, "hugging-face")
    # With OpenAI's two files of the vocabulary beside it, it writes as well.
    for name in ("vocab.bpe", "encoder.json"):
        shutil.copy(corpus / "tokenizer" / name, theirs)
    shutil.copy(corpus / "tokenizer" / "tokenizer.json", tmp_path / "hugging-face")
    wanted = generate(tmp_path / "hugging-face", " the fox", max_tokens=10, device="cpu")
    assert generate(theirs, " the fox", max_tokens=10, device="cpu") == wanted


def test_the_toy_checkpoint_is_started_from(corpus: Path, data: Path, tmp_path: Path) -> None:
    toy = tmp_path / "toy"
    toy.mkdir()
    for path in (data / "gpt2-tf-toy").iterdir():
        if path.name not in ("encoder.json", "vocab.bpe"):  # of which only a few lines are there
            shutil.copyfile(path, toy / path.name)
    report = quick(corpus, init=toy, steps=3, batch_tokens=20 * 16)
    assert losses(corpus)[0] == pytest.approx(np.log(356), abs=0.3)
    assert report.step == 3
    assert PRESETS["tiny"].context == 128


def test_a_folder_of_shards_alone_is_trained_on(corpus: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(corpus / "shards", tmp_path / "alone")
    with pytest.raises(WebtextError, match=r"there is no tokenizer\.json beside these shards"):
        quick(alone, preset="tiny", steps=2)
    shutil.copytree(corpus / "tokenizer", alone / "tokenizer")
    report = quick(alone, preset="tiny", steps=2)
    quick(corpus, preset="tiny", steps=2)
    assert losses(alone) == losses(corpus)
    assert report.checkpoint == str(alone / "runs" / "default" / "checkpoints" / "step-000002")
    assert quick(alone, steps=3).begun == 2
    index = json.loads((alone / "index.json").read_text())
    (alone / "index.json").write_text(json.dumps({**index, "identity": "0" * 64}))
    with pytest.raises(WebtextError, match="the run began with other shards"):
        quick(alone, steps=4)
