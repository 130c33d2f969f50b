"""A corpus or a model for others: `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Folder, open_corpus

commands = typer.Typer()


@commands.command(
    epilog="Examples:\nwebtext export my-corpus my-dataset --to huggingface\n"
    "webtext export my-corpus my-model --to huggingface --run default\n"
    "webtext export my-corpus my-recipe --to recipe"
)
def export(
    corpus: Folder,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or one of this export.")],
    to: Annotated[str, typer.Option("--to", help="huggingface, jsonl, nanogpt or recipe.")],
    run: Annotated[str | None, typer.Option("--run", help="Export this run's model instead of the documents.")] = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="Of the run: last, best or a step.")] = "last",
    name: Annotated[str | None, typer.Option("--name", help="What it is called on its card.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the corpus as a dataset for others, or as a recipe without texts; or a run's model.

    huggingface: Parquet files with splits and a card, for datasets; jsonl: the same as JSON lines; nanogpt: the shards
    as train.bin and val.bin; recipe: addresses and digests, from which webtext build --from-recipe fetches the corpus
    again. Nothing is uploaded. Stopped at any moment, the same command goes on.
    """
    report = open_corpus(corpus, create=False).export(folder, to=to, run=run, checkpoint=checkpoint, name=name)
    typer.echo(json.dumps(report.to_json()) if as_json else str(report))
