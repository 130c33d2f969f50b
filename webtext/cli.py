"""The command line: a thin layer over `webtext.api`, one function a command (`webtext.commands`).

Results go to standard output (`--json` for programs), everything else to standard error. Exit codes: 0 done, 1 failed,
2 wrong use.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from webtext.commands import evaluation, folders, models, stages, trace
from webtext.corpus.errors import WebtextError

app = typer.Typer(
    name="webtext",
    help="From Reddit's outbound links to a trained GPT-2, in one folder.\n\n"
    "Each command takes a corpus folder first; one that does not exist yet becomes a corpus with the defaults. "
    "Every command may be stopped at any moment (Ctrl-C) and run again: it goes on where it was.",
    epilog="Example: webtext build my-corpus RS_2025-01.zst && webtext train my-corpus --preset tiny",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

for _group in (folders.commands, stages.commands, models.commands, trace.commands, evaluation.commands):
    app.add_typer(_group)


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
        app()
    except WebtextError as error:
        print(f"webtext: {error}", file=sys.stderr, flush=True)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
