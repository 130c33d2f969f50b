"""overlap.json of a corpus: what `webtext overlap` found of test sets in clean/, for `webtext eval` to read.

Only the paper's measure is kept, 8-grams in what stays. Sets that were measured one after the other stand together as
long as clean/ is the same; of another clean/ the file says nothing any more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import read_json, write_json
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import stage_manifest

if TYPE_CHECKING:
    from webtext.pipelines.overlap import Overlap

OVERLAP_NAME = "overlap.json"

WORDS = 8
"""Words an n-gram of what is kept: those of the paper's Table 6."""

CLEAN = "clean"
"""The member that says of which clean/ it is: the identity of its manifest."""


def keep_overlap(corpus: Path, found: Overlap, identity: str) -> None:
    """Write what was found of sets in clean/ of this identity; other n-grams or stages are not kept. Under the lock."""
    if found.stage != str(Stage.CLEAN) or found.words != WORDS:
        return
    value = json.loads(json.dumps({**found.to_json(), CLEAN: identity}))  # lists as a file has them
    del value["corpus"]  # a folder may move
    held = _held(corpus / OVERLAP_NAME)
    if all(held.get(name) == value[name] for name in (CLEAN, "documents", "words", "frequent")):
        new = {_name(one) for one in value["sets"]}
        value["sets"] += [one for one in held.get("sets", []) if _name(one) not in new]
    value["sets"].sort(key=_name)  # the same bytes in whatever order sets were measured
    if value != held:
        write_json(corpus / OVERLAP_NAME, value)


def kept_overlap(corpus: Path) -> tuple[Path | None, bool]:
    """Where overlap.json of a corpus stands (None: nowhere), and whether it is of clean/ as it is now.

    A file that names no clean/, such as what `overlap --json` printed, is taken at its word.
    """
    path = corpus / OVERLAP_NAME
    if not path.is_file():
        return None, False
    said = _held(path).get(CLEAN)
    manifest = stage_manifest(corpus, Stage.CLEAN)
    return path, said is None or manifest is None or said == manifest.identity


def _held(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path) if path.is_file() else {}
    except DamagedFile:  # a shell that was told to write there empties it first
        return {}
    return found if isinstance(found, dict) else {}


def _name(one: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(one.get(part)) for part in ("name", "split", "kind"))
