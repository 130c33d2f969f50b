"""Running a crawl process from a stage: counts onto the progress bar, one stop forwarded, its error told as ours."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from webtext.corpus import errors
from webtext.corpus.errors import Interrupted, WebtextError
from webtext.corpus.files import write_json
from webtext.corpus.interrupts import Stop
from webtext.corpus.progress import Progress, progress
from webtext.crawler.fetch.ledger import PAGE
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.process import STOPPED

_STOP_SECONDS = 30.0  # a process that has not stopped then is killed; the ledger can bear it
_GOES_ON = "what was fetched is kept; the same command goes on where it was"


def run_process(plan: Plan, config: Path, corpus: Path, *, total: int, begun: int, stop: Stop) -> None:
    """Run one crawl process to its end.

    Args:
        config: where the plan is written for it.
        total: links of the stage, for the progress bar.
        begun: how many of them have ended before.

    Raises:
        Interrupted: the user asked to stop; the process has committed what was finished.
        WebtextError: what the process met, as itself; or that it ended in a way it should not.
    """
    write_json(config, plan.to_json())
    # A session of its own: Ctrl-C on a terminal reaches the whole group, and must reach the crawl once, from here.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "webtext.crawler.fetch.process", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    told: list[dict[str, Any]] = []
    try:
        with progress(corpus, "crawl", total, "links", begun=begun) as shown:
            reader = threading.Thread(target=_listen, args=(process.stdout, shown, told), name="crawl", daemon=True)
            reader.start()
            _wait(process, stop)
            reader.join()
    except BaseException:
        _end(process)
        raise
    if told:
        raise _error_of(told[-1])
    if stop.requested:
        raise stop.error()
    if process.returncode == STOPPED:
        raise Interrupted("the crawl process was asked to stop", hint=_GOES_ON)
    if process.returncode:
        code = process.returncode
        how = f"was killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
        raise WebtextError(f"the crawl process {how}", hint=_GOES_ON)


def _wait(process: subprocess.Popen[bytes], stop: Stop) -> None:
    deadline: float | None = None
    while True:
        try:
            process.wait(0.1)
            return
        except subprocess.TimeoutExpired:
            pass
        if stop.requested and deadline is None:
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
        if deadline is not None and time.monotonic() > deadline:
            process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the process on the way out of an exception, in the same way."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listen(stream: IO[bytes], shown: Progress, told: list[dict[str, Any]]) -> None:
    with stream:
        for line in stream:
            value = json.loads(line)
            if "error" in value:
                told.append(value["error"])
            else:
                pages = value["outcomes"].get(PAGE, 0)
                shown.set(value["done"], f"{pages:,} pages")


def _error_of(value: dict[str, Any]) -> WebtextError:
    kind = getattr(errors, value["kind"], WebtextError)
    found: WebtextError = kind(value["message"], where=value["where"], hint=value["hint"])
    return found
