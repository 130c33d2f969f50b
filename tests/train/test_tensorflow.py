from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openai_bundle import slow_crc32c, write_bundle

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.train.crc32c import LANES, PIECE, Crc32c
from webtext.train.folders import find_model
from webtext.train.model import GPTConfig
from webtext.train.protobuf import fields_of
from webtext.train.tensorflow import read_bundle, read_hparams, read_openai

SHAPE = {"n_vocab": 23, "n_ctx": 8, "n_embd": 6, "n_head": 2, "n_layer": 2}
CRC = Crc32c()


def made_up(seed: int = 1) -> dict[str, NDArray[np.floating]]:
    """The variables of a small model under OpenAI's names; conv1d's weights have a first dimension of 1."""
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"model/wte": (23, 6), "model/wpe": (8, 6)}
    shapes |= {"model/ln_f/g": (6,), "model/ln_f/b": (6,)}
    for layer in ("model/h0", "model/h1"):
        for name, width in (("attn/c_attn", 18), ("attn/c_proj", 6), ("mlp/c_fc", 24)):
            shapes |= {f"{layer}/{name}/w": (1, 6, width), f"{layer}/{name}/b": (width,)}
        shapes |= {f"{layer}/mlp/c_proj/w": (1, 24, 6), f"{layer}/mlp/c_proj/b": (6,)}
        shapes |= {f"{layer}/{norm}/{part}": (6,) for norm in ("ln_1", "ln_2") for part in "gb"}
    return {name: random.normal(0.2, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def openai_folder(folder: Path, tensors: dict[str, NDArray[np.floating]] | None = None, **options: int) -> Path:
    write_bundle(folder / "model.ckpt", made_up() if tensors is None else tensors, **options)  # type: ignore[arg-type]
    (folder / "hparams.json").write_text(json.dumps(SHAPE))
    (folder / "checkpoint").write_text('model_checkpoint_path: "/home/them/models/model.ckpt"\n')
    return folder


def their_logits(weights: dict[str, NDArray[np.floating]], tokens: list[int], heads: int) -> NDArray[np.floating]:
    """OpenAI's model (openai/gpt-2, src/model.py) in numpy, word for word: x @ w + b, tanh GELU, a causal mask."""

    def norm(x: NDArray[np.floating], name: str) -> NDArray[np.floating]:
        mean = x.mean(-1, keepdims=True)
        spread = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(spread + 1e-5) * weights[f"{name}/g"] + weights[f"{name}/b"]

    def conv1d(x: NDArray[np.floating], name: str) -> NDArray[np.floating]:
        return x @ weights[f"{name}/w"][0] + weights[f"{name}/b"]

    def softmax(x: NDArray[np.floating]) -> NDArray[np.floating]:
        x = np.exp(x - x.max(-1, keepdims=True))
        return x / x.sum(-1, keepdims=True)

    def gelu(x: NDArray[np.floating]) -> NDArray[np.floating]:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    x = weights["model/wte"][tokens] + weights["model/wpe"][: len(tokens)]
    layers = 1 + max(int(name.split("/")[1][1:]) for name in weights if name.startswith("model/h"))
    for layer in range(layers):
        name = f"model/h{layer}"
        query, key, value = (
            piece.reshape(len(tokens), heads, -1).transpose(1, 0, 2)
            for piece in np.split(conv1d(norm(x, f"{name}/ln_1"), f"{name}/attn/c_attn"), 3, axis=-1)
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(value.shape[-1])
        mask = np.tril(np.ones(scores.shape[-2:]))
        mixed = softmax(scores * mask - 1e10 * (1 - mask)) @ value
        x = x + conv1d(mixed.transpose(1, 0, 2).reshape(len(tokens), -1), f"{name}/attn/c_proj")
        x = x + conv1d(gelu(conv1d(norm(x, f"{name}/ln_2"), f"{name}/mlp/c_fc")), f"{name}/mlp/c_proj")
    return norm(x, "model/ln_f") @ weights["model/wte"].T


def test_the_checksum_is_crc_32c() -> None:
    assert CRC.of(np.frombuffer(b"123456789", np.uint8)) == 0xE3069283  # the check value of the catalogues
    assert CRC.of(np.zeros(32, np.uint8)) == 0x8A9136AA  # RFC 3720, appendix B.4
    assert CRC.of(np.zeros(0, np.uint8)) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3 * PIECE), st.integers(0, 2**32))
def test_the_checksum_is_that_of_the_slow_reference(length: int, seed: int) -> None:
    data = np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8)
    assert CRC.of(data) == slow_crc32c(data.tobytes())


def test_the_checksum_of_many_pieces_is_that_of_one() -> None:
    data = np.random.default_rng(1).integers(0, 256, (LANES + 3) * PIECE + 5, dtype=np.uint8)
    # By linearity: the checksum of the whole, from those of two halves taken by other numbers of lanes.
    state = 0xFFFFFFFF
    for start, lanes in ((0, 4), (4 * PIECE, 1)):
        state = CRC._block(data[start : start + lanes * PIECE].reshape(lanes, PIECE), state)
    assert state ^ 0xFFFFFFFF == CRC.of(data[: 5 * PIECE]) == slow_crc32c(data[: 5 * PIECE].tobytes())
    other = data.copy()
    other[-1] ^= 1
    assert CRC.of(other) != CRC.of(data)


