"""Help pages: within 80 columns, with examples that are right, quick to come; and completion for the usual shells."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from commands import command, parse

from webtext.cli import app
from webtext.commands.help import SECTIONS, _write_examples, examples_of, first_sentence

ROOT = typer.main.get_command(app)


def commands_of(group: object = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command with the words that lead to it, also those of groups in groups."""
    for name, found in getattr(group, "commands", {}).items():
        yield (*path, name), found
        yield from commands_of(found, (*path, name))


COMMANDS = dict(commands_of())
NAMES = [" ".join(path) for path in COMMANDS]


def shown(*arguments: str, **more: str) -> str:
    environment = {**os.environ, "COLUMNS": "80", **more}
    done = subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def help_of(words: str) -> str:
    """A help page at 80 columns, without a process of its own."""
    context = None
    found = ROOT
    for word in ("webtext", *words.split()):
        found = found if word == "webtext" else found.commands[word]  # type: ignore[attr-defined]
        context = type(found).context_class(found, info_name=word, parent=context, terminal_width=80)
    assert context is not None
    return str(found.get_help(context))


def test_the_first_page_lists_every_command_once_with_a_whole_sentence() -> None:
    page = shown("--help")
    listed = [line.split()[0] for line in page.splitlines() if re.match(r"  [a-z][a-z-]* +[A-Z]", line)]
    assert sorted(listed) == sorted(path[0] for path in COMMANDS if len(path) == 1)
    known = [name for names in SECTIONS.values() for name in names]
    assert [name for name in listed if name in known] == [name for name in known if name in listed]
    assert "..." not in page.split("Begin here:")[1]


@pytest.mark.parametrize("words", ["", *NAMES])
def test_a_help_page_fits_eighty_columns(words: str) -> None:
    page = help_of(words)
    assert max(len(line) for line in page.splitlines()) <= 80, page
    usage = page.split("\n\n")[0]
    assert not re.search(r"[{}]|\]\]|\[\[", usage), "brackets of the library below"
    assert not re.search(r"<(?:int|float|str|path|list)\b", page), "types of the library below"


@pytest.mark.parametrize("words", ["", *NAMES])
def test_a_help_page_ends_with_examples_that_are_right(words: str) -> None:
    found = COMMANDS.get(tuple(words.split()), ROOT)
    if getattr(found, "commands", None) and words:
        return  # a group of commands, each of which has examples
    lines = [part.strip() for line in examples_of(found.epilog) for part in line.split("&&")]  # type: ignore[attr-defined]
    assert lines
    assert any(line.startswith(f"webtext {words}".strip()) for line in lines)
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "webtext"
        parse(arguments)
        assert f" {line}" in re.sub(r" \\\n +", " ", help_of(words))  # as a shell reads it


def test_an_example_that_is_wrong_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["links", "my-corpus", "dump.zst", "--min-kamra", "3"])
    with pytest.raises(KeyError):
        parse(["lniks", "my-corpus"])


def test_examples_are_told_apart_and_long_ones_go_on_as_in_a_shell() -> None:
    assert examples_of("Example: webtext init c") == ["webtext init c"]
    assert examples_of("Examples: webtext init c; webtext status c\nwebtext demo") == [
        "webtext init c", "webtext status c", "webtext demo",
    ]  # fmt: skip
    assert examples_of(None) == []
    written: list[str] = []
    formatter = SimpleNamespace(
        width=40, current_indent=2, section=lambda name: contextlib.nullcontext(), write=written.append
    )
    _write_examples(formatter, ["webtext build my-corpus RS_2025-01.zst --workers 2", "webtext demo"])
    assert "".join(written).splitlines() == [
        "  webtext build my-corpus \\", "    RS_2025-01.zst --workers 2", "  webtext demo",
    ]  # fmt: skip


def test_a_summary_is_the_first_sentence() -> None:
    assert first_sentence("Train a GPT-2 on shards (runs/NAME/). Goes on.\n\nMore.") == (
        "Train a GPT-2 on shards (runs/NAME/)"
    )
    assert first_sentence("Two\n  lines.") == "Two lines"
    assert first_sentence(None) == ""
    assert first_sentence("All stages: a, b. More.") == "All stages: a, b"
    assert first_sentence(f"Look through it: {'by month, ' * 8}and more.") == "Look through it"


@pytest.mark.parametrize(
    ("shell", "has"),
    [("bash", "complete -o default -F"), ("zsh", "#compdef webtext"), ("fish", "complete --command webtext")],
)
def test_a_shell_gets_its_completion(shell: str, has: str) -> None:
    assert has in shown(_WEBTEXT_COMPLETE=f"source_{shell}")


def test_words_are_completed() -> None:
    words = {"_WEBTEXT_COMPLETE": "complete_bash", "COMP_WORDS": "webtext to", "COMP_CWORD": "1"}
    assert shown(**words).split() == ["tokenize"]
    words.update(COMP_WORDS="webtext crawl my-corpus --cont", COMP_CWORD="3")
    assert shown(**words).split() == ["--contact"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_output_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command("--help"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "webtext: the result cannot be written to standard output: No space left on device\n"


def test_a_reader_that_has_gone_is_no_failure_to_speak_of() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command("--help"), stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
