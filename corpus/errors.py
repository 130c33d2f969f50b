"""What a user may be told. Every expected failure is one of these, and none of them shows a traceback."""

from __future__ import annotations

from typing import Any


class WebtextError(Exception):
    """An expected failure: the command line prints it in one message and exits with 1.

    `message` says what went wrong, `where` names the file, line or offset, `hint` says what to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: object = None, hint: str | None = None) -> None:
        super().__init__(message, None if where is None else str(where), hint)
        self.message = message
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders (Beam workers): keyword arguments must survive pickling.
        return _rebuild, (type(self), self.message, self.where, self.hint)


def _rebuild(cls: type[WebtextError], message: str, where: str | None, hint: str | None) -> WebtextError:
    return cls(message, where=where, hint=hint)


class UsageError(WebtextError):
    """Wrong use: an unknown setting, a value out of range. The command line exits with 2."""

    exit_code = 2


class DamagedFile(WebtextError):
    """A file of the corpus is missing, truncated, foreign or has other bytes than its manifest says."""


class ChangedSettings(WebtextError):
    """A finished stage was made with other settings than those asked for now."""


class CorpusLocked(WebtextError):
    """Another command is writing to this corpus."""


class Balance(WebtextError):
    """Rows in and rows out plus outcomes differ: a fault of webtext itself, never of its input."""


class Interrupted(WebtextError):
    """Ctrl-C or SIGTERM: the work so far is kept, the same command goes on."""
