"""One small web, and one uninterrupted walk over it, for all whole-command tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import status, webtext
from small_web import SmallWeb, make_small_web
from walks import BEFORE, STAGES, Walk


@pytest.fixture(scope="session")
def small_web(tmp_path_factory: pytest.TempPathFactory) -> SmallWeb:
    return make_small_web(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def walk(small_web: SmallWeb, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Each stage once, with one worker, and a short training."""
    folder = tmp_path_factory.mktemp("walk")
    corpus = folder / "corpus"
    found = Walk(small_web, corpus, "", {})
    for command in STAGES:
        workers = () if command == "crawl" else ("--workers", 1)
        webtext(command, corpus, *found.arguments(command), *workers)
        found.after[command] = shutil.copytree(corpus, folder / command)
    found.fingerprint = status(corpus)["fingerprint"]
    return found


@pytest.fixture
def at(walk: Walk, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Give a fresh copy of the corpus as it was before a command ran."""

    def copy(command: str) -> Path:
        before = BEFORE[command]
        corpus = tmp_path / "corpus"
        shutil.rmtree(corpus, ignore_errors=True)
        return shutil.copytree(walk.after[before], corpus) if before else corpus

    return copy
