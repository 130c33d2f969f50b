"""GPT-2's alphabet and split: bytes as characters, and the pieces of text that no token crosses.

Source of both: openai/gpt-2, src/encoder.py (`bytes_to_unicode` and the pattern). Written here from their definition;
not for encoding itself (`encoding`) nor for vocabularies (`vocabulary`).
"""

from __future__ import annotations

ENDOFTEXT = "<|endoftext|>"
"""The one special token: it begins every document and has the last id."""

SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
"""GPT-2's pattern as published. Contractions are case-sensitive, as there: `'S` is no contraction."""

POSSESSIVE_SPLIT = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
"""The same pieces with less backtracking (tiktoken's form, tiktoken_ext/openai_public.py)."""

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The property White_Space (Unicode, PropList.txt), which is `\\s` in the patterns above, as the inside of a character
class. Python's own `\\s` and `str.isspace` add four control characters (U+001C to U+001F) that are none."""


def byte_order() -> bytes:
    """The 256 bytes in the order of their ids: first those that print as a character of their own, `!` = 0."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return bytes(printable + [byte for byte in range(256) if byte not in printable])


def byte_characters() -> tuple[str, ...]:
    """The character that stands for each byte in vocabulary files, indexed by the byte.

    A byte that prints stands for itself (Latin-1); the others take U+0100 and following, in order: a space is `Ġ`.
    """
    characters = [""] * 256
    for rank, byte in enumerate(byte_order()):
        # 188 bytes print; the ids after them count the others
        characters[byte] = chr(byte) if rank < 188 else chr(256 + rank - 188)
    return tuple(characters)
