"""The command line: a thin layer over `webtext.api`, one function a command (`webtext.commands`).

Results go to standard output (`--json` for programs), everything else to standard error. Exit codes: 0 done, 1 failed,
2 wrong use.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from webtext.commands import (
    crawls,
    evaluation,
    export,
    folders,
    importing,
    models,
    overlap,
    robots,
    shards,
    sources,
    stages,
    trace,
    upkeep,
    wikipedia,
)
from webtext.commands import eval as zero_shot
from webtext.commands.help import Book, dress
from webtext.corpus.errors import WebtextError
from webtext.corpus.progress import say

app = typer.Typer(
    name="webtext",
    cls=Book,
    help="From Reddit's outbound links to a trained GPT-2, in one folder.\n\n"
    "Each command takes a corpus folder first; one that does not exist yet becomes a corpus with the defaults. "
    "Every command may be stopped at any moment (Ctrl-C) and run again: it goes on where it was.",
    epilog="webtext demo\n"
    "webtext build my-corpus RS_2025-01.zst --contact me@example.org\n"
    "webtext train my-corpus --preset tiny --steps 200",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

for _group in (
    folders.commands,
    sources.commands,
    stages.commands,
    crawls.commands,
    robots.commands,
    importing.commands,
    shards.commands,
    models.commands,
    trace.commands,
    upkeep.commands,
    export.commands,
    overlap.commands,
    wikipedia.commands,
    evaluation.commands,
    zero_shot.commands,
):
    app.add_typer(_group)
dress(app)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"webtext {installed('webtext')}")
        raise typer.Exit


def main() -> None:
    """The entry point: every expected failure becomes one message and an exit code."""
    # Libraries warn on the root logger at import; what a user should know comes from us.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app(prog_name="webtext")  # also under python -m
    except WebtextError as error:
        told = str(error)
        say(told if told.startswith("webtext ") else f"webtext: {told}")
        sys.exit(error.exit_code)
    except MemoryError:
        say("webtext: out of memory\n  what was done is kept; free some, or raise the limit (ulimit -v, -d)")
        sys.exit(1)
    except OSError as error:
        if error.filename is not None:  # of files, the commands themselves tell
            raise
        say(f"webtext: the result cannot be written to standard output: {error.strerror}")
        # What is still in the buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
