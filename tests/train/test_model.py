from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from webtext.corpus.config import Settings
from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.train.cache import Cache
from webtext.train.folders import empty_model
from webtext.train.loss import model_loss
from webtext.train.model import ALIASES, PRESETS, GPTConfig, build, preset_name
from webtext.train.weights import config_from_json, config_to_json, load_into, to_hugging_face

SMALL = GPTConfig(vocab_size=97, context=16, layers=3, heads=2, width=24)


def reduced(preset: str) -> GPTConfig:
    """The same layers and heads, four numbers a head, and a small vocabulary."""
    config = PRESETS[preset]
    return replace(config, vocab_size=61, context=16, width=4 * config.heads)


def hugging_face(config: GPTConfig) -> GPT2LMHeadModel:
    torch.manual_seed(3)
    theirs = GPT2LMHeadModel(GPT2Config(**config_to_json(config, endoftext=config.vocab_size - 1))).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():  # biases and LayerNorms must not be at 0 and 1, where mistakes hide
            parameter.normal_(0.0 if parameter.dim() > 1 else 0.5, 0.1)
    return theirs


def some_tokens(config: GPTConfig, length: int, batch: int = 2) -> torch.Tensor:
    return torch.randint(0, config.vocab_size, (batch, length), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("name", "parameters"),
    # The published counts (openai/gpt-2 corrects the paper's).
    [("124M", 124_439_808), ("355M", 354_823_168), ("774M", 774_030_080), ("1558M", 1_557_611_200)],
)
def test_presets_have_the_published_numbers_of_parameters(name: str, parameters: int) -> None:
    assert PRESETS[name].parameters == parameters


def test_the_count_is_that_of_the_weights() -> None:
    model = build(SMALL, seed=1)
    assert SMALL.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_the_papers_names_are_understood() -> None:
    names = ["124M", "355M", "774M", "1558M"]
    assert [preset_name(name) for name in ("117M", "345M", "762M", "1542M")] == names
    assert [preset_name(name) for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")] == names
    for name in (*PRESETS, *ALIASES):  # webtext.toml takes what the flag takes
        Settings().with_values("train", {"preset": name}, where="here")
    with pytest.raises(UsageError, match="no such preset: 117"):
        preset_name("117")


@pytest.mark.parametrize("preset", ["tiny", "124M", "355M", "774M", "1558M"])
def test_logits_are_those_of_transformers_with_their_weights(preset: str) -> None:
    config = reduced(preset)
    theirs = hugging_face(config)
    ours = empty_model(config)
    load_into(ours, theirs.state_dict(), where="here")
    tokens = some_tokens(config, config.context)
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("preset", ["tiny", "124M", "355M", "774M", "1558M"])
def test_logits_are_those_of_transformers_with_our_weights(preset: str) -> None:
    config = reduced(preset)
    ours = build(config, seed=4)
    theirs = GPT2LMHeadModel(GPT2Config(**config_to_json(config, endoftext=0))).eval()
    stored = to_hugging_face(dict(ours.named_parameters()))
    missing, unexpected = theirs.load_state_dict(stored, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    tokens = some_tokens(config, config.context)
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=0, atol=1e-5)


def test_loss_and_gradients_are_those_of_transformers() -> None:
    theirs = hugging_face(SMALL)
    ours = empty_model(SMALL)
    load_into(ours, theirs.state_dict(), where="here")
    rows = some_tokens(SMALL, SMALL.context + 1)
    inputs, targets = rows[:, :-1], rows[:, 1:]
    loss = model_loss(ours, inputs, targets) / targets.numel()
    loss.backward()
    wanted = torch.nn.functional.cross_entropy(theirs(inputs).logits.flatten(0, 1), targets.flatten())
    wanted.backward()
    torch.testing.assert_close(loss, wanted)
    gradients = to_hugging_face({name: parameter.grad for name, parameter in ours.named_parameters()})
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_a_token_sees_itself_and_what_is_before_it() -> None:
    model = build(SMALL, seed=1)
    tokens = some_tokens(SMALL, 10)
    changed = tokens.clone()
    changed[:, 6] = (changed[:, 6] + 1) % SMALL.vocab_size
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6:], after[:, 6:])


def test_with_a_cache_logits_stay_the_same() -> None:
    model = build(SMALL, seed=1)
    tokens = some_tokens(SMALL, 12)
    cache = Cache(batch=2, capacity=12)
    with torch.no_grad():
        pieces = [model(tokens[:, start:end], cache) for start, end in ((0, 5), (5, 6), (6, 7), (7, 12))]
        torch.testing.assert_close(torch.cat(pieces, dim=1), model(tokens))


