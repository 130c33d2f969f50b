"""What Beam's worker prints of a failure is dropped; everything else is written."""

from __future__ import annotations

import io
import threading

import pytest

from webtext.pipelines.engine import Engine
from webtext.pipelines.quiet import MARK, QuietStream

BUNDLE = """Traceback (most recent call last):
  File "/lib/apache_beam/runners/worker/sdk_worker.py", line 310, in _execute
    response = task()
KeyError: 'bundle_3'
"""


def test_a_bundle_that_fails_beside_the_pipeline_is_dropped_with_its_line_end() -> None:
    kept = io.StringIO()
    print(BUNDLE, file=QuietStream(kept))  # type: ignore[arg-type]
    assert kept.getvalue() == ""


def test_an_error_that_reaches_the_user_otherwise_is_dropped() -> None:
    kept = io.StringIO()
    print(f"RuntimeError: {MARK}abc:", file=QuietStream(kept))  # type: ignore[arg-type]
    assert kept.getvalue() == ""


def test_other_tracebacks_and_lines_are_written() -> None:
    kept = io.StringIO()
    stream = QuietStream(kept)
    print(BUNDLE, file=stream)  # type: ignore[arg-type]
    print("Traceback (most recent call last):\nValueError: ours", file=stream)  # type: ignore[arg-type]
    print("", file=stream)  # type: ignore[arg-type]
    assert kept.getvalue() == "Traceback (most recent call last):\nValueError: ours\n\n"


def _fail(element: int) -> None:
    if element:
        raise ValueError("a fault")


def _told_of(names: list[str]) -> None:
    for name in names:
        thread = threading.Thread(target=_fail, args=(1,), name=name)
        thread.start()
        thread.join()


def test_threads_of_beam_that_end_after_a_pipeline_that_failed_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.thread.name))
    Engine().each("fine", _fail, [0])
    _told_of(["beam_control_read", "mine"])  # nothing was stopped: who uses Beam beside us sees its own
    assert told == ["beam_control_read", "mine"]
    for _ in range(2):
        with pytest.raises(Exception, match="a fault"):
            Engine().each("failing", _fail, [1])
    told.clear()
    _told_of(["beam_control_read", "run_worker-1", "mine"])
    assert told == ["mine"]
