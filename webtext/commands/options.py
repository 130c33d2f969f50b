"""What several commands share: their options, how a corpus is opened, how a result is printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from webtext.api import Corpus
    from webtext.reports import StageReport

Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="The corpus folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Redo = Annotated[bool, typer.Option("--redo", help="Make the stage again, with the settings as they are now.")]
AcceptLoss = Annotated[bool, typer.Option("--accept-loss", help="Go on although a stage dropped more than its limit.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="At work at a time. Default: one a core.")]
Engine = Annotated[
    str | None,
    typer.Option("--engine", help="local, dask, flink, spark, dataflow or portable. Default: webtext.toml's."),
]
Address = Annotated[
    str | None, typer.Option("--address", help="Its scheduler, master or job service: tcp://HOST:8786 for dask.")
]
BeamOption = Annotated[
    list[str] | None,
    typer.Option("--beam-option", metavar="NAME=VALUE", help="An option of Beam's runner. May be repeated."),
]
Replay = Annotated[
    list[Path] | None,
    typer.Option(
        "--replay", metavar="WARC", help="Answer requests from this WARC file instead of the network. May be repeated."
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option("--deadline", metavar="WHEN", help="6h, or 2026-11-25 06:00: links left then are deferred."),
]
MinKarma = Annotated[int | None, typer.Option("--min-karma", help="The least karma a link needs. Default 3.")]
KarmaPolicy = Annotated[str | None, typer.Option("--karma-policy", help="max, sum or first. Default max.")]
Nsfw = Annotated[bool | None, typer.Option("--nsfw/--no-nsfw", help="Follow links marked over 18.")]
Removed = Annotated[bool | None, typer.Option("--removed/--no-removed", help="Follow links that moderators removed.")]
LinksPreset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Choose links as webtext, openwebtext or openwebtext2 did: written into webtext.toml; flags go over it.",
    ),
]
SOURCES = "Dumps and URL lists: files, globs, folders; - (standard input); s3://…, https://…; reddit:/r/NAME/new."


def names_option(flag: str, what: str) -> Any:
    """An option that may be repeated, for a setting that is a list: it replaces the list of webtext.toml."""
    return typer.Option(flag, metavar="NAME", help=f"{what} May be repeated; replaces webtext.toml's list.")


OnlyDomain = Annotated[list[str] | None, names_option("--only-domain", "Follow no other domains' links.")]
BlockDomain = Annotated[list[str] | None, names_option("--block-domain", "Follow no links of this domain.")]
OnlySubreddit = Annotated[list[str] | None, names_option("--only-subreddit", "Read no other subreddits.")]
BlockSubreddit = Annotated[list[str] | None, names_option("--block-subreddit", "Do not read this subreddit.")]
Contact = Annotated[str | None, typer.Option("--contact", help="Your e-mail address or URL, for site owners.")]
Languages = Annotated[
    list[str] | None,
    typer.Option("--language", metavar="CODE", help="A language that stays, or any. May be repeated. Default en."),
]
Quality = Annotated[
    list[str] | None,
    typer.Option(
        "--quality",
        metavar="PRESET",
        help="Rules of webtext (none), openwebtext, c4, gopher or fineweb. May be repeated. Default webtext.",
    ),
]
MinWords = Annotated[int | None, typer.Option("--min-words", help="Shorter documents are dropped.")]
Threshold = Annotated[float | None, typer.Option("--threshold", help="Near copies: shingle Jaccard. Default 0.7.")]
WikipediaIndex = Annotated[
    str | None,
    typer.Option("--wikipedia-index", metavar="INDEX", help="Find copies of its articles (webtext wikipedia index)."),
]
Decontaminate = Annotated[
    list[str] | None,
    typer.Option("--decontaminate", metavar="SET", help="A test set whose text may not stay. May be repeated."),
]
Excise = Annotated[
    bool | None,
    typer.Option("--excise/--remove", help="Cut test text out (GPT-3's rule), or remove its documents (default)."),
]
Tokenizer = Annotated[str | None, typer.Option("--tokenizer", help="train, gpt2, gpt2:PATH, or a tokenizer's folder.")]
VocabSize = Annotated[int | None, typer.Option("--vocab-size", help="Tokens of a trained vocabulary.")]


def open_corpus(folder: Path, *, create: bool = True) -> Corpus:
    from webtext.api import Corpus

    return Corpus(folder, create=create)


def given(**flags: Any) -> dict[str, Any]:
    """Only the flags that were given: the others are for webtext.toml to say."""
    return {name: value for name, value in flags.items() if value is not None and value != []}


def engine_of(name: str | None, address: str | None, options: list[str] | None) -> dict[str, Any]:
    """The settings of [engine] that were given."""
    return given(name=name, address=address, options=options or None)


def print_reports(reports: Sequence[StageReport], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({report.stage: report.to_json() for report in reports}))