@pytest.mark.parametrize("chunks", [(7,), (3, 1, 1, 2), (1,) * 7])
def test_padded_rows_compute_what_they_would_alone(chunks: tuple[int, ...]) -> None:
    model = build(SMALL, seed=1)
    texts = [some_tokens(SMALL, length, batch=1)[0] for length in (7, 4, 1)]
    padded = torch.stack([torch.cat([torch.zeros(7 - len(text), dtype=torch.long), text]) for text in texts])
    cache = Cache(batch=3, capacity=9, padding=[0, 3, 6])
    with torch.no_grad():
        pieces, start = [], 0
        for length in chunks:
            pieces.append(model(padded[:, start : start + length], cache))
            start += length
        found = torch.cat(pieces, dim=1)
        for row, text in zip(found, texts, strict=True):
            torch.testing.assert_close(row[7 - len(text) :], model(text[None])[0])
        # Rows that ended are forgotten, and the others go on.
        cache.keep([2, 1])
        more = model(torch.tensor([[5], [6]]), cache)
        for row, text, token in zip(more, (texts[2], texts[1]), (5, 6), strict=True):
            alone = torch.cat([text, torch.tensor([token])])[None]
            torch.testing.assert_close(row[-1], model(alone)[0, -1])
    with pytest.raises(ValueError, match="10 tokens in a cache for 9"):
        model(torch.tensor([[1, 1], [1, 1]]), cache)


def test_it_starts_as_the_code_and_the_paper_say() -> None:
    config = GPTConfig(vocab_size=500, context=300, layers=8, heads=2, width=64)
    weights = {name: weight.detach() for name, weight in build(config, seed=1).named_parameters()}
    assert abs(float(weights["wte.weight"].std()) - 0.02) < 0.0005
    assert abs(float(weights["wpe.weight"].std()) - 0.01) < 0.0005
    assert abs(float(weights["h.3.attn.c_attn.weight"].std()) - 0.02) < 0.0008
    assert abs(float(weights["h.3.mlp.c_fc.weight"].std()) - 0.02) < 0.0008
    for name in ("h.3.attn.c_proj.weight", "h.3.mlp.c_proj.weight"):
        assert abs(float(weights[name].std()) - 0.02 / math.sqrt(16)) < 0.0002
    for name, weight in weights.items():
        if name.endswith("bias"):
            assert not weight.any()
        elif weight.dim() == 1:
            assert bool((weight == 1).all())


def test_the_seed_decides_the_weights() -> None:
    one, same, other = (dict(build(SMALL, seed=seed).named_parameters()) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["wte.weight"], other["wte.weight"])


def test_an_untrained_model_knows_nothing() -> None:
    model = build(replace(PRESETS["tiny"], vocab_size=1_000), seed=1)
    tokens = some_tokens(model.config, 65)
    with torch.no_grad():
        loss = model_loss(model, tokens[:, :-1], tokens[:, 1:]) / tokens[:, 1:].numel()
    assert abs(float(loss) - math.log(1_000)) < 0.1


def test_a_shape_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="width 24 cannot be split into 5 heads"):
        replace(SMALL, heads=5)
    with pytest.raises(UsageError, match="layers is 0"):
        replace(SMALL, layers=0)


def test_names_without_the_prefix_and_mask_buffers_are_understood() -> None:
    # OpenAI's own weights on the hub are named so.
    model = build(SMALL, seed=1)
    stored = {name.removeprefix("transformer."): tensor for name, tensor in
              to_hugging_face(dict(model.named_parameters())).items()}  # fmt: skip
    stored["h.0.attn.bias"] = torch.ones(1, 1, 16, 16)
    other = empty_model(SMALL)
    load_into(other, stored, where="here")
    assert torch.equal(other.h[2].mlp.c_fc.weight, model.h[2].mlp.c_fc.weight)


def test_weights_that_do_not_fit_are_named() -> None:
    stored = to_hugging_face(dict(build(SMALL, seed=1).named_parameters()))
    model = empty_model(SMALL)
    with pytest.raises(DamagedFile, match=r"lacks the weights wpe.weight"):
        load_into(model, {name: value for name, value in stored.items() if "wpe" not in name}, where="here")
    with pytest.raises(DamagedFile, match=r"does not have: h.9.odd"):
        load_into(model, {**stored, "h.9.odd": torch.ones(2)}, where="here")
    with pytest.raises(DamagedFile, match=r"wte.weight has the shape \(3, 24\)"):
        load_into(model, {**stored, "transformer.wte.weight": torch.ones(3, 24)}, where="here")


def test_configurations_go_there_and_back_and_strangers_are_refused() -> None:
    stored = config_to_json(SMALL, endoftext=96)
    assert config_from_json(stored, where="here") == SMALL
    assert config_from_json(GPT2Config(**stored).to_dict(), where="here") == SMALL
    with pytest.raises(WebtextError, match="another model"):
        config_from_json({**stored, "model_type": "llama"}, where="here")
    with pytest.raises(WebtextError, match="activation_function = 'relu'"):
        config_from_json({**stored, "activation_function": "relu"}, where="here")
    with pytest.raises(DamagedFile, match="no whole configuration"):
        config_from_json({"model_type": "gpt2", "vocab_size": 5}, where="here")
