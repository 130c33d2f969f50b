"""`webtext eval` on a folder in OpenAI's own layout, beside transformers' model with the same weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel
from zeroshot_corpus import small_corpora
from zeroshot_oracle import Oracle
from zeroshot_sets import HELLASWAG, LAMBADA, QUESTIONS, TEXT8, write_sets

from webtext.tokenize.files import write_vocabulary
from webtext.zeroshot import evaluate

HEADS, LAYERS, WIDTH, CONTEXT, VOCABULARY = 5, 3, 15, 20, 356


def read_by_hand(folder: Path) -> GPT2LMHeadModel:
    """transformers' model with the toy's weights: the file holds them in the order of their names, nothing between."""
    shapes: dict[str, tuple[int, ...]] = {"ln_f/b": (WIDTH,), "ln_f/g": (WIDTH,)}
    shapes |= {"wpe": (CONTEXT, WIDTH), "wte": (VOCABULARY, WIDTH)}
    for layer in range(LAYERS):
        for name, into, out in (
            ("attn/c_attn", WIDTH, 3 * WIDTH), ("attn/c_proj", WIDTH, WIDTH), ("mlp/c_fc", WIDTH, 4 * WIDTH),
            ("mlp/c_proj", 4 * WIDTH, WIDTH),
        ):  # fmt: skip
            shapes |= {f"h{layer}/{name}/w": (into, out), f"h{layer}/{name}/b": (out,)}
        shapes |= {f"h{layer}/ln_{number}/{part}": (WIDTH,) for number in (1, 2) for part in "bg"}
    raw = np.fromfile(folder / "model.ckpt.data-00000-of-00001", "<f4")
    config = GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS)
    model = GPT2LMHeadModel(config)
    named, place = dict(model.transformer.named_parameters()), 0
    with torch.no_grad():
        for name, shape in sorted(shapes.items()):
            values = torch.from_numpy(raw[place : place + int(np.prod(shape))].reshape(shape).copy())
            place += values.numel()
            *parents, last = name.split("/")
            ending = {"w": ".weight", "g": ".weight", "b": ".bias"}.get(last, f"{last}.weight")
            here = ".".join(f"h.{part[1:]}" if part[0] == "h" and part[1:].isdigit() else part for part in parents)
            named[f"{here}{ending}"].copy_(values)
    assert place == len(raw)
    return model


def test_openais_toy_is_scored_as_transformers_scores_it(data: Path, tmp_path: Path) -> None:
    source, toy = data / "gpt2-tf-toy", tmp_path / "toy"
    toy.mkdir()
    for path in source.iterdir():
        if path.name not in ("encoder.json", "vocab.bpe"):  # of which only a few lines are there
            shutil.copyfile(path, toy / path.name)
    write_vocabulary(toy, small_corpora().small_vocabulary())
    sets = write_sets(tmp_path / "sets")
    oracle = Oracle(read_by_hand(source), Tokenizer.from_file(str(toy / "tokenizer.json")))
    tasks = ["lambada", "hellaswag", "text8", "nq"]
    results, out = evaluate(toy, tasks=tasks, data=sets, out=tmp_path / "out", device="cpu")
    assert results["model"]["shape"] == {
        "vocab_size": VOCABULARY, "context": CONTEXT, "layers": LAYERS, "heads": HEADS, "width": WIDTH,
    }  # fmt: skip

    def records(task: str) -> list[dict[str, Any]]:
        lines = (out / "examples" / f"{task}.jsonl").read_text().splitlines()[1:]
        return [json.loads(line)["record"] for line in lines]

    for number, (record, text) in enumerate(zip(records("lambada"), LAMBADA, strict=True)):
        word = ("window", "model", "fox", "fox", "the")[number]
        prefix = oracle.ids(text.removesuffix(word).rstrip())
        total, greedy = oracle.scored(prefix, oracle.ids(text)[len(prefix) :])
        assert record["logprob"] == pytest.approx(total, abs=1e-4)
        assert record["greedy"] == all(greedy)
    for record, row, context in zip(
        records("hellaswag"), HELLASWAG, ("Reading: The fox reads. The dog", "Seeing: How to see. Look at it. A fox"),
        strict=True,
    ):  # fmt: skip
        endings = [oracle.ids(f" {ending.replace('[step] ', '')}") for ending in row["endings"]]  # type: ignore[attr-defined]
        # All endings of an example see as much of what is before them: what the longest leaves room for.
        prefix = oracle.ids(context)[-(CONTEXT + 1 - min(CONTEXT, max(map(len, endings)))) :]
        wanted = [oracle.scored(prefix, ending)[0] for ending in endings]
        assert record["logprobs"] == pytest.approx(wanted, abs=1e-4)
    tokens = [oracle.end, *oracle.ids(TEXT8)]
    losses = [loss for record in records("text8") for _, loss, _ in record["pieces"]]
    assert sum(losses) == pytest.approx(-sum(oracle.rolling(tokens, CONTEXT)), abs=1e-4 * len(losses))
    pairs = {int(line) - 1 for line in results["tasks"]["nq"]["facts"]["pairs"]}
    left = [question for number, (question, _) in enumerate(QUESTIONS) if number not in pairs]
    for record, question in zip(records("nq"), left, strict=True):
        more = results["tasks"]["nq"]["facts"]["max_tokens"]
        prompt = oracle.ids(f"Q: {question}?\nA:")[-(CONTEXT - more + 1) :]
        assert record["tokens"]["answer"] == oracle.greedy(prompt, more, "\n")
