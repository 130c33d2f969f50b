"""What several tests read and leave as it was: a Dask cluster, a tokenized corpus. And: no process is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from clusters import Cluster, dask_cluster
from tokenizing import SETTINGS, documents, tokenize_documents, write_clean


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def no_process_is_left() -> Iterator[None]:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert psutil.wait_procs(left, timeout=60)[1] == []


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 documents, tokenized by the fast engine where there is one; tests compare what the exact one makes."""
    corpus = tmp_path_factory.mktemp("made")
    tokenize_documents(corpus, write_clean(corpus, documents(100)), replace(SETTINGS, engine="auto"))
    return corpus
