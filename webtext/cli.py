"""The command line: a thin layer over `webtext.api`, one function a command.

Results go to standard output (`--json` for programs), everything else to standard error. Exit codes: 0 done, 1 failed,
2 wrong use.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webtext.corpus.errors import WebtextError

if TYPE_CHECKING:
    from webtext.api import Corpus
    from webtext.reports import StageReport

app = typer.Typer(
    name="webtext",
    help="From Reddit's outbound links to a trained GPT-2, in one folder.\n\n"
    "Each command takes a corpus folder first; one that does not exist yet becomes a corpus with the defaults. "
    "Every command may be stopped at any moment (Ctrl-C) and run again: it goes on where it was.",
    epilog="Example: webtext build my-corpus RS_2025-01.zst && webtext train my-corpus --preset tiny",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="The corpus folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Redo = Annotated[bool, typer.Option("--redo", help="Make the stage again, with the settings as they are now.")]
AcceptLoss = Annotated[bool, typer.Option("--accept-loss", help="Go on although a stage dropped more than its limit.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes. Default: one a core.")]
Replay = Annotated[
    list[Path] | None,
    typer.Option(
        "--replay", metavar="WARC", help="Answer requests from this WARC file instead of the network. May be repeated."
    ),
]
MinKarma = Annotated[int | None, typer.Option("--min-karma", help="The least karma a link needs. Default 3.")]
KarmaPolicy = Annotated[str | None, typer.Option("--karma-policy", help="max, sum or first. Default max.")]
Nsfw = Annotated[bool | None, typer.Option("--nsfw/--no-nsfw", help="Follow links marked over 18.")]
Contact = Annotated[str | None, typer.Option("--contact", help="Your e-mail address or URL, for site owners.")]
Language = Annotated[str | None, typer.Option("--language", help="The language that stays, or any. Default en.")]
MinWords = Annotated[int | None, typer.Option("--min-words", help="Shorter documents are dropped.")]
Threshold = Annotated[float | None, typer.Option("--threshold", help="Near copies: shingle Jaccard. Default 0.7.")]
Tokenizer = Annotated[str | None, typer.Option("--tokenizer", help="train, gpt2, or a tokenizer's folder.")]
VocabSize = Annotated[int | None, typer.Option("--vocab-size", help="Tokens of a trained vocabulary.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"webtext {installed('webtext')}")
        raise typer.Exit


@app.command(epilog="Example: webtext init my-corpus")
def init(corpus: Folder) -> None:
    """Make a corpus folder with its webtext.toml."""
    opened = _open(corpus)
    typer.echo(f"{opened.path / 'webtext.toml'}: every setting with its default and meaning")


@app.command(epilog="Example: webtext links my-corpus RS_2025-01.zst RS_2025-02.zst --min-karma 5")
def links(
    corpus: Folder,
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Dumps: files, globs or folders.")],
    min_karma: MinKarma = None,
    karma_policy: KarmaPolicy = None,
    nsfw: Nsfw = None,
    workers: Workers = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Select the links of Reddit submissions with enough karma (links/)."""
    given = _given(min_karma=min_karma, karma_policy=karma_policy, nsfw=nsfw)
    report = _open(corpus).links(*sources, workers=workers, redo=redo, accept_loss=accept_loss, **given)
    _print([report], as_json)


