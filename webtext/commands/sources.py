"""Sources before they become a corpus: `doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Workers

commands = typer.Typer()


@commands.command(epilog="Example: webtext doctor RS_2023-*.zst --json")
def doctor(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Dumps and lists: files, globs, folders, remote paths, -.")
    ],
    min_karma: Annotated[int, typer.Option("--min-karma", help="The threshold whose share is told.")] = 3,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Look through dumps before they are used: by month, and what is wrong with them.

    Lines, unreadable ones, whether the last frame is whole, null URLs or scores, the mean score, the share with enough
    karma, NSFW, link posts, and the median age of the scores. Exit code 1 where links would stop.
    """
    from webtext.api import doctor as examine

    found = examine(*sources, min_karma=min_karma, workers=workers)
    typer.echo(json.dumps(found.to_json()) if as_json else str(found))
    if found.problems:
        raise typer.Exit(1)
