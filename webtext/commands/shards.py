"""The shards of a corpus: whether they are sound, and what others can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import AsJson, open_corpus

commands = typer.Typer()
shards = typer.Typer(
    name="shards",
    help="Verify the token shards, or export them for others.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
commands.add_typer(shards)

Source = Annotated[Path, typer.Argument(metavar="CORPUS", help="The corpus folder.")]


@shards.command(epilog="Example: webtext shards verify my-corpus")
def verify(corpus: Source, as_json: AsJson = False) -> None:
    """Compare every byte of shards/ and tokenizer/ with what was written.

    Finds a flipped bit, a missing, truncated, foreign or swapped file, and says which; exits with 1 then.
    """
    report = open_corpus(corpus, create=False).verify_shards()
    typer.echo(json.dumps(report.to_json()) if as_json else str(report))
    if report.problems:
        raise typer.Exit(1)


@shards.command(epilog="Example: webtext shards export my-corpus --to nanogpt nanoGPT/data/my-corpus")
def export(
    corpus: Source,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or one of this export.")],
    to: Annotated[str, typer.Option("--to", help="nanogpt (train.bin, val.bin), parquet or jsonl.")],
    as_json: AsJson = False,
) -> None:
    """Write the shards as nanoGPT's .bin, as Parquet or as JSON lines, and read them back.

    Stopped at any moment, the same command goes on with the files that are not finished.
    """
    report = open_corpus(corpus, create=False).export_shards(folder, to=to)
    typer.echo(json.dumps(report.to_json()) if as_json else str(report))
