"""Where the tokens of one document lie: its shard, its row, its place in the stream. Reads none of the tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from webtext.tokenize.shard_index import SPLITS, ShardIndex
from webtext.tokenize.shards import Shard


@dataclass(frozen=True)
class Place:
    """A document in the shards: row `row` of `shard`, `tokens` tokens from place `start` of the split's stream on."""

    split: str
    shard: str
    row: int
    tokens: int
    start: int


def find_document(folder: Path, key: int) -> Place | None:
    """The place of the document with this key, None where it has none.

    Args:
        folder: of one generation of shards. Keys rise within a split, so of n shards log2(n) are opened.

    Raises:
        DamagedFile, WebtextError: as `ShardIndex.read` and `Shard.open`.
    """
    index = ShardIndex.read(folder)
    for split in SPLITS:
        entries = index.splits[split]
        low, high = 0, len(entries)
        while low < high:
            middle = (low + high) // 2
            shard = Shard.open(folder / entries[middle].file)
            if len(shard) and int(shard.keys[-1]) < key:
                low = middle + 1
                continue
            row = int(np.searchsorted(shard.keys, np.uint64(key)))
            if row < len(shard) and int(shard.keys[row]) == key:
                before = sum(entry.tokens for entry in entries[:middle])
                start, stop = (int(place) for place in shard.offsets[row : row + 2])
                return Place(split, entries[middle].file, row, stop - start, before + start)
            high = middle
    return None
