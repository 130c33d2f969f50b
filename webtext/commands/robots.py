"""`robots`: what the crawl would do at an address, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Contact

commands = typer.Typer()


@commands.command(epilog="Example: webtext robots https://example.org/page --contact me@example.org")
def robots(
    url: Annotated[str, typer.Argument(metavar="URL", help="An http or https address.")],
    corpus: Annotated[
        Path | None, typer.Argument(metavar="[CORPUS]", help="The corpus whose settings count; the defaults without.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="ROBOTS.TXT", help="Read this file as the site's; nothing is asked for."),
    ] = None,
    contact: Contact = None,
    as_json: AsJson = False,
) -> None:
    """Say what a crawl would do at an address, and why: group, rule, delay and opt-outs.

    It asks the site for robots.txt, tdmrep.json and ai.txt, as the crawl would, and for nothing else.
    """
    from webtext.api import robots as look

    found = look(url, corpus, file=file, contact=contact)
    typer.echo(json.dumps(found.to_json()) if as_json else str(found))
