"""Which extra a command needs, said in one line where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from webtext.corpus.errors import WebtextError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn the missing module of an extra into a message that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("webtext"):
            raise
        raise WebtextError(
            f"this command needs {error.name}, which is not installed", hint=f"pip install 'webtext[{extra}]'"
        ) from error