@pytest.mark.parametrize("options", [{}, {"files": 3}, {"per_block": 1}, {"per_block": 100}])
def test_every_tensor_is_read_under_hugging_faces_name_in_its_layout(tmp_path: Path, options: dict[str, int]) -> None:
    made = made_up()
    found = read_openai(openai_folder(tmp_path, **options))
    assert len(found) == len(made) == 4 + 2 * 12
    assert torch.equal(found["wte.weight"], torch.from_numpy(made["model/wte"]))
    assert torch.equal(found["ln_f.bias"], torch.from_numpy(made["model/ln_f/b"]))
    assert torch.equal(found["h.1.ln_2.weight"], torch.from_numpy(made["model/h1/ln_2/g"]))
    assert torch.equal(found["h.0.mlp.c_proj.weight"], torch.from_numpy(made["model/h0/mlp/c_proj/w"][0]))
    assert torch.equal(found["h.0.attn.c_attn.bias"], torch.from_numpy(made["model/h0/attn/c_attn/b"]))


def test_the_model_computes_what_openais_code_computes(tmp_path: Path) -> None:
    made = made_up()
    found = find_model(openai_folder(tmp_path))
    assert found.config == GPTConfig(vocab_size=23, context=8, layers=2, heads=2, width=6)
    tokens = [3, 1, 4, 1, 5, 9, 2, 22]
    with torch.no_grad():
        ours = found.model()(torch.tensor([tokens]))[0].numpy()
    np.testing.assert_allclose(ours, their_logits(made, tokens, 2), rtol=0, atol=1e-5)
    # A transposed weight would show: the square one has no other shape.
    made["model/h0/attn/c_proj/w"] = made["model/h0/attn/c_proj/w"].transpose(0, 2, 1).copy()
    assert np.abs(ours - their_logits(made, tokens, 2)).max() > 1e-3


def test_a_real_checkpoint_is_read(data: Path) -> None:
    folder = data / "gpt2-tf-toy"
    assert read_hparams(folder) == GPTConfig(vocab_size=356, context=20, layers=3, heads=5, width=15)
    found = read_openai(folder)
    raw = (folder / "model.ckpt.data-00000-of-00001").read_bytes()
    assert sum(tensor.numel() * 4 for tensor in found.values()) == len(raw) == 57_420
    # Places by hand, from the index' own bytes: c_attn/w of the first block lies at 180, wpe at 34,860, wte follows it.
    for name, offset, shape in (
        ("h.0.attn.c_attn.weight", 180, (15, 45)), ("wpe.weight", 34_860, (20, 15)), ("wte.weight", 36_060, (356, 15)),
    ):  # fmt: skip
        wanted = np.frombuffer(raw, "<f4", count=shape[0] * shape[1], offset=offset).reshape(shape)
        np.testing.assert_array_equal(found[name].numpy(), wanted)
    named = {name: tensor.numpy() for name, tensor in read_bundle(folder / "model.ckpt").items()}
    tokens = [0, 355, 17, 17, 200, 1]
    with torch.no_grad():
        ours = find_model(folder).model()(torch.tensor([tokens]))[0].numpy()
    np.testing.assert_allclose(ours, their_logits(named, tokens, 5), rtol=0, atol=1e-5)


def test_the_optimizers_variables_are_passed_over_and_half_precision_is_understood(tmp_path: Path) -> None:
    made = made_up()
    extra = {"model/wte/Adam": made["model/wte"], "model/wte/Adam_1": made["model/wte"], "beta1_power": np.float32([1])}
    half = {name: value.astype(np.float16) for name, value in made.items()}
    found = read_openai(openai_folder(tmp_path / "a", {**half, **extra}))
    assert set(found) == set(read_openai(openai_folder(tmp_path / "b")))
    assert find_model(tmp_path / "a").model().wte.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["model.ckpt.index", "model.ckpt.data-00000-of-00001"])
@pytest.mark.parametrize("place", [0.0, 0.2, 0.5, 0.9])
def test_a_flipped_byte_is_found(tmp_path: Path, name: str, place: float) -> None:
    path = openai_folder(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 0x10
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFile) as caught:
        read_openai(tmp_path)
    assert name in str(caught.value.where)


@pytest.mark.parametrize("name", ["model.ckpt.index", "model.ckpt.data-00000-of-00001"])
@pytest.mark.parametrize("kept", [0, 20, 700])
def test_a_truncated_file_is_found(tmp_path: Path, name: str, kept: int) -> None:
    path = openai_folder(tmp_path) / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedFile, match=r"cut off|no index|no whole"):
        read_openai(tmp_path)
    path.unlink()
    with pytest.raises(WebtextError):
        read_openai(tmp_path)


def test_what_openais_checkpoints_do_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="compressed blocks"):
        read_openai(openai_folder(tmp_path / "snappy", kind=1))
    with pytest.raises(WebtextError, match="big-endian"):
        read_openai(openai_folder(tmp_path / "big", big_endian=True))
    (tmp_path / "snappy" / "hparams.json").write_text('{"n_vocab": 5}')
    with pytest.raises(DamagedFile, match=r"hparams\.json.*no whole hparams"):
        read_hparams(tmp_path / "snappy")
    missing = made_up()
    del missing["model/h1/ln_2/g"]
    with pytest.raises(DamagedFile, match=r"lacks the weights h\.1\.ln_2\.weight"):
        find_model(openai_folder(tmp_path / "missing", missing)).model()


@given(st.binary(max_size=60))
def test_messages_that_are_none_are_refused_without_a_crash(message: bytes) -> None:
    try:
        fields = fields_of(message)
    except (ValueError, IndexError):
        return
    assert isinstance(fields, dict)
