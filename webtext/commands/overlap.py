"""What of test sets a corpus holds."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from webtext.commands.options import (
    Address,
    AsJson,
    BeamOption,
    Engine,
    Folder,
    Workers,
    engine_of,
    open_corpus,
)

commands = typer.Typer()

SET_HELP = (
    "A test set as its publisher gives it out (LAMBADA, CBT, WikiText, PTB, enwik8, text8, 1BW, WSC273, HellaSwag, "
    "CoQA, CNN/DM, WMT14, NQ-open: file or folder), or any text, JSON lines, CSV or Parquet; KIND=PATH says which."
)


@commands.command(epilog="Example: webtext overlap my-corpus wikitext-2/wiki.test.raw ptb=mine.txt questions.jsonl")
def overlap(
    corpus: Folder,
    sets: Annotated[list[str], typer.Argument(metavar="SET...", help=SET_HELP)],
    words: Annotated[int, typer.Option("--words", min=1, help="Words an n-gram. The paper's table 6: 8.")] = 8,
    frequent: Annotated[
        int, typer.Option("--frequent", min=1, help="N-grams in more documents than this are told apart.")
    ] = 10,
    stage: Annotated[str, typer.Option("--stage", help="What is looked at: clean or documents.")] = "clean",
    examples: Annotated[int, typer.Option("--examples", min=0, help="Examples shown of each set.")] = 3,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    as_json: AsJson = False,
) -> None:
    """The share of test sets' 8-grams that the corpus holds, as in table 6 of the paper.

    By set and by example, with the documents they come from, the paper's own figures beside them. Words are lower-cased
    letters and digits. Every n-gram is counted exactly: the sets are hashed, the corpus streams past them. What is
    found of 8-grams in clean stays in CORPUS/overlap.json, where eval reads it.
    """
    on = engine_of(engine, address, beam_option)
    found = open_corpus(corpus, create=False).overlap(
        *sets, stage=stage, words=words, frequent=frequent, workers=workers, engine=on
    )
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        from webtext.overlap_text import overlap_text

        typer.echo(overlap_text(found, examples=examples))
