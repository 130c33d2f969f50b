"""What a person reads on a terminal of 80 columns, and a log elsewhere."""

from __future__ import annotations

import io
import os

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
        "links: 1,010 in, 720 out (124 karma, 82 media, 60 self-post, 6 duplicate-url, 6",
        "  private-address), 2.1 s",
        "  a hint",
    ]


def test_counts_and_time_stay_readable_beside_a_long_note(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        "rich.console.Console",
        lambda **options: Console(file=terminal, width=80, force_terminal=True, color_system=None),
    )
    with progress.progress(None, "train", 450, "steps") as shown:
        shown.set(101, "loss 6.3416, grad norm 1.00, lr 1.9e-03, 745 tokens/s")
    assert "101/450 steps" in terminal.getvalue()
    assert "loss 6.3416" in terminal.getvalue()
