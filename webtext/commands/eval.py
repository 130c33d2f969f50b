"""`webtext eval`: the paper's zero-shot tasks on any checkpoint."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.models import Device, Model, Run
from webtext.commands.options import AsJson

commands = typer.Typer()


@commands.command(
    "eval",
    epilog="Examples: webtext eval my-corpus --data testsets; webtext eval gpt2-folder --data testsets --tasks "
    "lambada,wikitext2:hf --figure scores.svg; webtext eval my-corpus --tasks samples",
)
def evaluate(
    model: Model,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks",
            metavar="NAME,…",
            help="Which: names separated by commas (webtext eval-tasks lists them), samples, all. "
            "Default: all of the paper's protocols.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The folder with the test sets, as their publishers pack them."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="The most examples of a task (of running text: lines).")
    ] = None,
    run: Run = "default",
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="Of a run: last, best, or a step's number.")] = "last",
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="What samples are compared with, where the model is no corpus' run.")
    ] = None,
    overlap: Annotated[
        Path | None,
        typer.Option(
            "--overlap", metavar="FILE", help="What webtext overlap --json printed. Default: what it left in CORPUS."
        ),
    ] = None,
    without_overlap: Annotated[
        bool, typer.Option("--without-overlap", help="Score without the examples that share an 8-gram with the corpus.")
    ] = False,
    hub: Annotated[bool, typer.Option("--hub", help="Get missing test sets from the network into --data.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Results. Default: runs/RUN/eval/STEP, or webtext-eval/NAME."),
    ] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table there.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="Draw scores against parameters (.svg, .png).")
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Score again what is there already.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Run the GPT-2 paper's zero-shot evaluation on a checkpoint, and set the paper's table beside it.

    Test sets are read from local files; those that are missing are named, the others are scored. A stopped evaluation
    goes on where it was.
    """
    from webtext.commands.models import _calm_threads
    from webtext.extras import needs

    _calm_threads()
    with needs("eval"):
        from webtext.corpus.files import write_bytes
        from webtext.train.zeroshot import table
        from webtext.zeroshot import evaluate as run_evaluation

    names = [name.strip() for part in tasks or [] for name in part.split(",") if name.strip()]
    with needs("eval"):
        results, folder = run_evaluation(
            model, tasks=names, data=data, run=run, checkpoint=checkpoint, corpus=corpus, out=out, limit=limit,
            overlap=overlap, without_overlap=without_overlap, hub=hub, redo=redo, device=device,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({**results, "table": table.as_json(results)}))
    else:
        typer.echo(table.terminal(results, width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    if markdown is not None:
        write_bytes(markdown, table.markdown(results).encode())
    if figure is not None:
        with needs("eval"):
            from webtext.train.zeroshot.figure import draw

            draw(results, figure)
    typer.echo(f"results: {folder / 'results.json'}", err=True)


@commands.command("eval-tasks", epilog="Example: webtext eval-tasks")
def list_tasks(as_json: AsJson = False) -> None:
    """List the tasks of webtext eval: their protocols, and where to get the data."""
    from webtext.extras import needs

    with needs("eval"):
        from webtext.train.zeroshot.catalogue import SAMPLES, TASKS
        from webtext.train.zeroshot.sources import SOURCES

    if as_json:
        typer.echo(json.dumps({key: task.to_json() for key, task in [*TASKS.items(), (SAMPLES.name, SAMPLES)]}))
        return
    for key, task in TASKS.items():
        typer.echo(f"{key:22}{task.title}, {task.split} set: {task.provenance}")
        typer.echo(f"{'':22}data: {SOURCES[task.data].where}")
    typer.echo(f"{SAMPLES.name:22}{SAMPLES.title}: {SAMPLES.provenance}")
