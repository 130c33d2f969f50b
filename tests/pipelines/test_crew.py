"""Worker processes of this machine: what they share, how each kind ends, and that none outlives whom it works for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tasks import Touch, done

from webtext.corpus.errors import WebtextError
from webtext.pipelines import members
from webtext.pipelines.crew import Crew
from webtext.pipelines.engine import Engine

FORKED = pytest.mark.skipif(not members.forks(), reason="workers are no forks here")
_AT_WORK = """
import sys
from pathlib import Path
from tasks import Slow
from webtext.corpus.errors import Interrupted
from webtext.corpus.interrupts import stop_signals
from webtext.pipelines.engine import Engine
folder = Path(sys.argv[1])
try:
    with stop_signals(raising=True):
        Engine(2).each("slow", Slow(folder, folder / "until"), [1, 2, 3, 4])
except Interrupted:
    print("stopped")
"""


@pytest.fixture(autouse=True)
def workers_find_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers do not look into the working directory, and `tasks` is no part of webtext."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


@pytest.fixture(params=["forked", pytest.param("started", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of worker on a machine that has both."""
    if request.param == "started":
        monkeypatch.setattr(members, "forks", lambda: False)
    elif not members.forks():
        pytest.skip("workers are no forks here")
    return str(request.param)


def below() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def until(true: Callable[[], bool]) -> bool:
    """Whether it is true within half a minute."""
    for _ in range(600):
        if true():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def at_work(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A program in a process group of its own, in the middle of a pipeline, and the processes below it."""
    command = [sys.executable, "-P", "-c", _AT_WORK, str(folder)]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert until(lambda: any(folder.glob("*.begun")))
            yield process, psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()


def test_elements_are_met_once_and_an_error_arrives_as_itself(kind: str, tmp_path: Path) -> None:
    before = below()
    engine = Engine(2)
    engine.each("touch", Touch(tmp_path), list(range(40)))
    assert done(tmp_path) == list(range(40))
    workers = {int((tmp_path / str(number)).read_text()) for number in range(40)}
    assert workers <= below() - before
    with pytest.raises(WebtextError, match="part 7: seven is damaged"):
        engine.each("touch", Touch(tmp_path, "error"), list(range(40)))
    assert below() == before


def test_workers_that_rest_are_gone_and_come_again(kind: str, tmp_path: Path) -> None:
    before = below()
    engine = Engine(2)
    for turn in ("first", "second"):
        (tmp_path / turn).mkdir()
        engine.each("touch", Touch(tmp_path / turn), list(range(8)))
        assert len(done(tmp_path / turn)) == 8
        assert below() != before
        engine.rest()
        assert below() == before


def test_a_worker_that_was_killed_is_missed(kind: str) -> None:
    crew = Crew()
    crew.muster(2)
    assert crew.whole()
    victim = crew.take()
    os.kill(victim.pid, signal.SIGKILL)
    assert until(lambda: not crew.whole())
    assert not victim.rested()
    victim.work({"orders": "to nobody"})
    assert victim.pid in crew.end()


@FORKED
def test_forked_workers_share_what_they_have_imported() -> None:
    crew = Crew()
    before = below()
    crew.muster(3)
    try:
        shared = [psutil.Process(pid).memory_full_info() for pid in below() - before]
        assert len(shared) == 4  # the nursery, too
        assert sum(one.uss for one in shared) < max(one.rss for one in shared) / 2
    finally:
        crew.end()


@FORKED
def test_without_the_nursery_there_is_no_worker_and_a_message() -> None:
    crew = Crew()
    before = below()
    crew.muster(1)
    worker = crew.take()
    (nursery,) = below() - before - {worker.pid}
    os.kill(nursery, signal.SIGKILL)
    assert until(lambda: not crew.whole())  # the kernel ends it with its parent
    with pytest.raises(WebtextError, match="the process that starts workers ended"):
        crew.muster(2)
    assert below() == before


def test_no_worker_outlives_a_program_that_was_killed(tmp_path: Path) -> None:
    with at_work(tmp_path) as (process, workers):
        assert len(workers) >= 2
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert alive == []


def test_ctrl_c_in_a_terminal_is_the_programs_alone(tmp_path: Path) -> None:
    with at_work(tmp_path) as (process, workers):
        os.killpg(process.pid, signal.SIGINT)
        printed, told = process.communicate(timeout=60)
        assert printed == "stopped\n"
        assert "Traceback" not in told
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert alive == []
