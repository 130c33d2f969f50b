"""Kept listings of Reddit's API without what is forgotten: its submissions, and what others say of it.

A listing is a source that only the corpus has. One without forgotten submissions is another source, under another name:
the stage links is made of it in the other's place, and only then the other goes (`drop_replaced`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from webtext.corpus.files import file_sha256, os_errors, write_bytes
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.submissions import Submission, parse_block
from webtext.crawler.reddit.urls import UnusableURL, normalise, url_key

LISTINGS = "listings"
"""Below a corpus: what was gathered."""

_NAMED = re.compile(
    r"(?:https?://)?[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:[/?#][^\s\"'<>()\[\]]*)?", re.IGNORECASE
)  # an address with or without its scheme, in the middle of a text
_NO_END = ".,;:!?*"


def listing_file(corpus: Path, name: str, lines: bytes) -> Path:
    """Where lines are kept: CORPUS/listings/NAME-SHA256.ndjson."""
    return corpus / LISTINGS / f"{name}-{hashlib.sha256(lines).hexdigest()[:16]}.ndjson"


def replaced_listings(corpus: Path, forgotten: Forgotten) -> dict[Path, Path | None]:
    """Write each listing that holds something forgotten again without it; by the old file the new one, None where
    nothing is left. Idempotent; the old ones stay."""
    found: dict[Path, Path | None] = {}
    for path in sorted((corpus / LISTINGS).glob("*.ndjson")):
        with os_errors(path):
            before = path.read_bytes()
        after = remembered(before, forgotten)
        if after == before:
            continue
        found[path] = listing_file(corpus, path.stem.rpartition("-")[0], after) if after else None
        if (new := found[path]) is not None and not new.exists():
            write_bytes(new, after)
    return found


def replaced_sources(replaced: Mapping[Path, Path | None]) -> dict[str, str | None]:
    """The same by sha256, as the stage links knows its sources."""
    return {file_sha256(old): None if new is None else file_sha256(new) for old, new in replaced.items()}


def drop_replaced(replaced: Iterable[Path]) -> None:
    """Remove the listings in whose place others stand; and their folder where it is empty."""
    for path in replaced:
        with os_errors(path):
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def forgotten_submissions(corpus: Path, forgotten: Forgotten) -> int:
    """How many lines of listings are, or speak of, something forgotten."""
    count = 0
    for path in sorted((corpus / LISTINGS).glob("*.ndjson")):
        with os_errors(path), path.open("rb") as file:
            count += sum(remembered(line, forgotten) != line for line in file)
    return count


def remembered(lines: bytes, forgotten: Forgotten) -> bytes:
    """Lines without forgotten submissions; in others, texts that name a forgotten address are empty.

    The link of a submission that stays is never changed, so what `links` makes of its line stays, too.
    """
    if not forgotten:
        return lines
    return b"".join(_line(line, forgotten) for line in lines.splitlines(keepends=True))


def _line(line: bytes, forgotten: Forgotten) -> bytes:
    (entry,) = parse_block(line).entries or (None,)
    if not isinstance(entry, Submission):
        return line
    if _is_forgotten(entry.url, forgotten):
        return b""
    found = json.loads(line)
    after = {name: value if name == "url" else _silent(value, forgotten) for name, value in found.items()}
    return line if after == found else json.dumps(after).encode() + b"\n"


def _is_forgotten(url: str, forgotten: Forgotten) -> bool:
    try:
        return forgotten.address(normalise(url))
    except UnusableURL:  # known by its key all the same
        return bool(forgotten.tombstones.has_keys(np.asarray([url_key(url)], np.uint64))[0])


def _silent(value: Any, forgotten: Forgotten) -> Any:
    """A value in which each text that names a forgotten address is empty."""
    if isinstance(value, dict):
        return {name: _silent(inner, forgotten) for name, inner in value.items()}
    if isinstance(value, list):
        return [_silent(inner, forgotten) for inner in value]
    return "" if isinstance(value, str) and any(_named(value, forgotten)) else value


def _named(text: str, forgotten: Forgotten) -> Iterable[bool]:
    for match in _NAMED.finditer(text):
        address = match.group().rstrip(_NO_END)
        yield _is_forgotten(address if "://" in address else f"http://{address}", forgotten)
