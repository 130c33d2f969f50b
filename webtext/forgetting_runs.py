"""What runs wrote down of documents that are forgotten: addresses in skipped/, held-out texts and addresses in eval/.

What a model has learned, and its own samples, stay: `webtext.runs` flags such runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from webtext.corpus.errors import DamagedFile
from webtext.corpus.files import read_json, write_json
from webtext.crawler.forgotten import Forgotten
from webtext.runs import pinned_shards

_HELD_OUT = "samples"
"""The task of `webtext eval` whose records hold texts of the corpus, and whose results name addresses."""


def forget_in_runs(corpus: Path, shards: Collection[str], forgotten: Forgotten) -> None:
    """Rid the runs over `shards` (identities) of what they noted of forgotten documents. Idempotent."""
    for name, pinned in pinned_shards(corpus).items():
        if pinned in shards:
            run = corpus / "runs" / name
            for path in sorted(run.glob("skipped/*.json")):
                _forget_skipped(path, forgotten)
            for folder in sorted(run.glob("eval/*")):
                _forget_held_out(folder)


def _forget_skipped(path: Path, forgotten: Forgotten) -> None:
    """Take forgotten documents out of what a skipped step read; a file that is none of ours goes."""
    try:
        noted = read_json(path)
        read = [(int(document["key"], 16), str(document["url"])) for document in noted["documents"]]
    except (DamagedFile, KeyError, TypeError, ValueError):
        path.unlink()
        return
    gone = forgotten.rows(np.asarray([key for key, _ in read], np.uint64), [url for _, url in read]).tolist()
    if not any(gone):
        return
    keys = {document["key"] for document, is_gone in zip(noted["documents"], gone, strict=True) if is_gone}
    noted["documents"] = [document for document in noted["documents"] if document["key"] not in keys]
    for window in noted.get("windows", ()):
        window["documents"] = [key for key in window["documents"] if key not in keys]
    write_json(path, noted)


def _forget_held_out(folder: Path) -> None:
    for path in sorted(folder.glob(f"examples/{_HELD_OUT}*.jsonl")):
        path.unlink()
    shutil.rmtree(folder / "work", ignore_errors=True)  # of an evaluation that was stopped
    results = folder / "results.json"
    found: Any = read_json(results) if results.is_file() else None
    if isinstance(found, Mapping) and any(task.startswith(_HELD_OUT) for task in found.get("tasks", ())):
        tasks = {name: task for name, task in found["tasks"].items() if not name.startswith(_HELD_OUT)}
        write_json(results, {**found, "tasks": tasks})
