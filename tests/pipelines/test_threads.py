"""Elements on threads: every one once, the first failure alone, nothing begun after it; and only where threads help."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tasks import Touch, done

from webtext.corpus.errors import WebtextError
from webtext.pipelines.engine import Engine
from webtext.pipelines.threads import OnThreads


@dataclass
class Together:
    """Waits until so many are in it at the same time."""

    barrier: threading.Barrier
    met: list[int] = field(default_factory=list)

    def __call__(self, element: int) -> None:
        self.barrier.wait(timeout=60)
        self.met.append(element)


def test_as_many_elements_as_threads_are_at_work_and_each_is_met_once() -> None:
    together = Together(threading.Barrier(4))
    OnThreads(together, 4)(range(12))
    assert sorted(together.met) == list(range(12))


def test_the_first_failure_is_raised_and_what_was_not_begun_is_left(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="seven is damaged"):
        OnThreads(Touch(tmp_path, "error"), 1)(range(40))
    assert done(tmp_path) == list(range(7))


def test_an_engine_of_this_machine_takes_threads_of_this_process(tmp_path: Path) -> None:
    Engine(3).each("touch", Touch(tmp_path), list(range(40)), threads=True)
    assert done(tmp_path) == list(range(40))
    assert {path.read_text() for path in tmp_path.iterdir()} == {str(os.getpid())}
    with pytest.raises(WebtextError, match="part 7: seven is damaged\n  make it again"):
        Engine(3).each("touch", Touch(tmp_path, "error"), list(range(40)), threads=True)
