"""Text to ids and back, exactly: tiktoken under a webtext `Vocabulary`.

`reference` says the same slowly, `fast` faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.tokenize.split import ENDOFTEXT, POSSESSIVE_SPLIT, WHITE_SPACE
from webtext.tokenize.vocabulary import Vocabulary

Tokens = npt.NDArray[np.uint16]
Offsets = npt.NDArray[np.int64]

# Each space of a run that a word ends costs the pattern an entry of its stack; at 999,999 entries it overflows
# (measured with tiktoken 0.14). Texts that could hold such a run are cut at their long runs first.
_LONG_TEXT = 500_000  # characters
_LONG_RUN = 100_000

BATCH_ROWS = 256  # texts that are Python strings at once: 1 MB, seldom 100


class Encoder:
    """Encodes with one vocabulary. Holds no file and no network; one per process is enough."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        import tiktoken

        self.vocabulary = vocabulary
        # tiktoken also merges bytes, in the order of ids: the vocabulary's layout is all it needs.
        self._encoding = tiktoken.Encoding(
            "webtext",
            pat_str=POSSESSIVE_SPLIT,
            mergeable_ranks=vocabulary.ranks,
            special_tokens={ENDOFTEXT: vocabulary.endoftext},
        )

    def encode(self, text: str) -> Tokens:
        """The ids of `text`, uint16 [n], without `<|endoftext|>`.

        A literal `<|endoftext|>` in the text is text like any other. A lone surrogate becomes U+FFFD.
        """
        if len(text) >= _LONG_TEXT:
            return np.concatenate([self._encode_piece(piece) for piece in cut_long_runs(text)])
        return self._encode_piece(text)

    def _encode_piece(self, text: str) -> Tokens:
        # Of tiktoken's ways this is the fastest, and the one whose failures are no panics.
        try:
            ids = self._encoding.encode_to_numpy(text, disallowed_special=())
        except UnicodeEncodeError:
            whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            ids = self._encoding.encode_to_numpy(whole, disallowed_special=())
        return ids.astype(np.uint16)

    def encode_batch(self, texts: Sequence[str], *, endoftext: bool = False) -> tuple[Tokens, Offsets]:
        """The ids of many texts in one array.

        Args:
            endoftext: begin each text with `<|endoftext|>`, as documents in shards do.

        Returns:
            uint16 [n] and int64 [len(texts) + 1]: text i is `tokens[offsets[i]:offsets[i + 1]]`.
        """
        first = np.array([self.vocabulary.endoftext] if endoftext else [], dtype=np.uint16)
        found: list[Tokens] = []
        for text in texts:
            found += [first, self.encode(text)]
        lengths = np.array([len(piece) for piece in found], dtype=np.int64).reshape(-1, 2).sum(axis=1)
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return np.concatenate([np.empty(0, np.uint16), *found]), offsets

    def encode_column(self, texts: pa.Array) -> tuple[Tokens, Offsets]:
        """The ids of a large_string array, each text begun with `<|endoftext|>`: as `encode_batch` gives them."""
        found, lengths = [np.empty(0, np.uint16)], [np.zeros(1, np.int64)]
        for start in range(0, len(texts), BATCH_ROWS):
            tokens, offsets = self.encode_batch(texts.slice(start, BATCH_ROWS).to_pylist(), endoftext=True)
            found.append(tokens)
            lengths.append(np.diff(offsets))
        return np.concatenate(found), np.cumsum(np.concatenate(lengths))

    def decode_bytes(self, tokens: Sequence[int] | npt.NDArray[np.integer]) -> bytes:
        """The bytes of ids; that of `<|endoftext|>` gives those letters.

        Raises:
            ValueError: an id that the vocabulary does not have.
        """
        known = (*self.vocabulary.tokens, ENDOFTEXT.encode())
        ids = [int(token) for token in tokens]
        wrong = next((number for number in ids if not 0 <= number < len(known)), None)
        if wrong is not None:
            raise ValueError(f"no token has the id {wrong}: this vocabulary has {len(known):,}")
        return b"".join(known[number] for number in ids)

    def decode(self, tokens: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """The text of ids. Bytes that are no UTF-8 (a window may cut a character in two) become U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", errors="replace")


def cut_long_runs(text: str, least: int = _LONG_RUN) -> Iterator[str]:
    """Cut `text` before and after each run of `least` spaces or more (2 at the least), where it changes no piece.

    Of a run that a word follows, all but the last space are one piece of the pattern, whatever comes before and after.
    """
    done = 0
    for run in re.finditer(f"[{WHITE_SPACE}]{{{least},}}", text):
        end = run.end() if run.end() == len(text) else run.end() - 1
        yield text[done : run.start()]
        yield text[run.start() : end]
        done = end
    yield text[done:]
