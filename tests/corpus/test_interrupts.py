"""The first signal stops cleanly and says so, the second one at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from webtext.corpus.errors import Interrupted
from webtext.corpus.interrupts import stop_signals

POLLS = """
import os, signal
from webtext.corpus.interrupts import stop_signals
with stop_signals(raising=False) as stop:
    os.kill(os.getpid(), signal.SIGINT)
    print("requested" if stop.requested else "missed", flush=True)
    {again}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_that_may_stop_anywhere_stops_there(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="the same command goes on"), stop_signals(raising=True):
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_work_that_must_reach_a_safe_point_goes_on_and_says_so_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", POLLS.format(again="")], capture_output=True, text=True, check=True)
    assert done.stdout == "requested\n"
    assert done.stderr == "\nstopping: what is under way is finished first (Ctrl-C again ends at once)\n"


def test_the_second_signal_ends_it() -> None:
    again = "os.kill(os.getpid(), signal.SIGINT); print('still here')"
    done = subprocess.run(
        [sys.executable, "-c", POLLS.format(again=again)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "requested\n"