@app.command(epilog="Example: webtext crawl my-corpus --contact me@example.org")
def crawl(
    corpus: Folder,
    replay: Replay = None,
    contact: Contact = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", help="Requests under way at once.")] = None,
    delay: Annotated[float | None, typer.Option("--delay", help="Seconds between two requests to a host.")] = None,
    redo: Redo = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Delete pages/ and fetch everything again.")] = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Fetch every link once (pages/)."""
    given = _given(contact=contact, concurrency=concurrency, delay=delay)
    report = _open(corpus, create=False).crawl(
        replay=replay or (), redo=redo, refetch=refetch, accept_loss=accept_loss, **given
    )
    _print([report], as_json)


@app.command(epilog="Example: webtext extract my-corpus --workers 8")
def extract(
    corpus: Folder,
    language: Language = None,
    min_words: MinWords = None,
    workers: Workers = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Take the main text of each page (documents/)."""
    given = _given(language=language, min_words=min_words)
    report = _open(corpus, create=False).extract(workers=workers, redo=redo, accept_loss=accept_loss, **given)
    _print([report], as_json)


@app.command(epilog="Example: webtext dedup my-corpus --threshold 0.8 --redo")
def dedup(
    corpus: Folder,
    threshold: Threshold = None,
    workers: Workers = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Remove copies and say of what (clean/)."""
    given = _given(threshold=threshold)
    report = _open(corpus, create=False).dedup(workers=workers, redo=redo, accept_loss=accept_loss, **given)
    _print([report], as_json)


@app.command(epilog="Example: webtext tokenize my-corpus --vocab-size 8192")
def tokenize(
    corpus: Folder,
    tokenizer: Tokenizer = None,
    vocab_size: VocabSize = None,
    workers: Workers = None,
    redo: Redo = False,
    retrain_tokenizer: Annotated[
        bool, typer.Option("--retrain-tokenizer", help="Train anew instead of keeping the tokenizer.")
    ] = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Train or load a tokenizer and encode the documents (tokenizer/, shards/)."""
    given = _given(tokenizer=tokenizer, vocab_size=vocab_size)
    report = _open(corpus, create=False).tokenize(
        workers=workers, redo=redo, retrain=retrain_tokenizer, accept_loss=accept_loss, **given
    )
    _print([report], as_json)


@app.command(epilog="Example: webtext build my-corpus RS_2025-01.zst --replay pages.warc.gz --workers 2")
def build(
    corpus: Folder,
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE...]", help="Dumps.")] = None,
    replay: Replay = None,
    contact: Contact = None,
    min_karma: MinKarma = None,
    karma_policy: KarmaPolicy = None,
    nsfw: Nsfw = None,
    language: Language = None,
    min_words: MinWords = None,
    threshold: Threshold = None,
    tokenizer: Tokenizer = None,
    vocab_size: VocabSize = None,
    workers: Workers = None,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """All stages: links, crawl, extract, dedup, tokenize. Finished ones are passed over."""
    settings = {
        "links": _given(min_karma=min_karma, karma_policy=karma_policy, nsfw=nsfw),
        "crawl": _given(contact=contact),
        "extract": _given(language=language, min_words=min_words),
        "dedup": _given(threshold=threshold),
        "tokenize": _given(tokenizer=tokenizer, vocab_size=vocab_size),
    }
    reports = _open(corpus).build(
        *(sources or ()), replay=replay or (), workers=workers, accept_loss=accept_loss, settings=settings
    )
    _print(reports, as_json)


@app.command(epilog="Example: webtext train my-corpus --preset tiny --steps 200")
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
    options = _given(
        steps=steps,
        seed=seed,
        micro_batch=micro_batch,
        batch_tokens=batch_tokens,
        learning_rate=learning_rate,
        save_every=save_every,
        eval_every=eval_every,
    )
    report = _open(corpus, create=False).train(run=run, preset=preset, device=device, restart=restart, **options)
    if as_json:
        typer.echo(json.dumps(report.to_json()))


@app.command(epilog='Example: webtext generate my-corpus --prompt "The"')
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
    texts = _open(corpus, create=False).generate(
        prompt, run=run, max_tokens=max_tokens, temperature=temperature, top_k=top_k, seed=seed, num_samples=samples
    )
    if as_json:
        typer.echo(json.dumps({"prompt": prompt, "samples": texts}, ensure_ascii=False))
    else:
        typer.echo(f"\n{'-' * 40}\n".join(texts))


@app.command(epilog="Example: webtext status my-corpus --json")
def status(corpus: Folder, as_json: AsJson = False) -> None:
    """The waterfall of each stage, the fingerprint, the runs, and who is writing now."""
    found = _open(corpus, create=False).status()
    typer.echo(json.dumps(found.to_json()) if as_json else str(found))


@app.command(epilog="Example: webtext demo && webtext status webtext-demo/corpus")
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


def _open(folder: Path, *, create: bool = True) -> Corpus:
    from webtext.api import Corpus

    return Corpus(folder, create=create)


def _given(**flags: Any) -> dict[str, Any]:
    """Only the flags that were given: the others are for webtext.toml to say."""
    return {name: value for name, value in flags.items() if value is not None}


def _print(reports: Sequence[StageReport], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({report.stage: report.to_json() for report in reports}))


def main() -> None:
    """The entry point: every expected failure becomes one message and an exit code."""
    # Libraries warn on the root logger at import; what a user should know comes from us.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app()
    except WebtextError as error:
        print(f"webtext: {error}", file=sys.stderr, flush=True)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
