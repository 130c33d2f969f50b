"""Finding OpenAI's own vocabulary, and proving by hash that it is the one.

webtext carries no vocabulary file. Any one of OpenAI's three files will do: each holds the whole vocabulary. Where none
is on this machine, one is fetched from OpenAI's address, as tiktoken does, and kept where tiktoken keeps it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors, write_bytes
from webtext.corpus.progress import say
from webtext.tokenize.files import parse_vocabulary
from webtext.tokenize.vocabulary import Vocabulary

VARIABLE = "WEBTEXT_GPT2_VOCAB"
"""Environment variable: a file or a folder that holds one of OpenAI's files."""

# tiktoken 0.14, tiktoken_ext/openai_public.py: name, address and sha256 of each file. Merges are read fastest.
_HOST = "https://openaipublic.blob.core.windows.net"
OFFICIAL: Mapping[str, tuple[str, str]] = {
    "vocab.bpe": (
        f"{_HOST}/gpt-2/encodings/main/vocab.bpe",
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    ),
    "gpt2.tiktoken": (
        f"{_HOST}/encodings/r50k_base.tiktoken",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    ),
    "encoder.json": (
        f"{_HOST}/gpt-2/encodings/main/encoder.json",
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    ),
}
FETCHED = "gpt2.tiktoken"
"""The one that is downloaded: .8 MB."""
_TIMEOUT = 30.0  # seconds without an answer
_MOST = 4_000_000  # bytes: no file of OpenAI's is larger
_NAME_OF = {digest: name for name, (_, digest) in OFFICIAL.items()}


def gpt2_vocabulary(source: Path | None = None) -> Vocabulary:
    """OpenAI's GPT-2 vocabulary of 50,257 tokens.

    Args:
        source: a file or folder that holds it. Without one: what the environment variable `WEBTEXT_GPT2_VOCAB` names,
            else tiktoken's cache, else the packages openai-whisper and mlx-whisper, which carry it, else a download.

    Raises:
        WebtextError: none of the files found has a published sha256, and none could be fetched; the message names what
            was looked at, and what to put where.
    """
    named = source or (Path(os.environ[VARIABLE]).expanduser() if os.environ.get(VARIABLE) else None)
    looked = []
    for path in _files_of(named) if named is not None else _known_places():
        if not path.is_file():
            continue
        with os_errors(path):
            data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest in _NAME_OF:
            return parse_vocabulary(data, path, _NAME_OF[digest])
        looked.append(f"{path} (sha256 {digest})")
    others = f"; of other content: {', '.join(looked)}" if looked else ""
    if named is not None:  # what the user names is meant: nothing is fetched in its place
        raise _not_found(others, named)
    return _fetched(others)


def _not_found(why: str, where: object = None) -> WebtextError:
    wanted = "\n".join(f"    {name}  sha256 {digest}\n      {url}" for name, (url, digest) in OFFICIAL.items())
    return WebtextError(
        f"OpenAI's GPT-2 vocabulary was not found{why}",
        where=where,
        hint=f"put one of these files anywhere and name it or its folder: --tokenizer gpt2:PATH, or {VARIABLE}=PATH\n"
        f"{wanted}\n  or install a package that carries it (openai-whisper)",
    )


def _fetched(looked: str) -> Vocabulary:
    url, digest = OFFICIAL[FETCHED]
    say(f"tokenizer: fetches OpenAI's vocabulary from {url} (sha256 {digest})")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            data = answer.read(_MOST)
    except (OSError, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        raise _not_found(f" on this machine{looked}, and {url} could not be fetched ({reason})") from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise _not_found(f"{looked}: what came from {url} has the sha256 {found}, not {digest}, and is refused")
    cache = _cache()
    if cache is not None:
        with suppress(WebtextError):  # the vocabulary is here; keeping it is a courtesy to the next run
            write_bytes(cache / _cached_name(url), data)
    return parse_vocabulary(data, Path(url), FETCHED)


def _files_of(named: Path) -> Iterator[Path]:
    if named.is_dir():
        yield from (named / name for name in OFFICIAL)
        yield from sorted(path for path in named.glob("*.tiktoken") if path.name not in OFFICIAL)
    else:
        yield named


def _known_places() -> Iterator[Path]:
    cache = _cache()
    if cache is not None:
        yield from (cache / _cached_name(url) for url, _ in OFFICIAL.values())
    for package in ("whisper", "mlx_whisper"):
        found = importlib.util.find_spec(package)  # finds it without importing it, and torch with it
        for folder in (found.submodule_search_locations or ()) if found else ():
            yield Path(folder) / "assets" / "gpt2.tiktoken"


def _cache() -> Path | None:
    """tiktoken's cache folder (tiktoken/load.py); None where the user wants none."""
    default = Path(tempfile.gettempdir()) / "data-gym-cache"
    named = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", str(default)))
    return Path(named) if named else None


def _cached_name(url: str) -> str:
    return hashlib.sha1(url.encode()).hexdigest()  # as tiktoken names it
