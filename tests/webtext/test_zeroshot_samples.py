"""`--tasks samples`: what a model writes after held-out documents, and what of it the corpus holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel
from zeroshot_corpus import trained_corpus
from zeroshot_oracle import Oracle

from webtext.api import Corpus
from webtext.copied_runs import copied
from webtext.tokenize.shard_index import open_shards
from webtext.train.sampling import random_numbers
from webtext.train.zeroshot import table
from webtext.zeroshot import evaluate


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_corpus(tmp_path_factory.mktemp("zeroshot") / "corpus")


def test_samples_are_compared_with_the_corpus(corpus: Path, tmp_path: Path) -> None:
    results, _ = evaluate(corpus, tasks=["samples"], out=tmp_path, device="cpu")
    scores = results["tasks"]["samples"]["scores"]
    assert scores["found_written"]["count"] == scores["found_held_out"]["count"] == 2
    # A ring of words with a draw between two goes on as in the corpus often enough.
    assert scores["found_held_out"]["value"] > 5
    run = scores["longest_held_out"]
    assert run["url"].startswith("https://example.org/") and len(run["words"].split()) == run["length"] >= 8
    assert "samples: the corpus holds" in table.terminal(results)
    assert table.terminal(results).startswith("yours: ")  # no head of a table that has no row
    assert table.markdown(results).startswith("- yours: ")


def test_samples_are_what_transformers_draws(corpus: Path, tmp_path: Path) -> None:
    """Of the 40 likeliest tokens one is drawn, with random numbers of the sample's own, as often as really followed."""
    results, out = evaluate(corpus, tasks=["samples"], out=tmp_path, device="cpu")
    facts = results["tasks"]["samples"]["facts"]
    folder = Corpus(corpus).checkpoint()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    oracle = Oracle(GPT2LMHeadModel.from_pretrained(folder), tokenizer)
    held = {
        f"{int(shard.keys[row]):016x}": shard.document(row).tolist()
        for shard in open_shards(corpus / "shards", "val")
        for row in range(len(shard))
    }
    lines = [json.loads(line) for line in (out / "examples" / "samples.jsonl").read_text().splitlines()[1:]]
    assert len(lines) == len(held)
    for number, line in enumerate(lines):
        tokens = held[line["example"]][: facts["prompt_tokens"] + facts["max_tokens"]]
        prompt, real = tokens[: facts["prompt_tokens"]], tokens[facts["prompt_tokens"] :]
        random, written = random_numbers(1 + number, 0), list[int]()
        while len(written) < len(real) and oracle.end not in written:
            best, ids = oracle.chances([*prompt, *written])[-1].topk(40)
            written.append(int(ids[int(torch.multinomial(best.exp() / best.exp().sum(), 1, generator=random))]))
        assert line["record"]["real"] == tokenizer.decode(real)
        assert line["record"]["written"] == tokenizer.decode([token for token in written if token != oracle.end])


def test_the_longest_run_is_found_with_its_source() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    texts = [" ".join(words), "nothing " * 9, " ".join(words[:9]) + " other words that nobody wrote before us", "short"]
    documents = [
        ("https://a.example/", "x " + " ".join(words[:8]) + " y"),
        ("https://b.example/", "Z. " + ", ".join(words[1:11]).upper() + " end"),
        ("https://c.example/", "Nothing to see in this document, which has words enough."),
    ]
    found = copied(texts, documents)
    assert found.grams == (5, 2, 9, 0)
    assert found.found == (4, 0, 2, 0)
    assert [(run.text, run.length, run.url, run.words) for run in found.runs] == [
        (0, 10, "https://b.example/", " ".join(words[1:11])),
        (2, 8, "https://a.example/", " ".join(words[:8])),
    ]
    assert copied(["few words"], documents).runs == ()
