"""What a process tells the one it works for: as itself, also where it was killed in between."""

from __future__ import annotations

import io
import json

import pytest

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.telling import error_told, how_it_ended, tell, tell_error, told_by


def test_what_is_told_arrives_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    tell({"done": 3, "host": "ä\n"})
    assert tell_error(DamagedFile("is cut short", where="a/b.parquet", hint="make it again")) == 1
    number, failure = told_by(io.BytesIO(capfd.readouterr().out.encode()))
    assert number == {"done": 3, "host": "ä\n"}
    assert error_told(number) is None
    found = error_told(failure)
    assert type(found) is DamagedFile
    assert str(found) == "a/b.parquet: is cut short\n  make it again"


def test_a_kind_of_failure_that_only_the_process_knows_is_one_of_ours() -> None:
    told = {"error": {"kind": "OfItsOwn", "message": "no", "where": None, "hint": None}}
    assert type(error_told(told)) is WebtextError


@pytest.mark.parametrize("left", range(1, 9))
def test_a_line_that_a_kill_tore_is_none(left: int) -> None:
    line = json.dumps({"a": 1}).encode() + b"\n"
    assert list(told_by(io.BytesIO(line + line[:-left]))) == [{"a": 1}]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with code 0"),
        (3, "ended with code 3"),
        (-9, "was killed by signal 9 (SIGKILL)"),
        (-250, "was killed by signal 250 (unknown)"),
    ],
)
def test_how_a_process_ended(code: int, words: str) -> None:
    assert how_it_ended(code) == words
