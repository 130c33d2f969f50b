"""What a person reads on a terminal of 80 columns, and a log elsewhere."""

from __future__ import annotations

import io
import itertools
import os
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from webtext.corpus import progress
from webtext.corpus.progress import say

LONG = "links: 1,010 in, 720 out (124 karma, 82 media, 60 self-post, 6 duplicate-url, 6 private-address), 2.1 s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


def test_a_line_is_left_alone_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    say(LONG)
    assert capsys.readouterr().err == f"{LONG}\n"


def test_a_line_is_wrapped_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((80, 24)))
    say(f"{LONG}\n  a hint")
    assert terminal.getvalue().splitlines() == [
        "links: 1,010 in, 720 out (124 karma, 82 media, 60 self-post, 6 duplicate-url,",
        "  6 private-address), 2.1 s",
        "  a hint",
    ]


def terminal_of_80(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on standard error. Called in the test itself: pytest changes standard error after the fixtures."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("rich.console.Console", lambda **options: Console(file=terminal, width=80, force_terminal=True))
    return terminal


COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9;]*)?m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What begins at 0 is looked at after ten seconds."""
    ticks = itertools.chain([0.0], itertools.repeat(10.0))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


def drawn(terminal: Terminal, total: int | None, done: int, note: str = "") -> str:
    """The last line of a bar, without its colours."""
    with progress.progress(None, "train", total, "steps") as shown:
        shown.set(done, note)
    lines = CONTROL.sub("", terminal.getvalue().replace("\r", "\n")).splitlines()
    return next(line for line in reversed(lines) if line.strip())


def test_a_bar_shows_count_rate_and_time_left_beside_a_long_note(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of_80(monkeypatch)
    line = drawn(terminal, 4_500, 1_010, "loss 6.3416, grad norm 1.00, lr 1.9e-03, 745 tokens/s")
    assert "1,010/4,500 steps 101.0/s, 0:34 left, loss 6.3416" in line
    assert len(line.rstrip()) <= 80


def test_a_bar_of_unknown_length_shows_count_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of_80(monkeypatch)
    assert drawn(terminal, None, 1_010).split("steps")[1].strip() == "101.0/s"


def test_colours_are_left_out_under_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of_80(monkeypatch)
    assert "1,010/4,500" in drawn(terminal, 4_500, 1_010)
    assert COLOUR.search(terminal.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = terminal_of_80(monkeypatch)
    assert "1,010/4,500" in drawn(plain, 4_500, 1_010)
    assert not COLOUR.search(plain.getvalue())


@pytest.mark.parametrize("term", ["dumb", "unknown", None])
def test_a_terminal_that_cannot_draw_gets_plain_lines(term: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of_80(monkeypatch)
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((80, 24)))
    monkeypatch.setenv("TERM", term) if term else monkeypatch.delenv("TERM")
    with progress.progress(None, "train", 4_500, "steps") as shown:
        shown.set(1_010)
    assert terminal.getvalue() == "train: 1,010 of 4,500 steps, 22%, 101.0 steps/s, 0:34 left\n"
