"""A small corpus with finished shards, made here: for all tests of the trainer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from training import MakeCorpus, Whole, quick

from webtext.corpus.files import file_sha256, identity_of, write_json
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.tokenize.encoding import Encoder
from webtext.tokenize.files import write_vocabulary
from webtext.tokenize.shard_index import ShardEntry, ShardIndex
from webtext.tokenize.shards import write_shard
from webtext.tokenize.vocabulary import Merge, Vocabulary

WORDS = [
    "the", "of", "and", "a", "fox", "dog", "house", "links", "pages", "window", "token", "model", "reads", "writes",
    "sees", "old", "small", "quick", "red", "every",
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """More threads than cores make torch many times slower, and sums in another order differ in their last bits."""
    torch.set_num_threads(1)


def small_vocabulary(words: list[str] = WORDS) -> Vocabulary:
    """Bytes, and one token for each word with a space before it."""
    merges: list[Merge] = []
    for word in words:
        token = b" "
        for letter in word.encode():
            merge = (token, bytes([letter]))
            if merge not in merges:
                merges.append(merge)
            token += bytes([letter])
    return Vocabulary.from_merges(merges)


def made_up_text(seed: int, words: int) -> str:
    """Sentences without sense, but with a grammar that a model can learn: words follow each other in a ring."""
    draw = random.Random(seed)
    place, found = draw.randrange(len(WORDS)), []
    for _ in range(words):
        place = (place + draw.choice([1, 1, 1, 2])) % len(WORDS)
        found.append(WORDS[place])
    return " " + " ".join(found)


def write_corpus(folder: Path, *, train: list[list[str]], val: list[list[str]], salt: str = "") -> Path:
    """Write tokenizer/ and shards/ of a corpus: `train` and `val` are shards of texts."""
    vocabulary = small_vocabulary()
    write_vocabulary(folder / "tokenizer", vocabulary)
    encoder = Encoder(vocabulary)
    identity = identity_of([train, val, salt])
    described = {
        "identity": identity,
        "corpus": identity_of(salt),
        "tokenizer": vocabulary.fingerprint,
        "vocab_size": str(vocabulary.size),
        "endoftext": str(vocabulary.endoftext),
        "rules": "{}",
    }
    splits: dict[str, list[ShardEntry]] = {"train": [], "val": []}
    key = 1
    for split, shards in (("train", train), ("val", val)):
        for number, texts in enumerate(shards):
            path = folder / "shards" / f"{split}-{number:05d}.arrow"
            tokens, offsets = encoder.encode_batch(texts, endoftext=True)
            keys = np.arange(key, key + len(texts), dtype=np.uint64)
            key += len(texts)
            urls = [f"https://example.org/{value}" for value in keys]
            write_shard(path, keys, urls, tokens, offsets, metadata={**described, "split": split})
            splits[split].append(ShardEntry(path.name, len(tokens), len(texts), file_sha256(path)))
    index = ShardIndex(
        identity, described["corpus"], vocabulary.fingerprint, vocabulary.size, vocabulary.endoftext, splits
    )
    index.write(folder / "shards" / "index.json")
    files = {
        str(path.relative_to(folder)): file_sha256(path)
        for name in ("shards", "tokenizer")
        for path in sorted((folder / name).iterdir())
        if path.is_file()
    }
    manifest = Manifest(Stage.SHARDS, {}, {}, {}, key - 1, key - 1, {}, files, facts={"identity": identity})
    write_json(folder / "shards" / "stage.json", manifest.to_json())
    return folder


@pytest.fixture(scope="session")
def corpus_writer() -> Callable[..., Path]:
    """Write a corpus of made-up text into a folder: two shards to train on, one to validate."""

    def write(folder: Path, *, documents: int = 12, words: int = 200, val: int = 2, salt: str = "") -> Path:
        texts = [made_up_text(number, words) for number in range(documents + val)]
        train = [texts[: documents // 2], texts[documents // 2 : documents]]
        return write_corpus(folder, train=train, val=[texts[documents:]], salt=salt)

    return write


@pytest.fixture
def make_corpus(corpus_writer: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """The same by a name, below the test's folder."""

    def make(name: str = "corpus", **options: int | str) -> Path:
        return corpus_writer(tmp_path / name, **options)

    return make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, corpus_writer: MakeCorpus) -> Whole:
    """Six steps without an interruption, on the corpus that `make_corpus` makes by default: not to be written to."""
    corpus = corpus_writer(tmp_path_factory.mktemp("whole"))
    torch.set_num_threads(1)
    return corpus, quick(corpus, steps=6, samples=1)
