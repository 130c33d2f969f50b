"""Vocabulary files: `tokenizer.json` (tokenizers, transformers), `vocab.bpe` with `encoder.json` (OpenAI, tiktoken).

Each of them holds the whole vocabulary; all three are written, any one of them is read, and so is a `.tiktoken` file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors, write_bytes
from webtext.tokenize.split import ENDOFTEXT, byte_characters
from webtext.tokenize.vocabulary import Merge, Vocabulary

TOKENIZER_JSON = "tokenizer.json"
VOCAB_BPE = "vocab.bpe"
ENCODER_JSON = "encoder.json"


@lru_cache(maxsize=1)  # asked for by each step of a stage
def vocabulary_files(vocabulary: Vocabulary) -> Mapping[str, bytes]:
    """The three files by name, as bytes that depend on the vocabulary alone.

    Of GPT-2's vocabulary, `vocab.bpe` and `encoder.json` are OpenAI's files byte for byte.
    """
    return {
        TOKENIZER_JSON: json.dumps(_tokenizer_json(vocabulary), ensure_ascii=False, separators=(",", ":")).encode(),
        VOCAB_BPE: vocabulary.merges_text,
        ENCODER_JSON: json.dumps(_ids(vocabulary)).encode(),
    }


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> dict[str, str]:
    """Write the three files into `folder`; give the sha256 of each by its name."""
    files = vocabulary_files(vocabulary)
    for name, data in files.items():
        write_bytes(folder / name, data)
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary from a file, or from the first of the files a folder has of those this module knows.

    Raises:
        WebtextError: there is none, or its ids do not lie as GPT-2's do (256 bytes, merges, `<|endoftext|>` last).
        DamagedFile: a file is not what its name says, or two files of the folder are of different vocabularies.
    """
    if not path.is_dir():
        return parse_vocabulary(_read(path), path)
    found = [path / name for name in _PARSERS if (path / name).is_file()] or sorted(path.glob("*.tiktoken"))[:1]
    if not found:
        raise WebtextError(
            "there is no tokenizer in this folder",
            where=path,
            hint=f"it takes one of {', '.join(_PARSERS)} or a .tiktoken file",
        )
    first, *others = [parse_vocabulary(_read(file), file) for file in found]
    for file, other in zip(found[1:], others, strict=True):
        if other != first:
            raise DamagedFile(
                f"holds another vocabulary ({other.size:,} tokens) than {found[0].name} ({first.size:,} tokens)",
                where=file,
                hint="remove the one you do not mean",
            )
    return first


def parse_vocabulary(data: bytes, path: Path, name: str | None = None) -> Vocabulary:
    """Make a vocabulary of the bytes of a file; `name` (by default that of `path`) says which kind of file it is."""
    parse = _PARSERS.get(name or path.name, _parse_tiktoken if (name or path.name).endswith(".tiktoken") else None)
    if parse is None:
        raise WebtextError(
            "is no tokenizer file by its name", where=path, hint=f"known are {', '.join(_PARSERS)}, NAME.tiktoken"
        )
    try:
        return parse(data, path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(f"is no whole {name or path.name} ({type(error).__name__}: {error})", where=path) from error


def _read(path: Path) -> bytes:
    with os_errors(path):
        return path.read_bytes()


def _ids(vocabulary: Vocabulary) -> dict[str, int]:
    texts = vocabulary.written.values()
    return {**{text: number for number, text in enumerate(texts)}, ENDOFTEXT: vocabulary.endoftext}


def _tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """The form of the `tokenizers` library, version 1.0. Merges as "left right", which its older versions read, too.

    There `<|endoftext|>` inside a text is the special token; in `encoding` it is text.
    """
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary.endoftext, "content": ENDOFTEXT, **special}],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {**byte_level, "trim_offsets": False},
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": _ids(vocabulary),
            "merges": vocabulary.merges_text.decode().split("\n")[1:-1],
        },
    }


def gigatoken_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """The same without `<|endoftext|>`: a reader of it has no special token to find in a text."""
    whole = _tokenizer_json(vocabulary)
    ids = {text: number for text, number in whole["model"]["vocab"].items() if text != ENDOFTEXT}
    return {**whole, "added_tokens": [], "model": {**whole["model"], "vocab": ids}}


def _parse_tokenizer_json(data: bytes, path: Path) -> Vocabulary:
    found = json.loads(data)
    model = found["model"]
    if model["type"] != "BPE" or "ByteLevel" not in json.dumps(found["pre_tokenizer"]):
        raise WebtextError("is no byte-level BPE", where=path, hint="webtext takes byte-level BPE vocabularies")
    lines = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    ids = {**model["vocab"], **{token["content"]: token["id"] for token in found.get("added_tokens", ())}}
    return _checked(_merges(lines), ids, path)


def _parse_vocab_bpe(data: bytes, path: Path) -> Vocabulary:
    lines = data.decode().split("\n")
    if not lines[0].startswith("#version") or lines[-1] != "":
        raise DamagedFile("is no whole list of merges: it begins with #version and ends with a line", where=path)
    return Vocabulary.from_merges(_merges(lines[1:-1]), where=path)


def _parse_encoder_json(data: bytes, path: Path) -> Vocabulary:
    ids = json.loads(data)
    byte_of = _bytes_of_characters().__getitem__
    ranks = {bytes(map(byte_of, text)): number for text, number in ids.items() if text != ENDOFTEXT}
    vocabulary = Vocabulary.from_ranks(ranks, where=path)
    return _checked(vocabulary.merges, ids, path)


def _parse_tiktoken(data: bytes, path: Path) -> Vocabulary:
    ranks = {}
    for line in data.splitlines():
        token, rank = line.split()
        try:
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except binascii.Error as error:
            raise DamagedFile(f"has a token that is not base64: {token!r}", where=path) from error
    return Vocabulary.from_ranks(ranks, where=path)


def _checked(merges: list[Merge] | tuple[Merge, ...], ids: Mapping[str, int], path: Path) -> Vocabulary:
    vocabulary = Vocabulary.from_merges(merges, where=path)
    wanted = _ids(vocabulary)
    if wanted != ids:
        wrong = next(text for text in {**wanted, **ids} if wanted.get(text) != ids.get(text))
        raise WebtextError(
            f"token {wrong!r} has the id {ids.get(wrong)}, in GPT-2's layout it would be {wanted.get(wrong)}",
            where=path,
            hint=f"webtext takes 256 bytes in GPT-2's order, the merges, then {ENDOFTEXT} as the only special token",
        )
    return vocabulary


def _merges(lines: list[str]) -> list[Merge]:
    tokens = {character: bytes([byte]) for character, byte in _bytes_of_characters().items()}
    pairs = []
    for line in lines:
        left, right = line.split(" ")
        pair = tokens.get(left) or _token(left), tokens.get(right) or _token(right)
        tokens[left + right] = pair[0] + pair[1]
        pairs.append(pair)
    return pairs


def _token(text: str) -> bytes:
    """The bytes of a token that no earlier merge made: whoever checks the merges says so."""
    return bytes(map(_bytes_of_characters().__getitem__, text))


def _bytes_of_characters() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(byte_characters())}


_PARSERS: Mapping[str, Callable[[bytes, Path], Vocabulary]] = {
    TOKENIZER_JSON: _parse_tokenizer_json,
    VOCAB_BPE: _parse_vocab_bpe,
    "merges.txt": _parse_vocab_bpe,
    ENCODER_JSON: _parse_encoder_json,
    "vocab.json": _parse_encoder_json,
}
"""Known names in the order they are looked for; `merges.txt` and `vocab.json` are transformers' names."""
