"""Tokens to text as they come: no half character is ever shown, and no part of a stop string.

A token of a byte-level vocabulary is bytes, and a character may lie in several of them.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from tokenizers import Tokenizer

from webtext.tokenize.split import byte_characters


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of each token by id; of an added token its name, of an id without a token nothing."""
    byte_of = {character: bytes([byte]) for byte, character in enumerate(byte_characters())}
    added = tokenizer.get_added_tokens_decoder()
    found = []
    for number in range(tokenizer.get_vocab_size(with_added_tokens=True)):
        token = tokenizer.id_to_token(number) or ""
        if number in added:
            found.append(token.encode())
        else:
            found.append(b"".join(byte_of.get(character, character.encode()) for character in token))
    return found


class TextStream:
    """The text of tokens pushed one by one.

    Bytes that are no UTF-8 become U+FFFD, as in the tokenizer's own decoding. The text ends before the first of the
    `stop` strings: the one that is complete first, whatever the borders of the tokens.
    """

    def __init__(self, vocabulary: Sequence[bytes], stop: Sequence[str] = ()) -> None:
        self.text = ""
        """All that is certain so far."""
        self.stopped = False
        """Whether a stop string was met: what is pushed afterwards is not looked at."""
        self._vocabulary = vocabulary
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def push(self, token: int) -> str:
        """The text that is certain with this token."""
        return "" if self.stopped else self._take(self._decoder.decode(self._vocabulary[token]))

    def close(self) -> str:
        """The text that was held back, when no further token comes."""
        if self.stopped:
            return ""
        shown, rest = self._take(self._decoder.decode(b"", final=True)), self._held
        self.text, self._held = self.text + rest, ""
        return shown + rest

    def _take(self, text: str) -> str:
        self._held += text
        ends = [(place + len(stop), place) for stop in self._stop if (place := self._held.find(stop)) >= 0]
        if ends:
            self.stopped = True
            shown, self._held = self._held[: min(ends)[1]], ""
        else:
            kept = max((_overlap(self._held, stop) for stop in self._stop), default=0)
            shown, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        self.text += shown
        return shown


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of `text` may be the beginning of `stop`."""
    return next((length for length in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:length])), 0)
