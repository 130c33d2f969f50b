"""Finding OpenAI's own vocabulary on this machine, and proving by hash that it is the one. Never downloads.

webtext carries no vocabulary file. Any one of OpenAI's three files will do: each holds the whole vocabulary.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.tokenize.files import parse_vocabulary
from webtext.tokenize.vocabulary import Vocabulary

VARIABLE = "WEBTEXT_GPT2_VOCAB"
"""Environment variable: a file or a folder that holds one of OpenAI's files."""

# tiktoken 0.14, tiktoken_ext/openai_public.py: name, address and sha256 of each file
_HOST = "https://openaipublic.blob.core.windows.net"
OFFICIAL: Mapping[str, tuple[str, str]] = {
    "gpt2.tiktoken": (
        f"{_HOST}/encodings/r50k_base.tiktoken",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    ),
    "vocab.bpe": (
        f"{_HOST}/gpt-2/encodings/main/vocab.bpe",
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    ),
    "encoder.json": (
        f"{_HOST}/gpt-2/encodings/main/encoder.json",
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    ),
}
_NAME_OF = {digest: name for name, (_, digest) in OFFICIAL.items()}


def gpt2_vocabulary(source: Path | None = None) -> Vocabulary:
    """OpenAI's GPT-2 vocabulary of 50,257 tokens.

    Args:
        source: a file or folder that holds it. Without one: what the environment variable `WEBTEXT_GPT2_VOCAB` names,
            else tiktoken's cache, else the packages openai-whisper and mlx-whisper, which carry it.

    Raises:
        WebtextError: none of the files found has a published sha256; the message names what was looked at, and what
            to put where.
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
    wanted = "\n".join(f"    {name}  sha256 {digest}\n      {url}" for name, (url, digest) in OFFICIAL.items())
    others = f"; of other content: {', '.join(looked)}" if looked else ""
    raise WebtextError(
        f"OpenAI's GPT-2 vocabulary was not found{others}",
        where=named,
        hint=f"put one of these files anywhere and name it or its folder in {VARIABLE}, or as --tokenizer FOLDER:\n"
        f"{wanted}\n  or install a package that carries it (openai-whisper)",
    )


def _files_of(named: Path) -> Iterator[Path]:
    if named.is_dir():
        yield from (named / name for name in OFFICIAL)
        yield from sorted(path for path in named.glob("*.tiktoken") if path.name not in OFFICIAL)
    else:
        yield named


def _known_places() -> Iterator[Path]:
    # tiktoken names the files of its cache by the sha1 of their address (tiktoken/load.py)
    default = Path(tempfile.gettempdir()) / "data-gym-cache"
    cache = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", str(default)))
    if cache:
        yield from (Path(cache) / hashlib.sha1(url.encode()).hexdigest() for url, _ in OFFICIAL.values())
    for package in ("whisper", "mlx_whisper"):
        found = importlib.util.find_spec(package)  # finds it without importing it, and torch with it
        for folder in (found.submodule_search_locations or ()) if found else ():
            yield Path(folder) / "assets" / "gpt2.tiktoken"
