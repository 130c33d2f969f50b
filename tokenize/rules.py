"""The versions of the rules that decide what tokens a document becomes and where they lie."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, int] = {
    "split": 1,  # how text falls into pieces that no token crosses
    "train": 2,  # which documents a tokenizer is trained on, and how
    "encode": 1,  # text to ids, `<|endoftext|>` in front of each document
    "held-out": 1,  # which documents are validation
    "shards": 1,  # order of the documents, where a shard ends, the file format
}
