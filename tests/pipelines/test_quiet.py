"""What Beam's worker prints of a failure is dropped; everything else is written."""

from __future__ import annotations

import io

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
