"""A byte-level BPE vocabulary: its merges, and all that follows from them. Not for files (`files`)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from webtext.corpus.errors import WebtextError
from webtext.tokenize.split import byte_characters, byte_order

MAX_SIZE = 65_535
"""Tokens a vocabulary may have, `<|endoftext|>` included: shards hold uint16."""

BYTES = 256
Merge = tuple[bytes, bytes]


@dataclass(frozen=True)
class Vocabulary:
    """The merges in the order of their rank decide everything: ids 0 to 255 are the bytes in the order of `byte_order`,
    256 + i is what merge i makes, and the last id is `<|endoftext|>`. This is how GPT-2's ids lie.

    Make one with `from_merges` or `from_ranks`, which check.
    """

    merges: tuple[Merge, ...]

    @classmethod
    def from_merges(cls, merges: Sequence[Merge], *, where: object = None) -> Vocabulary:
        """Check that each merge joins two earlier tokens into a new one.

        Raises:
            WebtextError: it does not, or there are more tokens than uint16 holds; `where` names the source.
        """
        known = {bytes([byte]) for byte in byte_order()}
        for number, (left, right) in enumerate(merges):
            if left not in known or right not in known:
                raise WebtextError(
                    f"merge {number} joins {left!r} and {right!r}, and not both of them are tokens by then",
                    where=where,
                    hint="is it a byte-level BPE vocabulary, whole and in its order?",
                )
            if left + right in known:
                raise WebtextError(f"merge {number} makes {left + right!r}, which is a token already", where=where)
            known.add(left + right)
        if len(merges) + BYTES + 1 > MAX_SIZE:
            raise WebtextError(
                f"has {len(merges) + BYTES + 1:,} tokens; shards hold ids of 16 bits, {MAX_SIZE:,} tokens at most",
                where=where,
            )
        return cls(tuple(merges))

    @classmethod
    def from_ranks(cls, ranks: Mapping[bytes, int], *, where: object = None) -> Vocabulary:
        """Recover the merges from tokens and their ids alone, as tiktoken's files have them (no special token).

        Token i was made by the last merge of its own bytes under the tokens before it.

        Raises:
            WebtextError: the ids are not those of a byte-level BPE in GPT-2's order.
        """
        tokens = sorted(ranks, key=ranks.__getitem__)
        if sorted(ranks.values()) != list(range(len(tokens))) or b"".join(tokens[:BYTES]) != byte_order():
            raise WebtextError(
                "the ids do not lie as GPT-2's do (256 bytes in its order, then the merges)",
                where=where,
                hint="webtext takes byte-level BPE vocabularies in GPT-2's layout",
            )
        known = {token: number for number, token in enumerate(tokens[:BYTES])}
        merges = []
        for number, token in enumerate(tokens[BYTES:], BYTES):
            parts = _merged(token, known)
            if len(parts) != 2:
                raise WebtextError(f"token {number} ({token!r}) is no merge of two earlier tokens", where=where)
            merges.append((parts[0], parts[1]))
            known[token] = number
        return cls.from_merges(merges, where=where)

    @property
    def size(self) -> int:
        """Number of tokens, `<|endoftext|>` included."""
        return BYTES + len(self.merges) + 1

    @property
    def endoftext(self) -> int:
        """The id of `<|endoftext|>`, the last one."""
        return self.size - 1

    @cached_property
    def tokens(self) -> tuple[bytes, ...]:
        """The bytes of each token by id, without `<|endoftext|>`."""
        return (*(bytes([byte]) for byte in byte_order()), *(left + right for left, right in self.merges))

    @cached_property
    def ranks(self) -> dict[bytes, int]:
        """The id of each token's bytes, without `<|endoftext|>`."""
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def written(self) -> dict[bytes, str]:
        """Each token's bytes, in the order of ids, as OpenAI's files write them: see `byte_characters`."""
        letters = b"".join(self.tokens).decode("latin-1").translate(dict(enumerate(byte_characters())))
        ends = itertools.accumulate(map(len, self.tokens))
        return {token: letters[end - len(token) : end] for token, end in zip(self.tokens, ends, strict=True)}

    @cached_property
    def merges_text(self) -> bytes:
        """The merges as OpenAI's `vocab.bpe` writes them: a version line, then one merge a line."""
        written = self.written
        lines = (f"{written[left]} {written[right]}\n" for left, right in self.merges)
        return "".join(("#version: 0.2\n", *lines)).encode()

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 (hex) of `vocab.bpe`: the merges are all there is. For GPT-2's it is the hash of OpenAI's file."""
        return hashlib.sha256(self.merges_text).hexdigest()

    def __repr__(self) -> str:
        return f"Vocabulary(size={self.size}, fingerprint={self.fingerprint[:16]})"


def merge_bytes(piece: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """The tokens of one piece, slowly and plainly: join the neighbours that make the token of the smallest id (the
    leftmost of equals) until none do.

    Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", on bytes.
    """
    parts = [piece[start : start + 1] for start in range(len(piece))]
    while True:
        joined = [ranks.get(left + right) for left, right in itertools.pairwise(parts)]
        found = [rank for rank in joined if rank is not None]
        if not found:
            return parts
        place = joined.index(min(found))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def _merged(piece: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """The same as `merge_bytes`, of whose ids only those beside a merge are looked up again."""
    parts = [piece[start : start + 1] for start in range(len(piece))]
    joined = [ranks.get(left + right, MAX_SIZE) for left, right in itertools.pairwise(parts)]
    while joined and (least := min(joined)) < MAX_SIZE:
        place = joined.index(least)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        del joined[place]
        if place:
            joined[place - 1] = ranks.get(parts[place - 1] + parts[place], MAX_SIZE)
        if place < len(joined):
            joined[place] = ranks.get(parts[place] + parts[place + 1], MAX_SIZE)
    return parts
