"""Standard error without the tracebacks that Beam prints of errors which reach the user in one line anyway."""

from __future__ import annotations

from typing import Any, TextIO

MARK = "WEBTEXT-ERROR:"
"""Stands in the text of every exception that carries an expected failure (`webtext.pipelines.engine.guarded`)."""

_BEAM_WORKER = "runners/worker/sdk_worker.py"
"""In every traceback that Beam's worker prints. It is printed besides being raised in the pipeline's own thread; and
once a pipeline has failed, bundles that were still under way fail too (KeyError), which says nothing to anybody."""


class QuietStream:
    """A text stream that drops a write which holds `MARK` or Beam's traceback, and the line end written after it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = False

    def write(self, text: str) -> int:
        """Write, or drop; gives the length either way."""
        if MARK in text or (text.startswith("Traceback ") and _BEAM_WORKER in text):
            self._dropped = True
            return len(text)
        dropped, self._dropped = self._dropped, False
        return len(text) if dropped and text == "\n" else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
