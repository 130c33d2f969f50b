"""Training a model on the shards, and writing text with it."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from webtext.commands.options import (
    AsJson,
    Folder,
    given,
    open_corpus,
)

commands = typer.Typer()


@commands.command(epilog="Example: webtext train my-corpus --preset tiny --steps 200")
def train(
    corpus: Folder,
    run: Annotated[str, typer.Option("--run", help="The run's name, a folder below runs/.")] = "default",
    preset: Annotated[
        str | None, typer.Option("--preset", help="tiny, 124M, 355M, 774M or 1558M. Default: webtext.toml's.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps in all. Default: the preset's recipe.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of weights and order. Default 1.")] = None,
    micro_batch: Annotated[
        int | None, typer.Option("--micro-batch", help="Sequences at once; the batch itself stays as it is.")
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option("--batch-tokens", help="Tokens a step. Default: the preset's recipe.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Its peak. Default: the preset's recipe.")
    ] = None,
    save_every: Annotated[int | None, typer.Option("--save-every", help="Steps between two checkpoints.")] = None,
    eval_every: Annotated[int | None, typer.Option("--eval-every", help="Steps between two validations.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    restart: Annotated[bool, typer.Option("--restart", help="Delete this run and begin again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a GPT-2 on the shards (runs/NAME/). Goes on from the run's last checkpoint."""
    # Idle threads of PyTorch that spin starve the busy one as soon as anything else runs (measured: 2 to 7 times).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    options = given(
        steps=steps,
        seed=seed,
        micro_batch=micro_batch,
        batch_tokens=batch_tokens,
        learning_rate=learning_rate,
        save_every=save_every,
        eval_every=eval_every,
    )
    report = open_corpus(corpus, create=False).train(run=run, preset=preset, device=device, restart=restart, **options)
    if as_json:
        typer.echo(json.dumps(report.to_json()))


@commands.command(epilog='Example: webtext generate my-corpus --prompt "The"')
def generate(
    corpus: Folder,
    prompt: Annotated[str, typer.Option("--prompt", help="The text to continue; none begins a new document.")] = "",
    run: Annotated[str, typer.Option("--run", help="The run's name.")] = "default",
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Tokens to add.")] = 100,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", min=0, help="Sample among the k likeliest; 0 among all.")] = 40,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same text.")] = 1,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Write text with a trained run."""
    texts = open_corpus(corpus, create=False).generate(
        prompt, run=run, max_tokens=max_tokens, temperature=temperature, top_k=top_k, seed=seed, num_samples=samples
    )
    if as_json:
        typer.echo(json.dumps({"prompt": prompt, "samples": texts}, ensure_ascii=False))
    else:
        typer.echo(f"\n{'-' * 40}\n".join(texts))
