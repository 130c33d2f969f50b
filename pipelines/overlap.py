"""`webtext overlap`: a corpus streams past the n-grams of test sets.

1. hash the sets: one table (`webtext.dedup.gram_table`), which workers map.
2. stream: each piece of the documents gets a part with the n-grams it holds, resumed part by part (Beam).
3. tally: the driver adds the parts up (`webtext.dedup.overlap`).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, identity_of
from webtext.corpus.testsets.example import TestSet
from webtext.dedup.alphanumeric import grams, words_reference
from webtext.dedup.gram_table import GramTable, SetGrams, read_grams
from webtext.dedup.overlap import Hits, SetOverlap, Tally, frequent_grams, set_overlap
from webtext.dedup.parts import column, lists, lists_of, read_part, write_part
from webtext.dedup.utf8 import Texts
from webtext.pipelines.engine import Engine
from webtext.pipelines.pieces import Rows, cut, each

RULES = 1
"""Rises with what the parts hold."""


@dataclass(frozen=True)
class Overlap:
    """What of several sets a corpus holds; n-grams of `words` words, frequent in more than `frequent` documents."""

    corpus: str
    stage: str
    documents: int
    words: int
    frequent: int
    sets: tuple[SetOverlap, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {name: getattr(self, name) for name in ("corpus", "stage", "documents", "words", "frequent")}
        return {**plain, "sets": [found.to_json() for found in self.sets]}


@dataclass(frozen=True)
class Streamed(Rows):
    """A piece, and where its parts lie: n-grams found, and the addresses of the documents they are in."""

    hits: Path
    urls: Path


def measure_overlap(
    work: Path, documents: Sequence[Path], sets: Sequence[TestSet], *, words: int, frequent: int, engine: Engine
) -> tuple[int, list[SetOverlap]]:
    """The number of documents in these files (of `schemas.DOCUMENTS`), and what of each set they hold.

    Args:
        work: where the parts lie; of another measure they are removed. It is gone at the end.
        words: words an n-gram (the paper: 8).
        frequent: an n-gram in more documents is told apart, without naming them.

    Raises:
        WebtextError: a set has no text of so many words.
        DamagedFile: a set or a file cannot be read.
    """
    table, found = read_grams(sets, words)
    for one in found:
        if not len(one.gram):
            raise WebtextError(f"has no text of {words} words in a row", where=one.label, hint="--words takes fewer")
    plan = identity_of([RULES, words, frequent, [[one.sha256, one.split, one.kind] for one in found]])
    if work.exists() and not (work / plan).exists():
        shutil.rmtree(work)
    path = work / plan / "table.arrow"
    if not path.exists():
        table.write(path)
    hashes = {file: file_sha256(file) for file in documents}
    pieces = []
    for rows in cut(documents):
        name = identity_of([hashes[rows.path], rows.groups])[:32]
        parts = (work / plan / f"{name}{ending}.arrow" for ending in ("", ".urls"))
        pieces.append(Streamed(rows.path, rows.groups, rows.start, rows.rows, *parts))
    stream = _Stream(path, words, frequent)
    each(engine, "overlap: stream", stream, pieces, [piece.hits for piece in pieces])
    overlaps = _told(sets, found, table, pieces, frequent)
    shutil.rmtree(work)
    return sum(piece.rows for piece in pieces), overlaps


@dataclass(frozen=True)
class _Stream:
    """Step 2: the n-grams of the table that a piece holds."""

    table: Path
    words: int
    frequent: int

    def __call__(self, piece: Streamed) -> None:
        table = GramTable.read(self.table, self.words)
        gram, row = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        key, start = [np.empty(0, np.uint64)], 0
        urls = [pa.array([], pa.string())]
        for batch in piece.batches(["key", "url", "text"]):
            texts = Texts.of(batch["text"])
            here = [np.empty(0, np.int64)]
            for part in texts.blocks():
                hashed = grams(texts[part], self.words)
                at, number = table.find(hashed.found.hashes)
                gram.append(number)
                here.append(hashed.text_of(at) + part.start)
            rows = np.concatenate(here)
            row.append(rows + start)
            start += len(batch)
            hit = np.unique(rows)
            urls.append(batch["url"].take(pa.array(hit)).combine_chunks())
            key.append(column(batch, "key"))
        keys = np.concatenate(key)
        rows = np.concatenate(row)
        # One more than are told of rare ones: in how many documents a frequent one is, is counted apart.
        hits = Hits.of(np.concatenate(gram), keys[rows], self.frequent + 1)
        named = pa.table({"key": keys[np.unique(rows)], "url": pa.concat_arrays(urls)})
        needed = np.isin(column(named, "key"), hits.keys)
        write_part(piece.urls, named.filter(pa.array(needed)))
        columns = {"gram": hits.gram, "documents": hits.documents, "key": lists(hits.offsets, hits.keys)}
        write_part(piece.hits, pa.table(columns))
        fault_point("overlap.streamed")


def _told(
    sets: Sequence[TestSet], found: Sequence[SetGrams], table: GramTable, pieces: Sequence[Streamed], frequent: int
) -> list[SetOverlap]:
    """Step 3."""
    tally = Tally(len(table), frequent)
    for piece in pieces:
        part = read_part(piece.hits)
        offsets, keys = lists_of(part, "key")
        tally.add(Hits(column(part, "gram"), column(part, "documents"), offsets, keys))
    pairs = tally.pairs()
    wanted = np.unique(pairs[1])
    urls: dict[int, str] = {}
    for piece in pieces:
        named = read_part(piece.urls)
        mine = named.filter(pa.array(np.isin(column(named, "key"), wanted)))
        urls.update(zip(mine["key"].to_pylist(), mine["url"].to_pylist(), strict=True))
    told = []
    for one, read in zip(sets, found, strict=True):
        texts = _words_of(one, read, table, set(frequent_grams(read, tally).tolist()))
        told.append(set_overlap(read, tally, pairs, urls, texts))
    return told


def _words_of(one: TestSet, read: SetGrams, table: GramTable, wanted: set[int]) -> dict[int, str]:
    """The words of n-grams of a set, by number: hashes do not tell them, so the examples that hold them are read."""
    if not wanted:
        return {}
    first = np.flatnonzero(np.isin(read.gram, np.fromiter(wanted, np.int64)))
    holders = set(read.example[first].tolist())
    told: dict[int, str] = {}
    held: list[str] = []  # of a running set an n-gram may go on in the next examples
    for number, example in enumerate(one.examples()):
        if one.running:
            held = [*held[-table.size :], "\n".join(example.texts)]
        if number not in holders and not (one.running and any(number - back in holders for back in range(table.size))):
            continue
        texts = Texts.of(["\n".join(held)] if one.running else list(example.texts))
        hashed = grams(texts, table.size)
        at, numbers = table.find(hashed.found.hashes)
        chosen = [place for place, gram in enumerate(numbers.tolist()) if gram in wanted and gram not in told]
        starts, ends = hashed.span(at[chosen])
        for place, text, start, end in zip(chosen, hashed.text_of(at[chosen]), starts, ends, strict=True):
            begin = int(texts.offsets[text])
            raw = texts.data[begin + start : begin + end].tobytes().decode()
            told[int(numbers[place])] = " ".join(words_reference(raw))
        if len(told) == len(wanted):
            break
    return told
