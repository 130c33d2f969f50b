"""Where a link is, or went: its whole way through the stages. And the other way round: what a training step read."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Folder, open_corpus
from webtext.corpus.errors import UsageError

commands = typer.Typer()


@commands.command(
    epilog="Examples:\nwebtext trace my-corpus --url https://example.org/a --diff\nwebtext trace my-corpus --step 120"
)
def trace(
    corpus: Folder,
    url: Annotated[str | None, typer.Option("--url", help="Its address, in any spelling of it.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Its key: 16 hex digits.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Of a copy: what differs from the document that stays.")] = False,
    step: Annotated[
        int | None, typer.Option("--step", help="Instead of a link: the documents that this step of a run read.")
    ] = None,
    run: Annotated[str, typer.Option("--run", help="With --step: the run's name.")] = "default",
    as_json: AsJson = False,
) -> None:
    """The whole way of a link: submissions, fetch, document, copies, tokens; or where it ended, and why.

    With --step the way back: the documents, addresses and submissions that a step of training read. Reads only, also
    while another command writes. Exit code 1 where the corpus does not know the link.
    """
    if sum(given is not None for given in (url, key, step)) != 1:
        raise UsageError(
            "trace takes one of --url, --key and --step", hint="webtext trace CORPUS --url https://example.org/a"
        )
    if step is not None:
        read = open_corpus(corpus, create=False).trace_step(run, step=step)
        typer.echo(json.dumps(read.to_json(), ensure_ascii=False) if as_json else str(read))
        return
    found = open_corpus(corpus, create=False).trace(url=url, key=key, diff=diff)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        from webtext.trace_text import trace_text

        typer.echo(trace_text(found, diff=diff))
    if not found.known:
        raise typer.Exit(1)
