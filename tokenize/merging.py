"""The merges of a byte-level BPE, from counted pieces: exact, in numpy, in memory that the pieces' bytes bound.

`reference.train` says the same slowly: the most frequent pair of neighbours is merged, among equals the one of the
smallest ids, until the vocabulary is full or no pair occurs `MIN_PAIR_COUNT` times. Not for counting (`counting`).

How: all distinct pieces lie in one array of bytes. A token that begins at byte p is `starts[p]`, one that ends there
`ends[p]`, so neighbours are found by their lengths. A pair comes into being only when the later of its two tokens is
made, so each merge leaves one sorted index of the pairs it made and of where they stand (`_Made`). Afterwards counts
only fall: a heap of upper bounds, each checked when its turn comes, gives the most frequent pair without keeping books.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from webtext.tokenize.split import byte_order
from webtext.tokenize.vocabulary import BYTES, Merge, Vocabulary

MIN_PAIR_COUNT = 2  # a pair that occurs once names no regularity

Places = npt.NDArray[np.int32]

_GAP = 0xFFFF  # between two pieces; no id: a vocabulary has 65,535 tokens at most, and <|endoftext|> is the last
_INSIDE = 0xFFFE  # a byte at which no token begins; that of <|endoftext|> at most, which no text holds
_NO_INDEX = -1


@dataclass(frozen=True)
class _Made:
    """The pairs that one merge brought into being: where each of them stands."""

    codes: npt.NDArray[np.uint32]
    """left << 16 | right, ascending."""
    edges: npt.NDArray[np.int32]
    """Pair i stands at `places[edges[i]:edges[i + 1]]`."""
    places: Places
    sums: npt.NDArray[np.int64]
    order: npt.NDArray[np.int32]
    """The pairs by falling sums, equal ones by code."""

    @classmethod
    def of(cls, codes: npt.NDArray[np.uint32], places: Places, weights: npt.NDArray[np.int64]) -> _Made:
        by_code = np.lexsort((places, codes))
        codes, places = codes[by_code], places[by_code]
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(codes)), np.bool_), codes[1:] != codes[:-1]]))
        sums = np.add.reduceat(weights[by_code], first) if len(first) else np.zeros(0, np.int64)
        edges = np.append(first, len(codes)).astype(np.int32)
        return cls(codes[first], edges, places, sums, np.argsort(-sums, kind="stable").astype(np.int32))

    def find(self, code: int) -> Places:
        row = int(np.searchsorted(self.codes, np.uint32(code)))
        if row == len(self.codes) or self.codes[row] != code:
            return self.places[:0]
        return self.places[self.edges[row] : self.edges[row + 1]]


class _Text:
    """All pieces as tokens, being merged."""

    def __init__(self, pieces: Sequence[bytes], counts: npt.NDArray[np.int64]) -> None:
        id_of = np.zeros(BYTES, np.uint16)
        id_of[np.frombuffer(byte_order(), np.uint8)] = np.arange(BYTES, dtype=np.uint16)
        lengths = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
        # one byte of gap before each piece, and one at the end
        self.starts = np.full(int(lengths.sum()) + len(pieces) + 1, _GAP, np.uint16)
        inside = np.ones(len(self.starts), np.bool_)
        inside[np.cumsum(np.concatenate([[0], lengths + 1]))] = False
        self.starts[inside] = id_of[np.frombuffer(b"".join(pieces), np.uint8)]
        self.ends = self.starts.copy()
        self.weights = np.zeros(len(self.starts), np.int64 if counts.max(initial=0) >= 1 << 31 else np.int32)
        self.weights[inside] = np.repeat(counts, lengths)
        self.tokens = [bytes([byte]) for byte in byte_order()]
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        self.lengths = np.ones(1 << 16, np.int32)
        places = np.flatnonzero((self.starts[:-1] != _GAP) & (self.starts[1:] != _GAP)).astype(np.int32)
        codes = self.starts[places].astype(np.uint32) << np.uint32(16) | self.starts[places + 1]
        self.made = [_Made.of(codes, places, self.weights[places].astype(np.int64))]
        self.made_with: dict[int, list[int]] = {number: [0] for number in range(BYTES)}
        """By token: the numbers of the `_Made` whose pairs it may be in as the later one."""

    def standing(self, code: int, known: Places | None) -> Places:
        """Where the pair stands now, ascending, among the places `known` or all where it ever stood."""
        left, right = code >> 16, code & 0xFFFF
        if known is None:
            numbers = sorted({*self.made_with[left], *self.made_with[right]})
            found = [places for number in numbers if len(places := self.made[number].find(code))]
            known = found[0] if len(found) == 1 else np.sort(np.concatenate([self.made[0].places[:0], *found]))
        here = known[self.starts[known] == left]
        joined: Places = here[self.starts[here + self.lengths[left]] == right]
        return joined

    def count(self, places: Places) -> int:
        return int(self.weights[places].sum(dtype=np.int64))

    def merge(self, code: int, places: Places) -> tuple[int, bool]:
        """Join the pair at `places` (all where it stands); give the token's id and whether it is a new one."""
        left, right = code >> 16, code & 0xFFFF
        if left == right:
            places = _alternate(places, int(self.lengths[left]))
        token = self.tokens[left] + self.tokens[right]
        made = self.ids.get(token, len(self.tokens))
        new = made == len(self.tokens)
        if new:
            self.tokens.append(token)
            self.ids[token] = made
            self.lengths[made] = len(token)
            self.made_with[made] = []
        self.starts[places] = made
        self.starts[places + self.lengths[left]] = _INSIDE
        after = places + np.int32(len(token))
        self.ends[after - 1] = made
        self._index(made, places, after)
        return made, new

    def _index(self, made: int, places: Places, after: Places) -> None:
        before = self.ends[places - 1]
        # of two such tokens side by side, the first one's pair to its right is the second one's to its left
        has_left = (before != _GAP) & (before != made)
        has_right = self.starts[after] != _GAP
        lefts, rights = before[has_left].astype(np.uint32), self.starts[after[has_right]].astype(np.uint32)
        codes = np.concatenate([lefts << np.uint32(16) | np.uint32(made), np.uint32(made << 16) | rights])
        stand = np.concatenate([places[has_left] - self.lengths[lefts], places[has_right]])
        weights = np.concatenate([self.weights[places[has_left]], self.weights[places[has_right]]]).astype(np.int64)
        self.made_with[made].append(len(self.made))
        self.made.append(_Made.of(codes, stand, weights))


