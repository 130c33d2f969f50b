"""What an engine's machines must have in common with this one, asked before work is given to them.

The same bytes whatever the engine: so the same webtext, the same libraries where they shape content, and one shared
folder. The functions here run on the other machine.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

SHAPING = (
    "pyarrow", "trafilatura", "lxml", "charset-normalizer", "langdetect", "tokenizers", "tiktoken", "datasketch",
    "ada-url", "tldextract",
)  # fmt: skip
"""Distributions whose version can change what a stage writes."""

ENGINE = ("apache-beam", "dask", "distributed")
"""Distributions that speak to each other across machines."""

ROOMS = ("corpus", "crawler", "dedup", "pipelines", "tokenize")
"""The subpackages that run in workers."""

ABSENT = "not installed"


def describe() -> dict[str, str]:
    """What this process would work with: Python, webtext (release, and a digest of its code), libraries."""
    python = ".".join(platform.python_version_tuple()[:2])
    found = {"Python": python, "webtext": installed("webtext"), "webtext's code": code_digest()}
    return found | {name: installed(name) for name in (*SHAPING, *ENGINE)}


def installed(name: str) -> str:
    """The version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ABSENT


def code_digest() -> str:
    """Twelve hex digits over the source of the rooms that run in workers: releases may be edited in place."""
    digest = hashlib.sha256()
    for room in ROOMS:
        spec = find_spec(f"webtext.{room}")
        for folder in sorted(spec.submodule_search_locations or ()) if spec is not None else ():
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{room}/{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """What another process has otherwise, in words, of what it could say."""
    found = [f"{name} is {there}, not {ours[name]}" for name, there in theirs.items() if there != ours[name]]
    release = [line for line in found if line.startswith("webtext is ")]
    return release or found  # its code and libraries then differ anyway


def sees(path: str, content: str) -> bool:
    """Whether this process finds a file with this content under this path."""
    try:
        return Path(path).read_text() == content
    except OSError:
        return False
