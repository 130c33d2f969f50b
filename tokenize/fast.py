"""Texts to ids by gigatoken, ten times as fast as tiktoken. Used only where `proof` found that both agree.

gigatoken 0.10 and its traps, each met here: built with special tokens it takes a literal `<|endoftext|>` for the border
of a document (it is built without); its cache of words grows without bound (it is built anew every `CACHE_TEXT` bytes);
it classes characters by a newer Unicode than tiktoken (such texts go to tiktoken: `settled`); from a worker process its
own threads are not wanted (`parallel=False`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from webtext.tokenize.encoding import Encoder, Offsets, Tokens
from webtext.tokenize.files import gigatoken_json
from webtext.tokenize.settled import text_of, unsettled_rows
from webtext.tokenize.vocabulary import Vocabulary

CACHE_TEXT = 128_000_000
"""Bytes of text after which the cache is thrown away: 60 MB of memory at 86 MB of Python code (measured). Building the
tokenizer anew takes .13 s."""


class FastEncoder:
    """Encodes columns of texts with one vocabulary.

    Raises:
        ImportError: gigatoken is not installed.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._build = builder(vocabulary)
        self._tokenizer = self._build()
        self._seen = 0
        self._exact: Encoder | None = None
        self._lock = threading.Lock()

    def encode_column(self, texts: pa.Array) -> tuple[Tokens, Offsets]:
        """The ids of many texts in one array, each begun with `<|endoftext|>`, as `Encoder.encode_column`."""
        import awkward

        data, edges = text_of(texts)
        size = int(edges[-1] - edges[0]) if len(texts) else 0
        with self._lock:
            self._seen += size
            if self._seen > CACHE_TEXT:
                self._tokenizer, self._seen = self._build(), size
            tokenizer = self._tokenizer
        column = awkward.contents.ListOffsetArray(
            awkward.index.Index64(edges),
            awkward.contents.NumpyArray(data, parameters={"__array__": "char"}),
            parameters={"__array__": "string"},
        )
        found = tokenizer.encode_batch(awkward.Array(column), parallel=False).layout
        ids, offsets = np.asarray(found.content.data), np.asarray(found.offsets.data, dtype=np.int64)
        odd = {int(row): self._by_tiktoken(texts[int(row)].as_py()) for row in unsettled_rows(texts)}
        return _with_endoftext(ids, offsets, odd, self.vocabulary.endoftext)

    def _by_tiktoken(self, text: str) -> Tokens:
        with self._lock:
            self._exact = self._exact or Encoder(self.vocabulary)
        return self._exact.encode(text)


def builder(vocabulary: Vocabulary) -> Callable[[], Any]:
    """A function that makes a gigatoken tokenizer of `vocabulary`, without special tokens."""
    from gigatoken import Tokenizer

    text = json.dumps(gigatoken_json(vocabulary), ensure_ascii=False)
    return lambda: Tokenizer.from_json(text)


def _with_endoftext(
    ids: np.ndarray[Any, Any], offsets: Offsets, odd: dict[int, Tokens], endoftext: int
) -> tuple[Tokens, Offsets]:
    """Ids and offsets with `endoftext` before each text, and those of `odd` in the place of the engine's."""
    lengths = np.diff(offsets) + 1
    for row, tokens in odd.items():
        lengths[row] = len(tokens) + 1
    edges = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=edges[1:])
    out = np.empty(int(edges[-1]), np.uint16)
    for row, (start, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        out[start] = endoftext
        out[start + 1 : end] = odd[row] if row in odd else ids[offsets[row] : offsets[row + 1]]
    return out, edges
