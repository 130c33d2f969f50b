"""A corpus as a whole: making it, looking at it, and the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import (
    AsJson,
    Folder,
    open_corpus,
)

commands = typer.Typer()


@commands.command(epilog="Example: webtext init my-corpus")
def init(corpus: Folder) -> None:
    """Make a corpus folder with its webtext.toml."""
    opened = open_corpus(corpus)
    typer.echo(f"{opened.path / 'webtext.toml'}: every setting with its default and meaning")


@commands.command(epilog="Example: webtext status my-corpus --json")
def status(corpus: Folder, as_json: AsJson = False) -> None:
    """Where a corpus stands: its waterfall, fingerprint and runs.

    For each stage what went in, what came out, and what became of the others; and who is writing to it now.
    """
    found = open_corpus(corpus, create=False).status()
    typer.echo(json.dumps(found.to_json()) if as_json else str(found))


@commands.command(epilog="Example: webtext report my-corpus")
def report(corpus: Folder, as_json: AsJson = False) -> None:
    """One page about a corpus: report/index.html.

    Where it comes from, what became of every link or row, documents by domain and language, tokens, what was left out
    for its owners' sake, and what was trained on it. For a browser, without the network; forget removes it.
    """
    found = open_corpus(corpus, create=False).report()
    typer.echo(json.dumps(found.to_json()) if as_json else str(found))


@commands.command(epilog="Example: webtext demo && webtext status webtext-demo/corpus")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where everything of the demo lies.")] = Path(
        "webtext-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Try all of it on a little web made on this machine.

    Makes a web and a dump that links to it, runs every step over them, trains a small model and checks the outcome.
    Minutes on two cores, 100 MB of disk, no network. Run again, it goes on where it was.
    """
    from webtext.corpus.progress import say
    from webtext.extras import needs

    with needs("all"):
        from webtext.demo.run import run_demo
    report = run_demo(folder, result=say) if as_json else run_demo(folder)
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False))
    if report.broken:
        raise typer.Exit(1)
