from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.train.checkpoints import read_latest
from webtext.train.folders import find_model, is_model_folder, load_folder
from webtext.train.generation import generate
from webtext.train.trainer import train

CONFIG = GPT2Config(vocab_size=332, n_positions=32, n_embd=24, n_layer=2, n_head=2)


@pytest.fixture
def model() -> GPT2LMHeadModel:
    torch.manual_seed(1)
    return GPT2LMHeadModel(CONFIG).eval()


class Bomb:
    """A pickle of this writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.path, "the pickle was opened")


def test_hugging_faces_folder_is_read(model: GPT2LMHeadModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(find_model(tmp_path).model()(tokens), model(tokens).logits, rtol=0, atol=1e-5)


def test_weights_may_lie_in_several_files_and_in_half_precision(model: GPT2LMHeadModel, tmp_path: Path) -> None:
    model.half().save_pretrained(tmp_path, max_shard_size="20KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    found = find_model(tmp_path).model()
    assert torch.equal(found.h[1].ln_2.weight, model.transformer.h[1].ln_2.weight.float())
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"wte.weight": "../../etc/passwd"}}))
    with pytest.raises(DamagedFile, match="names no files of weights in its folder"):
        find_model(tmp_path).model()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt"])
def test_a_pickle_is_refused_and_not_opened(model: GPT2LMHeadModel, tmp_path: Path, name: str) -> None:
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with (tmp_path / "model" / name).open("wb") as file:
        pickle.dump(Bomb(tmp_path / "opened"), file)
    with pytest.raises(WebtextError, match=f"has its weights in {name} only") as caught:
        find_model(tmp_path / "model")
    assert "save_pretrained" in str(caught.value)
    assert not (tmp_path / "opened").exists()
    # The bomb is one.
    pickle.loads((tmp_path / "model" / name).read_bytes())
    assert (tmp_path / "opened").exists()


def test_a_planted_pickle_is_never_opened(
    model: GPT2LMHeadModel, make_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    """Everywhere a reader of PyTorch's files would look: in the folder to start from, and in the run's checkpoints."""
    bomb, opened = pickle.dumps(Bomb(tmp_path / "opened")), tmp_path / "opened"
    names = ("pytorch_model.bin", "optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth", "state.pkl")
    corpus = make_corpus()
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").write_bytes((corpus / "tokenizer" / "tokenizer.json").read_bytes())
    for name in names:
        (tmp_path / "model" / name).write_bytes(bomb)
    options = {"init": tmp_path / "model", "batch_tokens": 64, "save_every": 1, "samples": 1, "device": "cpu"}
    report = train(corpus, steps=1, **options)  # type: ignore[arg-type]
    for name in names:
        (Path(report.checkpoint) / name).write_bytes(bomb)
    assert train(corpus, steps=2, **options).begun == 1  # type: ignore[arg-type]
    generate(Path(report.checkpoint), max_tokens=2, device="cpu")
    generate(tmp_path / "model", max_tokens=2, device="cpu")
    # And where it stands under the name of a file of ours.
    assert not opened.exists()
    for path in (corpus / "runs" / "default" / "checkpoints").glob("*/*.safetensors"):
        path.write_bytes(bomb)
    with pytest.raises(DamagedFile):
        read_latest(corpus / "runs" / "default")
    (tmp_path / "model" / "model.safetensors").write_bytes(bomb)
    with pytest.raises(DamagedFile):
        generate(tmp_path / "model", max_tokens=2, device="cpu")
    assert not opened.exists()


def test_what_is_no_gpt2_is_named(model: GPT2LMHeadModel, tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="there is no such folder"):
        find_model(tmp_path / "nowhere")
    with pytest.raises(WebtextError, match=r"is no folder of a GPT-2: it has no config\.json") as caught:
        find_model(tmp_path)
    assert "hparams.json and model.ckpt.index" in str(caught.value)
    assert not is_model_folder(tmp_path)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert is_model_folder(tmp_path)
    with pytest.raises(WebtextError, match=r"it has no model\.safetensors"):
        find_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(WebtextError, match="another model"):
        find_model(tmp_path)


def test_the_identity_is_that_of_shape_and_weights(model: GPT2LMHeadModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "same")
    (tmp_path / "same" / "readme.txt").write_text("beside it")
    with torch.no_grad():
        model.transformer.wte.weight[0, 0] += 1
    model.save_pretrained(tmp_path / "other")
    one, same, other = (find_model(tmp_path / name).identity() for name in ("one", "same", "other"))
    assert one == same != other
    assert len(load_file(tmp_path / "one" / "model.safetensors")) == 28


@pytest.mark.parametrize("names", [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"), ("merges.txt",)])
def test_a_tokenizer_is_made_of_the_vocabularys_other_files(
    model: GPT2LMHeadModel, make_corpus: Callable[..., Path], tmp_path: Path, names: tuple[str, ...]
) -> None:
    made = make_corpus() / "tokenizer"
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(WebtextError, match=r"has no tokenizer\.json: without it no text can be written"):
        load_folder(tmp_path / "model")
    sources = {"vocab.json": "encoder.json", "merges.txt": "vocab.bpe"}
    for name in names:
        (tmp_path / "model" / name).write_bytes((made / sources.get(name, name)).read_bytes())
    _, tokenizer = load_folder(tmp_path / "model")
    assert tokenizer.encode(" the fox").tokens == ["Ġthe", "Ġfox"]
    assert find_model(tmp_path / "model").tokenizer_fingerprint() is not None
