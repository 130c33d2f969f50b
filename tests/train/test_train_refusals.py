"""What cannot be trained is said before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training import MakeCorpus, quick

from webtext.corpus.errors import DamagedFile, UsageError, WebtextError
from webtext.tokenize.files import read_vocabulary, write_vocabulary
from webtext.tokenize.vocabulary import Vocabulary


def test_too_little_text_for_one_batch_says_how_much_there_is(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(documents=4, words=200)
    with pytest.raises(WebtextError, match=r"a step takes 1,024 tokens, 8 windows of 128; the shards have 6") as caught:
        quick(corpus, steps=2, batch_tokens=1_024)
    assert "--batch-tokens 768 or less" in str(caught.value)
    assert not (corpus / "runs").exists()
    assert quick(corpus, steps=2, batch_tokens=768).step == 2


def test_what_cannot_be_trained_is_said_before_anything_is_written(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus()
    wrong: list[tuple[dict[str, Any], type[WebtextError], str]] = [
        ({"preset": "huge"}, UsageError, "no such preset: huge"),
        ({"steps": 0}, UsageError, "steps is 0"),
        ({"steps": -3}, UsageError, "steps is -3"),
        ({"batch_tokens": 500}, UsageError, "take 384 or 512"),
        ({"micro_batch": 0}, UsageError, "micro_batch is 0"),
        ({"learning_rate": float("nan")}, UsageError, "learning_rate is nan"),
        ({"device": "tpu"}, UsageError, "no such device: tpu"),
        ({"seed": -1}, UsageError, "seed is -1"),
        ({"run": "../up"}, UsageError, "no name for a run"),
        ({"run": ""}, UsageError, "no name for a run"),
    ]
    if not torch.cuda.is_available():
        wrong.append(({"device": "cuda"}, WebtextError, "no cuda device"))
    for options, kind, message in wrong:
        with pytest.raises(kind, match=message):
            quick(corpus, **{"steps": 2, **options})
    small = make_corpus("small", documents=2, words=100)
    with pytest.raises(WebtextError, match=r"too little text: 202 tokens are not one window of 1,024"):
        quick(small, preset="124M", batch_tokens=1_024)
    assert not (small / "runs").exists()
    with pytest.raises(WebtextError, match="there is no corpus here"):
        quick(tmp_path / "nowhere", steps=2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WebtextError, match="no shards to train on yet"):
        quick(tmp_path / "empty", steps=2)
    assert not (corpus / "runs").exists()


def test_another_tokenizer_than_the_shards_is_refused_with_both_named(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    theirs = read_vocabulary(corpus / "tokenizer" / "tokenizer.json")
    write_vocabulary(corpus / "tokenizer", Vocabulary(theirs.merges[:-1]))
    with pytest.raises(
        WebtextError, match=r"another tokenizer \(331 tokens, \w+\) than the shards were made with \(332 tokens"
    ):
        quick(corpus, steps=2)


def test_a_flipped_byte_in_a_shard_is_found(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus()
    path = corpus / "shards" / "train-00001.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFile, match=r"train-00001.arrow"):
        quick(corpus, steps=2)
    assert not (corpus / "runs").exists()