def _alternate(places: Places, length: int) -> Places:
    """Of a pair of equal tokens, where to merge it: in a run of n tokens, at the first, third and so on, from the left.

    The last token of a run begins no pair, so places are never left over.
    """
    chain = np.concatenate([np.ones(min(1, len(places)), np.bool_), np.diff(places) != length])
    first = np.flatnonzero(chain)
    number = np.arange(len(places)) - np.repeat(first, np.diff(np.append(first, len(places))))
    kept: Places = places[number % 2 == 0]
    return kept


def train_on_counts(
    pieces: Sequence[bytes],
    counts: npt.NDArray[np.int64],
    vocab_size: int,
    *,
    made: Callable[[int], None] = lambda size: None,
) -> Vocabulary:
    """Train on distinct pieces (what the split gives) and how often each of them occurs.

    Args:
        vocab_size: tokens in all, `<|endoftext|>` included. The result has fewer where no pair of tokens occurs
            `MIN_PAIR_COUNT` times any more.
        made: told the number of tokens after each merge.

    Returns:
        The order of the pieces decides nothing. A second way to a token that is there already is merged without
        becoming an entry of the vocabulary, as the `tokenizers` library does.
    """
    text = _Text(pieces, counts)
    merges: list[Merge] = []
    heap: list[tuple[int, int, int, int]] = []  # (-upper bound, code, number of the `_Made`, place in its order)
    standing: dict[int, Places] = {}  # of pairs that were looked at and found rarer than thought

    def push_next(number: int, place: int) -> None:
        index = text.made[number]
        if place < len(index.order):
            row = index.order[place]
            if index.sums[row] >= MIN_PAIR_COUNT:
                heapq.heappush(heap, (-int(index.sums[row]), int(index.codes[row]), number, place))

    push_next(0, 0)
    while len(text.tokens) + 1 < vocab_size and heap:
        bound, code, number, place = heapq.heappop(heap)
        if number != _NO_INDEX:
            push_next(number, place + 1)
        places = text.standing(code, standing.pop(code, None))
        count = text.count(places)
        if count < -bound:
            if count >= MIN_PAIR_COUNT:
                standing[code] = places
                heapq.heappush(heap, (-count, code, _NO_INDEX, 0))
            continue
        if count < MIN_PAIR_COUNT:
            continue
        left, right = text.tokens[code >> 16], text.tokens[code & 0xFFFF]
        _, new = text.merge(code, places)
        if new:
            merges.append((left, right))
            push_next(len(text.made) - 1, 0)
            made(len(text.tokens) + 1)
        else:  # its pairs may stand in an earlier index, too: their bounds are counted anew
            for again in text.made[-1].codes.tolist():
                standing.pop(again, None)
                heapq.heappush(heap, (-text.count(text.standing(again, None)), again, _NO_INDEX, 0))
    return Vocabulary.from_merges(merges)
