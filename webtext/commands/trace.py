"""Where a link is, or went: its whole way through the stages."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Folder, open_corpus
from webtext.corpus.errors import UsageError

commands = typer.Typer()


@commands.command(epilog="Example: webtext trace my-corpus --url https://example.org/a --diff")
def trace(
    corpus: Folder,
    url: Annotated[str | None, typer.Option("--url", help="Its address, in any spelling of it.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Its key: 16 hex digits.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Of a copy: what differs from the document that stays.")] = False,
    as_json: AsJson = False,
) -> None:
    """The whole way of a link: submissions, fetch, document, copies, tokens; or where it ended, and why.

    Reads only, also while another command writes. Exit code 1 where the corpus does not know the link.
    """
    if (url is None) == (key is None):
        raise UsageError("trace takes one of --url and --key", hint="webtext trace CORPUS --url https://example.org/a")
    found = open_corpus(corpus, create=False).trace(url=url, key=key, diff=diff)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        from webtext.trace_text import trace_text

        typer.echo(trace_text(found, diff=diff))
    if not found.known:
        raise typer.Exit(1)
