"""Running webtext as its user does: a process of its own, judged by what it prints, leaves and returns."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from nursery import Nursery

from webtext.corpus.files import TEMPORARY


def webtext(*arguments: object, fault: str | None = None, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run one command; `expect` is its exit code (None: any)."""
    done = nursery().run(list(map(str, arguments)), environment(fault))
    if expect is not None:
        assert done.returncode == expect, f"exit {done.returncode}, not {expect}:\n{done.stderr}"
    return done


@cache
def nursery() -> Nursery:
    """This test process's."""
    return Nursery()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", "webtext.cli", *map(str, arguments)]


MARK = "WEBTEXT_TEST_OF"
"""In the environment of all that a test process starts, and of what that starts: how leftovers are known."""


def environment(fault: str | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "WEBTEXT_FAULT"}
    own = {"OMP_NUM_THREADS": "1", MARK: str(os.getpid())}
    return {**kept, **own, **({"WEBTEXT_FAULT": fault} if fault else {})}


def parse(arguments: list[str]) -> None:
    """Read a command line as the program does, without running it: raises what the program would tell."""
    import typer

    from webtext.cli import app

    found: Any = typer.main.get_command(app)
    at, context = 0, None
    while getattr(found, "commands", None):
        if at == len(arguments):
            return  # a group's name alone
        context = type(found).context_class(found, info_name=arguments[at - 1] if at else "webtext", parent=context)
        found = found.commands[arguments[at]]
        at += 1
    found.make_context(arguments[at - 1], arguments[at:], parent=context)


def status(corpus: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webtext("status", corpus, "--json").stdout)
    return found


def leftovers() -> list[str]:
    """Command lines of the living processes that commands of this test process have started, or their children."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(os.getpid()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


def litter(corpus: Path) -> list[str]:
    """What must not be left in a corpus at rest: unfinished files, parts, lock, progress."""
    names = [str(path.relative_to(corpus)) for path in sorted(corpus.rglob("*"))]
    return [
        name
        for name in names
        if TEMPORARY in name or name.split("/")[0] in {"work", "lock", "progress.json"} or name.endswith("/lock")
    ]
