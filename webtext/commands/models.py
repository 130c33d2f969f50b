"""Training a model on the shards, and writing text with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from webtext.commands.options import AsJson, given

commands = typer.Typer()

Source = Annotated[Path, typer.Argument(metavar="CORPUS|SHARDS", help="A corpus, or a folder of shards.")]
Model = Annotated[
    Path, typer.Argument(metavar="CORPUS|FOLDER", help="A corpus with a run, or a Hugging Face or OpenAI GPT-2 folder.")
]
Run = Annotated[str, typer.Option("--run", help="The run's name, a folder below runs/.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]


@commands.command(epilog="Example: webtext train my-corpus --preset tiny --steps 200")
def train(
    source: Source,
    run: Run = "default",
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", help="tiny, 124M, 355M, 774M, 1558M or another name of these. Default: webtext.toml's."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option("--init", metavar="FOLDER", help="Start from a GPT-2: Hugging Face's or OpenAI's folder."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps in all. Default: the preset's recipe.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of weights and order. Default 1.")] = None,
    batch_tokens: Annotated[
        int | None, typer.Option("--batch-tokens", help="Tokens a step. Default: the preset's recipe.")
    ] = None,
    micro_batch: Annotated[
        int | None,
        typer.Option("--micro-batch", help="Sequences at once; the batch stays as it is. Default: as many as fit."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Its peak. Default: the preset's recipe.")
    ] = None,
    decay_steps: Annotated[
        int | None, typer.Option("--decay-steps", help="Where it has come down to a tenth. Default: --steps.")
    ] = None,
    save_every: Annotated[int | None, typer.Option("--save-every", help="Steps between two checkpoints.")] = None,
    eval_every: Annotated[int | None, typer.Option("--eval-every", help="Steps between two validations.")] = None,
    eval_windows: Annotated[int | None, typer.Option("--eval-windows", help="The most windows of one.")] = None,
    eval_tasks: Annotated[
        str | None,
        typer.Option(
            "--eval-tasks", metavar="NAME,…", help="Zero-shot tasks that are scored on the way (webtext eval)."
        ),
    ] = None,
    eval_tasks_every: Annotated[
        int | None,
        typer.Option("--eval-tasks-every", min=1, help="Steps between two scores. Default: --save-every, or 1,000."),
    ] = None,
    eval_data: Annotated[
        Path | None, typer.Option("--eval-data", metavar="DIR", help="The folder with the test sets of --eval-tasks.")
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", help="Checkpoints kept besides the best. Default 2.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", help="Texts written each time. Default 3.")] = None,
    overfit: Annotated[
        bool | None,
        typer.Option("--overfit-one-batch", help="Read one batch again and again: the loss must go to nearly 0."),
    ] = None,
    sample_every: Annotated[
        int | None, typer.Option("--sample-every", help="Steps between two times. Default: as validations.")
    ] = None,
    within_documents: Annotated[
        bool | None, typer.Option("--within-documents", help="Tokens look at their own document only.")
    ] = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, bf16, fp16, tf32 or fp32.")] = "auto",
    compiling: Annotated[str, typer.Option("--compile", help="torch.compile: auto, on or off.")] = "auto",
    recompute: Annotated[
        str, typer.Option("--recompute", help="Keep less in memory, compute it twice: auto, on or off.")
    ] = "auto",
    parallel: Annotated[str, typer.Option("--parallel", help="Under torchrun: auto, ddp or fsdp.")] = "auto",
    spike_z: Annotated[
        float | None, typer.Option("--spike-z", help="Deviations from which a step is skipped. Default 6; 0: never.")
    ] = None,
    print_every: Annotated[
        int | None, typer.Option("--print-every", help="Steps between two lines. Default: each, one a second at most.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write runs/NAME/tensorboard/, too.")] = False,
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Try a micro-batch first, for its memory and time.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take; train nothing.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Delete this run and begin again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a GPT-2 on the shards (runs/NAME/). Goes on from the run's last checkpoint.

    On several GPUs or machines: torchrun --nproc-per-node 8 -m -- webtext.cli train my-corpus (docs/train.md)
    """
    from webtext.models import open_models

    _calm_threads()
    options = given(
        init=init,
        steps=steps,
        seed=seed,
        batch_tokens=batch_tokens,
        micro_batch=micro_batch,
        learning_rate=learning_rate,
        decay_steps=decay_steps,
        save_every=save_every,
        eval_every=eval_every,
        eval_windows=eval_windows,
        eval_tasks=[name.strip() for name in eval_tasks.split(",") if name.strip()] if eval_tasks else None,
        eval_tasks_every=eval_tasks_every,
        eval_data=eval_data,
        keep=keep,
        samples=samples,
        sample_every=sample_every,
        spike_z=spike_z,
        print_every=print_every,
        overfit_one_batch=overfit or None,
        within_documents=within_documents or None,
    )
    machine: dict[str, Any] = {
        "precision": precision,
        "compile": compiling,
        "recompute": recompute,
        "parallel": parallel,
    }
    report = open_models(source).train(
        run=run, preset=preset, device=device, restart=restart, tensorboard=tensorboard, trial=trial, dry_run=dry_run,
        **machine, **options,
    )  # fmt: skip
    if as_json and os.environ.get("RANK", "0") == "0":
        typer.echo(json.dumps(report.to_json()))


@commands.command(
    epilog='Examples: webtext generate my-corpus --prompt "The"; webtext generate gpt2-folder --interactive; '
    "webtext generate my-corpus --prompts prompts.txt --json"
)
def generate(
    model: Model,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="The text to continue; without one a new document is begun.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="FILE", help="One prompt a line (JSON in a .jsonl); - for standard input."),
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", help="Ask for prompts, until Ctrl-D.")] = False,
    run: Run = "default",
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="Of a run: last, best, or a step's number.")] = "last",
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Tokens to add.")] = 100,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", min=0, help="Sample among the k likeliest; 0 among all.")] = 40,
    top_p: Annotated[float, typer.Option("--top-p", help="Of those, among the likeliest of this probability.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same text.")] = 1,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many of each prompt.")] = 1,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="End before this text. May be repeated.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Texts written at once.")] = 16,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write text with a trained run, or with any folder of a GPT-2."""
    from webtext.commands import writing

    _calm_threads()
    asked = writing.prompts_of(prompt, prompts, interactive=interactive)
    options: dict[str, Any] = {
        "max_tokens": max_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p,
    }  # fmt: skip
    session = writing.Session.open(
        model, run=run, checkpoint=checkpoint, device=device, seed=seed, stop=tuple(stop or ()), **options
    )
    if asked is None:
        session.converse()
    elif as_json or samples > 1 or len(asked) > 1:
        session.write(asked, samples, batch_size, as_json=as_json)
    else:
        session.stream(asked[0], seed=seed)


def _calm_threads() -> None:
    # Idle threads of PyTorch that spin starve the busy one as soon as anything else runs (measured: 2 to 7 times).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
