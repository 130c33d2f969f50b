"""One writer a corpus; the lock dies with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from webtext.corpus.errors import CorpusLocked, WebtextError
from webtext.corpus.lock import corpus_lock, lock_holder

HOLD = """
import sys, pathlib
from webtext.corpus.lock import corpus_lock
with corpus_lock(pathlib.Path(sys.argv[1]), "crawl"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CorpusLocked, match=rf"process {holder.pid} .*webtext crawl"), corpus_lock(tmp_path, "links"):
        pass
    found = lock_holder(tmp_path)
    assert found is not None
    assert found["pid"] == holder.pid
    holder.kill()
    holder.wait()
    # Killed, not released: the kernel let go of it.
    assert lock_holder(tmp_path) is None
    with corpus_lock(tmp_path, "links"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_released_lock_leaves_nothing(tmp_path: Path) -> None:
    with corpus_lock(tmp_path, "links"):
        assert lock_holder(tmp_path) == {"pid": os.getpid(), "host": os.uname().nodename, "command": "links"}
    assert list(tmp_path.iterdir()) == []
    assert lock_holder(tmp_path) is None


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="nowhere"), corpus_lock(tmp_path / "nowhere", "links"):
        pass
