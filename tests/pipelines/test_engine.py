"""The engine: every element once on any number of workers, errors as themselves, no process left behind."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import psutil
import pytest
from tasks import Touch

from webtext.corpus.errors import WebtextError
from webtext.pipelines.engine import Engine, guarded
from webtext.pipelines.failures import carried


@pytest.fixture(autouse=True)
def workers_find_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers do not look into the working directory, and `tasks` is no part of webtext."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def left_over() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True)]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_element_is_met_once(tmp_path: Path, workers: int) -> None:
    before = left_over()
    Engine(workers).each("touch", Touch(tmp_path), list(range(40)))
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(40))
    owners = {path.read_text() for path in tmp_path.iterdir()}
    assert (str(os.getpid()) in owners) == (workers == 1)
    assert left_over() == before


def test_workers_stay_from_one_pipeline_to_the_next_until_one_fails(tmp_path: Path) -> None:
    before = left_over()
    folders = [tmp_path / name for name in ("first", "second", "failed", "after")]
    engine = Engine(2)
    for folder in folders:
        folder.mkdir()
        if folder.name == "failed":
            with pytest.raises(WebtextError, match="seven is damaged"):
                engine.each("touch", Touch(folder, "error"), list(range(40)))
        else:
            engine.each("touch", Touch(folder), list(range(40)))
    first, second, _, after = [{path.read_text() for path in folder.iterdir()} for folder in folders]
    assert len(first) == 2
    assert second == first
    assert len(after) == 2
    assert not after & first
    assert left_over() != before
    del engine
    gc.collect()  # the failure's traceback holds frames in which it stood
    assert left_over() == before


def test_no_elements_are_no_work(tmp_path: Path) -> None:
    Engine(2).each("touch", Touch(tmp_path), [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_expected_failure_arrives_as_itself_and_alone(
    tmp_path: Path, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WebtextError, match="part 7: seven is damaged\n  make it again"):
        Engine(workers).each("touch", Touch(tmp_path, "error"), list(range(10)))
    with pytest.raises(WebtextError, match="no space left"):
        Engine(workers).each("touch", Touch(tmp_path, "disk"), list(range(10)))
    assert capfd.readouterr().err == ""  # no traceback of Beam's beside it


def test_an_error_travels_without_what_caused_it() -> None:
    pytest.importorskip("tblib.pickling_support").install()  # as dask's workers do: causes are pickled, too

    class Unusual(Exception):
        def __init__(self, offset: int, what: str) -> None:
            super().__init__(what)

    def fails(_: int) -> None:
        try:
            raise Unusual(7, "torn")
        except Unusual as error:
            raise WebtextError("is damaged", where="part 7") from error

    with pytest.raises(RuntimeError) as found:
        guarded(fails)(7)
    assert str(carried(found.value)) == "part 7: is damaged"


def test_a_bug_stays_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="seven"):
        Engine(1).each("touch", Touch(tmp_path, "bug"), list(range(10)))


@pytest.mark.slow
def test_a_killed_worker_ends_the_pipeline_with_a_message(tmp_path: Path) -> None:
    before = left_over()
    with pytest.raises(WebtextError, match="'touch' ended without a word"):
        Engine(2).each("touch", Touch(tmp_path, "kill"), list(range(40)))
    for _ in range(600):
        if left_over() == before:
            break
        time.sleep(0.1)
    assert left_over() == before
