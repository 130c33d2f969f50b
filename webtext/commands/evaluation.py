"""Judging extraction and comparing corpora."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import AsJson

commands = typer.Typer()


@commands.command(
    "evaluate-extraction",
    epilog="Example: webtext evaluate-extraction gold.json --pages web.warc.gz --baseline baseline.json",
)
def evaluate_extraction(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Reviewed texts: {name: {url, text}} as JSON.")],
    pages: Annotated[list[Path], typer.Option("--pages", metavar="WARC", help="Holds the pages. May be repeated.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Fail where F1, precision or recall of a source is below it.")
    ] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write the scores as a baseline.")] = None,
    peers: Annotated[
        Path | None,
        typer.Option("--peers", metavar="PYTHON", help="An interpreter with resiliparse and readability-lxml."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the main text of pages against reviewed texts, by source, beside other extractors.

    The source of a page is what stands before the first dash of its name. Text is compared by its 4-grams of words.
    """
    from webtext.extras import needs

    with needs("crawl"):
        from webtext.crawler.text.gate import run_evaluation

    report = run_evaluation(gold, pages, baseline=baseline, record=record, peers=peers)
    typer.echo(json.dumps(report.to_json()) if as_json else str(report))
    if report.missed:
        raise typer.Exit(1)


@commands.command(epilog="Example: webtext diff my-corpus my-corpus-gopher")
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A corpus.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, or an older copy of the same.")],
    examples: Annotated[int, typer.Option("--examples", min=0, help="Links and texts shown of each kind.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Compare two corpora: settings, what became of the links, by domain, and texts that changed."""
    from webtext.differences import compare

    found = compare(first, second, examples=examples)
    typer.echo(json.dumps(found.to_json(), ensure_ascii=False) if as_json else str(found))
