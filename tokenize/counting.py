"""How often each piece of the split occurs: counted by row groups, summed by ranges of hashes, cut to what fits.

Bounded at any size of corpus: a worker counts one row group at a time, a sum reads one range of hashes, and the merges
are made of at most `PIECE_BYTES` of distinct pieces: the most frequent ones. Which ones these are depends on the
documents alone, not on how they lie in files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import regex
import xxhash

from webtext.corpus.faults import fault_point
from webtext.corpus.files import atomic, read_json, write_json
from webtext.tokenize.proof import GIGATOKEN, is_failure, probe
from webtext.tokenize.reading import text_batches
from webtext.tokenize.settled import settle, unsettled_rows
from webtext.tokenize.split import POSSESSIVE_SPLIT

PIECE_BYTES = 8_000_000
"""Of distinct pieces: some 600,000 of them. Merging takes 50 bytes of memory a byte (measured: 570 MB at 12 MB)."""
SAMPLE_SALT = "tokenizer-sample"
ALL = 1 << 64

KeysAndSizes = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]
Split = Callable[[str], Iterable[bytes]]
_COUNTS = pa.schema([pa.field("piece", pa.large_binary()), pa.field("count", pa.int64())])


def sample_hash(key: int) -> int:
    """Documents are taken into a sample in the order of this: xxh3_64(salt, key)."""
    return xxhash.xxh3_64_intdigest(f"{SAMPLE_SALT}:{key:016x}".encode())


def sample_below(documents: Callable[[], Iterator[KeysAndSizes]], limit: int) -> int:
    """The hash below which documents are taken: as many as sum to `limit` at most, but at least one.

    Args:
        documents: gives, each time it is called, keys and sizes of all documents, in any order and in pieces.

    Returns:
        From 1 to 2^64, which takes all.
    """
    buckets = np.zeros(1 << 16, np.int64)  # sizes by the first 16 bits of the hash
    total = 0
    for _, sizes in documents():
        total += int(sizes.sum())
    if total <= limit:
        return ALL
    for keys, sizes in documents():
        tops = np.fromiter((sample_hash(key) >> 48 for key in keys.tolist()), np.int64, len(keys))
        buckets += np.bincount(tops, sizes, 1 << 16).astype(np.int64)
    ends = np.cumsum(buckets)
    bucket = int(np.searchsorted(ends, limit, side="right"))  # the first that does not fit whole
    room = limit - int(ends[bucket - 1] if bucket else 0)
    inside: list[tuple[int, int]] = []
    for keys, sizes in documents():
        hashes = zip(map(sample_hash, keys.tolist()), sizes.tolist(), strict=True)
        inside += [(digest, size) for digest, size in hashes if digest >> 48 == bucket]
    inside.sort()
    for digest, size in inside:
        room -= size
        if room < 0:
            first = digest == inside[0][0] and not ends[:bucket].any()
            return digest + 1 if first else digest
    return (bucket + 1) << 48


def splitter(engine: str) -> Split:
    """The pieces of a text as UTF-8, by gigatoken or by the `regex` library: the same for settled characters."""
    if engine == GIGATOKEN:
        from gigatoken import pretokenizer

        return lambda text: pretokenizer(text.encode())
    # `$` of the engine that this pattern was written for is the end of the text
    pattern = regex.compile(POSSESSIVE_SPLIT.replace("$", r"\Z"))
    return lambda text: (piece.encode() for piece in pattern.findall(text))


def splitting_engine(wanted: str = "auto") -> str:
    """gigatoken where it is installed and splits the probe as the pattern says, otherwise "regex"."""
    if wanted in ("auto", GIGATOKEN):
        try:
            fast, exact = splitter(GIGATOKEN), splitter("regex")
            if all(list(fast(text)) == list(exact(text)) for text in probe()):
                return GIGATOKEN
        except BaseException as error:
            if not is_failure(error):
                raise
    return "regex"


def count_pieces(texts: Iterable[str], split: Split) -> Counter[bytes]:
    """How often each piece occurs in `texts`, whose characters are settled."""
    return Counter(chain.from_iterable(map(split, texts)))


@dataclass(frozen=True)
class CountedGroup:
    """One row group of clean/, and the part its counts go to: one record batch a range of hashes."""

    path: Path
    number: int
    part: Path


@dataclass(frozen=True)
class CountGroup:
    """Counts the pieces of those documents of a row group that the sample takes."""

    engine: str
    below: int
    ranges: int

    @cached_property
    def split(self) -> Split:
        """Made in the worker: it does not travel."""
        return splitter(self.engine)

    def __call__(self, group: CountedGroup) -> None:
        if group.part.exists():
            return
        counts = count_pieces(self._texts(group), self.split)
        lists: list[tuple[list[bytes], list[int]]] = [([], []) for _ in range(self.ranges)]
        for piece, count in counts.items():
            pieces, numbers = lists[xxhash.xxh3_64_intdigest(piece) % self.ranges]
            pieces.append(piece)
            numbers.append(count)
        _write(group.part, [_table(pieces, numbers) for pieces, numbers in lists])
        fault_point("tokenize.counted")

    def _texts(self, group: CountedGroup) -> Iterator[str]:
        for batch in text_batches(group.path, group.number, ("key", "text")):
            texts = batch["text"]
            odd = set(unsettled_rows(texts).tolist())
            for row, (key, text) in enumerate(zip(batch["key"].to_pylist(), texts, strict=True)):
                if self.below == ALL or sample_hash(key) < self.below:
                    yield settle(text.as_py()) if row in odd else text.as_py()


@dataclass(frozen=True)
class Sum:
    """One range of hashes, over all parts, and the file its sums go to."""

    number: int
    parts: tuple[Path, ...]
    path: Path

    @property
    def record(self) -> Path:
        """Bytes of distinct pieces by their count; written after the file."""
        return self.path.with_suffix(".json")


def sum_counts(wanted: Sum) -> None:
    """Sum the counts of one range of hashes over all parts."""
    if wanted.record.exists() and wanted.path.exists():
        return
    table = _COUNTS.empty_table()
    waiting: list[pa.Table] = []
    for part in wanted.parts:
        with pa.OSFile(str(part)) as source:
            waiting.append(pa.Table.from_batches([pa.ipc.open_file(source).get_batch(wanted.number)]))
        if sum(len(one) for one in waiting) > 500_000:
            table, waiting = _summed([table, *waiting]), []
    table = _summed([table, *waiting])
    _write(wanted.path, [table.combine_chunks()])
    lengths = np.asarray(pa.compute.binary_length(table["piece"]).to_numpy(), np.int64)
    counts = np.asarray(table["count"].to_numpy(), np.int64)
    values, at = np.unique(counts, return_inverse=True)
    sizes = np.bincount(at, lengths, len(values)).astype(np.int64)
    write_json(wanted.record, [[int(count), int(size)] for count, size in zip(values, sizes, strict=True)])


def frequent(sums: Sequence[Sum], limit: int = PIECE_BYTES) -> tuple[list[bytes], npt.NDArray[np.int64], int]:
    """The most frequent pieces of all sums, of `limit` bytes at most, their counts, and the least count among them.

    Pieces of one count are taken or left together.
    """
    sizes: Counter[int] = Counter()
    for one in sums:
        for count, size in read_json(one.record):
            sizes[count] += size
    least, room = max(sizes, default=0) + 1, limit
    for count in sorted(sizes, reverse=True):
        room -= sizes[count]
        if room < 0:
            break
        least = count
    pieces: list[bytes] = []
    counts: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for one in sums:
        with pa.OSFile(str(one.path)) as source:
            table = pa.ipc.open_file(source).read_all()
        mine = table.filter(pa.compute.greater_equal(table["count"], least))
        pieces += mine["piece"].to_pylist()
        counts.append(np.asarray(mine["count"].to_numpy(), np.int64))
    return pieces, np.concatenate(counts), least if len(sizes) else 1


def _table(pieces: list[bytes], counts: list[int]) -> pa.Table:
    return pa.table([pa.array(pieces, pa.large_binary()), pa.array(counts, pa.int64())], schema=_COUNTS)


def _summed(tables: list[pa.Table]) -> pa.Table:
    grouped = pa.concat_tables(tables).group_by("piece", use_threads=False).aggregate([("count", "sum")])
    return grouped.rename_columns({"count_sum": "count"}).select(_COUNTS.names).cast(_COUNTS)


def _write(path: Path, tables: Sequence[pa.Table]) -> None:
    with atomic(path) as aside, pa.ipc.new_file(str(aside), _COUNTS) as writer:
        for table in tables:  # also an empty one is a batch: it is found by its number
            batches = table.combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=_COUNTS))
