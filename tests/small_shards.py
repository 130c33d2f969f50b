"""A folder of small sound shards, for the tests of what may happen to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from webtext.corpus.files import file_sha256
from webtext.tokenize.files import write_vocabulary
from webtext.tokenize.shard_index import ShardEntry, ShardIndex
from webtext.tokenize.shards import write_shard
from webtext.tokenize.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_merges([(b"a", b"b")])


def make_shards(corpus: Path, *, seed: int = 0, identity: str = "1" * 64) -> Path:
    """Three training shards and one of validation, of different content, with their tokenizer; give shards/."""
    random = np.random.default_rng(seed)
    entries: dict[str, list[ShardEntry]] = {"train": [], "val": []}
    for number, split in enumerate(("train", "train", "train", "val")):
        path = corpus / "shards" / f"{split}-{len(entries[split]):05d}.arrow"
        offsets = np.array([0, 30, 31, 90], np.int64)
        tokens = random.integers(0, 257, 90).astype(np.uint16)
        tokens[offsets[:-1]] = VOCABULARY.endoftext
        keys = np.arange(number * 10, number * 10 + 3, dtype=np.uint64)
        described = {"identity": identity, "corpus": "c", "tokenizer": VOCABULARY.fingerprint, "vocab_size": "258",
                     "endoftext": "257", "split": split, "rules": ""}  # fmt: skip
        write_shard(path, keys, [f"https://{key}.example/" for key in keys], tokens, offsets, metadata=described)
        entries[split].append(ShardEntry(path.name, 90, 3, file_sha256(path)))
    ShardIndex(identity, "c", VOCABULARY.fingerprint, 258, 257, entries).write(corpus / "shards" / "index.json")
    write_vocabulary(corpus / "tokenizer", VOCABULARY)
    return corpus / "shards"
