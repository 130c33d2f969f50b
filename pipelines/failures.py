"""How a failure in a worker reaches the user: as the error it was raised as, whatever engine carried it.

Engines carry a worker's exception in ways of their own, most of them as text. The pickled `WebtextError` rides in that
text.
"""

from __future__ import annotations

import base64
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import os_errors
from webtext.pipelines.quiet import MARK

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class guarded(Generic[T, R]):
    """Wrap a function of a pipeline so that a `WebtextError` in a worker reaches the user as itself."""

    function: Callable[[T], R]

    def __call__(self, element: T) -> R:
        try:
            with os_errors("a worker"):
                return self.function(element)
        except WebtextError as error:
            # Dask's pickling takes them along, and not every exception can be made anew elsewhere.
            error.__cause__ = error.__context__ = None
            raise RuntimeError(f"{MARK}{base64.b64encode(pickle.dumps(error)).decode()}:") from error


def carried(error: BaseException) -> WebtextError | None:
    """The `WebtextError` that an engine's exception carries, None where it carries none."""
    found = re.search(rf"{MARK}([A-Za-z0-9+/=]+):", str(error))
    if found is None:
        return None
    inner = pickle.loads(base64.b64decode(found.group(1)))
    return inner if isinstance(inner, WebtextError) else None


def lost_worker(label: str) -> WebtextError:
    """A worker died, and nobody knows of what."""
    return WebtextError(
        f"a worker process of '{label}' ended without a word (out of memory, or killed)",
        hint="run the same command again: it goes on where it was; fewer --workers need less memory",
    )
