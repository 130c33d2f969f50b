"""Where a document's tokens lie: found by its key in any shard of either split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import file_sha256
from webtext.tokenize.lookup import Place, find_document
from webtext.tokenize.shard_index import ShardEntry, ShardIndex
from webtext.tokenize.shards import METADATA, write_shard

TOP = 2**64 - 1


def make(folder: Path, splits: dict[str, list[list[tuple[int, int]]]]) -> None:
    """Shards of documents, each (key, tokens)."""
    entries: dict[str, list[ShardEntry]] = {}
    for split, shards in splits.items():
        entries[split] = []
        for number, documents in enumerate(shards):
            path = folder / f"{split}-{number:05d}.arrow"
            offsets = np.cumsum([0, *(length for _, length in documents)]).astype(np.int64)
            keys = np.array([key for key, _ in documents], np.uint64)
            tokens = np.zeros(int(offsets[-1]), np.uint16)
            described = {name: split if name == "split" else "x" for name in METADATA if name != "schema_version"}
            write_shard(path, keys, [""] * len(documents), tokens, offsets, metadata=described)
            entries[split].append(ShardEntry(path.name, len(tokens), len(documents), file_sha256(path)))
    ShardIndex("x", "x", "x", 300, 299, entries).write(folder / "index.json")


def test_every_document_is_found_and_no_other(tmp_path: Path) -> None:
    make(
        tmp_path,
        {"train": [[(1, 5), (4, 2)], [(9, 7)], [(10, 1), (2**63, 3), (TOP, 4)]], "val": [[(2, 6), (2**63 + 1, 8)]]},
    )
    expected = {
        1: Place("train", "train-00000.arrow", 0, 5, 0),
        4: Place("train", "train-00000.arrow", 1, 2, 5),
        9: Place("train", "train-00001.arrow", 0, 7, 7),
        10: Place("train", "train-00002.arrow", 0, 1, 14),
        2**63: Place("train", "train-00002.arrow", 1, 3, 15),
        TOP: Place("train", "train-00002.arrow", 2, 4, 18),
        2: Place("val", "val-00000.arrow", 0, 6, 0),
        2**63 + 1: Place("val", "val-00000.arrow", 1, 8, 6),
    }
    assert {key: find_document(tmp_path, key) for key in expected} == expected
    assert [find_document(tmp_path, key) for key in (0, 3, 5, 11, 2**63 - 1, TOP - 1)] == [None] * 6


def test_empty_splits_hold_nothing(tmp_path: Path) -> None:
    make(tmp_path, {"train": [[]], "val": []})
    assert find_document(tmp_path, 1) is None
    with pytest.raises(WebtextError, match="there are no shards here"):
        find_document(tmp_path / "elsewhere", 1)
