"""What a corpus is rid of: `forget` and `gc`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Folder, Workers, open_corpus
from webtext.corpus.errors import UsageError

commands = typer.Typer()


@commands.command(
    epilog="Examples:\nwebtext forget my-corpus --domain example.org --dry-run\n"
    "webtext forget my-corpus --urls takedowns.txt --yes"
)
def forget(
    corpus: Folder,
    urls: Annotated[
        Path | None,
        typer.Option("--urls", metavar="FILE", help="Addresses, one a line, in any spelling; - reads them here."),
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option("--domain", metavar="NAME", help="A registered domain. May be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is here.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    keep_tokenizer: Annotated[
        bool, typer.Option("--keep-tokenizer", help="Do not train the tokenizer again without the texts.")
    ] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Remove addresses or domains from every file of the corpus, for good.

    Only their hashes stay (tombstones.parquet): no later run or import takes them in again. What is left has the bytes
    of a corpus that never had them. Models cannot forget: runs that read them are named, and flagged in status.
    Stopped at any moment, webtext forget CORPUS goes on.
    """
    from webtext.corpus.files import os_errors
    from webtext.corpus.tombstones import pending
    from webtext.crawler.forgotten import read_addresses

    opened = open_corpus(corpus, create=False)
    addresses: list[str] = []
    if urls is not None:
        with os_errors(urls):
            data = sys.stdin.buffer.read() if str(urls) == "-" else urls.read_bytes()
        addresses = read_addresses(data, str(urls))
    going_on = not addresses and not domain and pending(opened.path) is not None
    if not dry_run and not yes and not going_on:
        found = opened.forget(addresses, domains=domain or (), dry_run=True)
        typer.echo(str(found), err=True)
        if not sys.stdin.isatty() or str(urls) == "-":
            raise UsageError("needs --yes where nobody can be asked", where="webtext forget")
        if not typer.confirm("Remove them for good?", err=True):
            raise typer.Exit(1)
    report = opened.forget(
        addresses, domains=domain or (), dry_run=dry_run, keep_tokenizer=keep_tokenizer, workers=workers
    )
    typer.echo(json.dumps(report.to_json()) if as_json else str(report))


@commands.command(epilog="Example: webtext gc my-corpus --dry-run")
def gc(
    corpus: Folder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also shards that runs need to go on, while nobody trains on them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Free the disk of older shards that no run needs, and of files that nothing names.

    A corpus that grows keeps its older shards (shards/older/) for the runs that began with them.
    """
    report = open_corpus(corpus, create=False).collect_garbage(dry_run=dry_run, everything=everything)
    typer.echo(json.dumps(report.to_json()) if as_json else str(report))
