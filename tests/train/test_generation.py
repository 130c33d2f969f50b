from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.train.generation import generate, latest_checkpoint, load_folder, sample_texts, sample_tokens
from webtext.train.model import GPT2, GPTConfig, build

CONFIG = GPTConfig(vocab_size=101, context=16, layers=2, heads=2, width=24)


def lively(config: GPTConfig = CONFIG) -> GPT2:
    """A random model whose logits differ enough for a choice."""
    model = build(config, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


def draw(model: GPT2, start: list[int], **options: float) -> list[list[int]]:
    wanted = {"max_tokens": 10, "temperature": 1.0, "top_k": 0, "seed": 0, "num_samples": 1, "endoftext": -1, **options}
    return sample_tokens(model, start, **wanted)  # type: ignore[arg-type]


@pytest.fixture
def folder(make_corpus: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder as transformers writes it, with the tokenizer of a corpus."""
    data = (make_corpus() / "tokenizer" / "tokenizer.json").read_bytes()
    size = Tokenizer.from_str(data.decode()).get_vocab_size()
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=size, n_positions=32, n_embd=24, n_layer=2, n_head=2, initializer_range=0.2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").write_bytes(data)
    return tmp_path / "model"


def test_greedy_tokens_are_those_of_transformers(folder: Path) -> None:
    ours, _ = load_folder(folder)
    theirs = GPT2LMHeadModel.from_pretrained(folder).eval()
    start = [5, 6, 7, 8]
    wanted = theirs.generate(
        torch.tensor([start]), max_new_tokens=28, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    assert draw(ours, start, max_tokens=28, temperature=0.0) == [wanted[0, 4:].tolist()]


def test_the_seed_decides_and_more_samples_do_not_change_the_first(folder: Path) -> None:
    three = generate(folder, " the fox", max_tokens=20, seed=7, num_samples=3, device="cpu")
    assert len(set(three)) == 3
    assert all(text.startswith(" the fox") for text in three)
    assert generate(folder, " the fox", max_tokens=20, seed=7, num_samples=3, device="cpu") == three
    assert generate(folder, " the fox", max_tokens=20, seed=8, num_samples=3, device="cpu") != three
    model = lively()
    assert draw(model, [1], seed=7, num_samples=5)[:2] == draw(model, [1], seed=7, num_samples=2)


def test_only_the_k_likeliest_are_drawn() -> None:
    model = lively()
    with torch.no_grad():
        likeliest = model(torch.tensor([[1, 2, 3]]))[0, -1].topk(5).indices.tolist()
    first = {sample[0] for sample in draw(model, [1, 2, 3], max_tokens=1, top_k=5, num_samples=200, temperature=5.0)}
    assert first == set(likeliest)
    assert len({sample[0] for sample in draw(model, [1, 2, 3], max_tokens=1, num_samples=200, temperature=5.0)}) > 20


def test_temperature_zero_and_one_choice_are_the_likeliest() -> None:
    model = lively()
    greedy = draw(model, [1, 2, 3], temperature=0.0)
    assert draw(model, [1, 2, 3], top_k=1, seed=9) == greedy
    with torch.no_grad():
        assert greedy[0][0] == int(model(torch.tensor([[1, 2, 3]]))[0, -1].argmax())


def test_a_sample_ends_at_endoftext() -> None:
    model = lively()
    greedy = draw(model, [1, 2, 3], max_tokens=8, temperature=0.0)[0]
    end = greedy[4]
    assert draw(model, [1, 2, 3], max_tokens=8, temperature=0.0, endoftext=end) == [greedy[: greedy.index(end)]]


def test_text_may_be_longer_than_the_context() -> None:
    model = lively()
    start = list(range(40))
    found = draw(model, start, max_tokens=50, temperature=0.0)[0]
    assert len(found) == 50
    # The slow reference: read again what the cache holds, which is cut to half a context when it is full.
    history, window = list(start), 16
    for token in found:
        with torch.no_grad():
            assert token == int(model(torch.tensor([history[-window:]]))[0, -1].argmax())
        history.append(token)
        window = 8 if window == 16 else window + 1


def test_without_a_prompt_it_begins_a_document(folder: Path) -> None:
    model, tokenizer = load_folder(folder)
    text = sample_texts(model, tokenizer, "", max_tokens=12, temperature=0.0)[0]
    endoftext = tokenizer.token_to_id("<|endoftext|>")
    tokens = draw(model, [endoftext], max_tokens=12, temperature=0.0, endoftext=endoftext)[0]
    assert text == tokenizer.decode(tokens)
    assert "<|endoftext|>" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"num_samples": 0}, "num_samples is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_numbers_out_of_range_are_refused(folder: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(folder, "the", device="cpu", **options)  # type: ignore[arg-type]


def test_a_folder_that_is_no_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="no such checkpoint"):
        generate(tmp_path / "nowhere", "the")
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DamagedFile, match="no readable safetensors file"):
        generate(folder, "the")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DamagedFile, match="is no tokenizer"):
        generate(folder, "the")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": "two"}))
    with pytest.raises(DamagedFile, match="no whole configuration"):
        generate(folder, "the")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WebtextError, match=r"has no tokenizer\.json"):
        generate(folder, "the")


def test_weights_of_another_vocabulary_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 260}))
    with pytest.raises(WebtextError, match="tokens, the model's vocabulary only 260"):
        generate(folder, "the")


def test_a_run_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="has no checkpoint yet"):
        latest_checkpoint(tmp_path)
