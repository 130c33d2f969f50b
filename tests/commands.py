"""Running webtext as its user does: a process of its own, judged by what it prints, leaves and returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from webtext.corpus.files import TEMPORARY


def webtext(*arguments: object, fault: str | None = None, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run one command; `expect` is its exit code (None: any)."""
    done = subprocess.run(command(*arguments), env=environment(fault), capture_output=True, text=True, check=False)
    if expect is not None:
        assert done.returncode == expect, f"exit {done.returncode}, not {expect}:\n{done.stderr}"
    return done


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "webtext.cli", *map(str, arguments)]


def environment(fault: str | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "WEBTEXT_FAULT"}
    return {**kept, "OMP_NUM_THREADS": "1", **({"WEBTEXT_FAULT": fault} if fault else {})}


def status(corpus: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webtext("status", corpus, "--json").stdout)
    return found


def processes_of(corpus: Path) -> list[str]:
    """Command lines of living processes that work for this corpus, or for a webtext that has ended."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if process.info["status"] == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            continue
        orphan = "webtext." in line and process.info["ppid"] == 1
        if orphan or (str(corpus) in line and "pytest" not in line):
            found.append(line)
    return found


def litter(corpus: Path) -> list[str]:
    """What must not be left in a corpus at rest: unfinished files, parts, lock, progress."""
    names = [str(path.relative_to(corpus)) for path in sorted(corpus.rglob("*"))]
    return [
        name
        for name in names
        if TEMPORARY in name or name.split("/")[0] in {"work", "lock", "progress.json"} or name.endswith("/lock")
    ]
