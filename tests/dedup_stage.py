"""The stage clean/ for tests: corpora of copies at many similarities, and the stage made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from small_corpora import document, store_documents, words

from webtext.corpus.config import shaping
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import DedupSettings
from webtext.corpus.stages import StageRun
from webtext.dedup.rules import RULES
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine

DEFAULTS = DedupSettings()
START = datetime(2025, 1, 1, tzinfo=UTC)


def changed(text: str, seed: int, edits: int) -> str:
    """`text` with `edits` words replaced at random places."""
    choice = random.Random(seed)
    parts = text.split()
    for place in choice.sample(range(len(parts)), edits):
        parts[place] = f"new{choice.randrange(10**6)}"
    return " ".join(parts)


def begin(corpus: Path, settings: DedupSettings = DEFAULTS, inputs: str = "one") -> StageRun:
    return StageRun.begin(
        corpus, Stage.CLEAN, settings=shaping(settings), rules=RULES, inputs={"documents": inputs}
    )  # fmt: skip


def clean(
    corpus: Path,
    paths: Sequence[Path],
    settings: DedupSettings = DEFAULTS,
    *,
    workers: int = 1,
    accept_loss: bool = False,
    inputs: str = "one",
) -> Manifest:
    run = begin(corpus, settings, inputs)
    return make_clean(run, corpus, paths, settings, engine=Engine(workers=workers), accept_loss=accept_loss)


def read(corpus: Path, manifest: Manifest, folder: str, schema: pa.Schema) -> list[dict[str, Any]]:
    names = [name for name in manifest.files if name.startswith(folder)]
    return [row for name in names for row in read_parquet(corpus / name, schema).to_pylist()]


def mixed_corpus(seed: int = 1, clusters: int = 12) -> list[dict[str, Any]]:
    """Documents with near copies at many similarities, exact copies, short and empty ones, in random order of karma."""
    choice = random.Random(seed)
    rows = []
    for cluster in range(clusters):
        base = words(1000 * seed + cluster, 150)
        for copy in range(choice.randrange(1, 7)):
            text = changed(base, 97 * cluster + copy, choice.choice([0, 0, 1, 2, 4, 8, 16]))
            posted = choice.choice([None, START, START + timedelta(days=copy)])
            rows.append(document(f"{seed}-{cluster}-{copy}", text, karma=choice.randrange(3, 6), first_posted=posted))
    rows += [document(f"{seed}-short-{number}", text) for number, text in enumerate(["", "Hi.", "Hi!", "Hi.", " "])]
    return rows


def grow(corpus: Path, monkeypatch: pytest.MonkeyPatch, *generations: Sequence[dict[str, Any]]) -> Manifest:
    """Make clean/ of each of the generations in turn, in this process without Beam."""
    monkeypatch.setattr(Engine, "each", lambda self, label, function, elements, **_: [*map(function, elements)])
    manifest = None
    for number, rows in enumerate(generations):
        last = number == len(generations) - 1
        manifest = clean(corpus, store_documents(corpus, rows), inputs="last" if last else str(number))
    assert manifest is not None
    return manifest
