"""The steps from dumps to shards, and `build`, which takes all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import (
    SOURCES,
    AcceptLoss,
    Address,
    AsJson,
    BeamOption,
    BlockDomain,
    BlockSubreddit,
    Contact,
    Deadline,
    Decontaminate,
    Engine,
    Excise,
    Folder,
    KarmaPolicy,
    Languages,
    LinksPreset,
    MinKarma,
    MinWords,
    Nsfw,
    OnlyDomain,
    OnlySubreddit,
    Quality,
    Redo,
    Removed,
    Replay,
    Threshold,
    Tokenizer,
    VocabSize,
    WikipediaIndex,
    Workers,
    engine_of,
    given,
    open_corpus,
    print_reports,
)

commands = typer.Typer()


@commands.command(epilog="Example: webtext links my-corpus RS_2025-01.zst RS_2025-02.zst --min-karma 5")
def links(
    corpus: Folder,
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=SOURCES)],
    preset: LinksPreset = None,
    min_karma: MinKarma = None,
    karma_policy: KarmaPolicy = None,
    nsfw: Nsfw = None,
    removed: Removed = None,
    only_domain: OnlyDomain = None,
    block_domain: BlockDomain = None,
    only_subreddit: OnlySubreddit = None,
    block_subreddit: BlockSubreddit = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Select the links of Reddit submissions with enough karma (links/).

    A URL list may be text (one URL a line), CSV, JSON lines or Parquet; its links without a karma are all kept.
    Sources add up: name next month's dump alone. webtext doctor looks at them before.
    """
    values = given(
        min_karma=min_karma,
        karma_policy=karma_policy,
        nsfw=nsfw,
        removed=removed,
        only_domains=only_domain,
        block_domains=block_domain,
        only_subreddits=only_subreddit,
        block_subreddits=block_subreddit,
    )
    on = engine_of(engine, address, beam_option)
    report = open_corpus(corpus).links(
        *sources, preset=preset, workers=workers, engine=on, redo=redo, accept_loss=accept_loss, **values
    )
    print_reports([report], as_json)


@commands.command(epilog="Example: webtext extract my-corpus --workers 8")
def extract(
    corpus: Folder,
    language: Languages = None,
    min_words: MinWords = None,
    quality: Quality = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Take the main text of each page (documents/)."""
    values = given(languages=language, min_words=min_words, quality=quality)
    on = engine_of(engine, address, beam_option)
    report = open_corpus(corpus, create=False).extract(
        workers=workers, engine=on, redo=redo, accept_loss=accept_loss, **values
    )
    print_reports([report], as_json)


@commands.command(
    epilog="Examples:\nwebtext dedup my-corpus --threshold 0.8 --redo\n"
    "webtext dedup my-corpus --wikipedia-index enwiki\n"
    "webtext dedup my-corpus --decontaminate lambada_test.jsonl --decontaminate wikitext-2 --excise"
)
def dedup(
    corpus: Folder,
    threshold: Threshold = None,
    wikipedia_index: WikipediaIndex = None,
    decontaminate: Decontaminate = None,
    excise: Excise = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Remove copies and say of what (clean/).

    With --wikipedia-index also documents whose text stands in an article; with --decontaminate also text of test sets.
    """
    values = given(
        threshold=threshold,
        wikipedia_index=wikipedia_index,
        decontaminate=decontaminate,
        decontaminate_by=None if excise is None else "excise" if excise else "remove",
    )
    on = engine_of(engine, address, beam_option)
    report = open_corpus(corpus, create=False).dedup(
        workers=workers, engine=on, redo=redo, accept_loss=accept_loss, **values
    )
    print_reports([report], as_json)


@commands.command(epilog="Example: webtext tokenize my-corpus --vocab-size 8192")
def tokenize(
    corpus: Folder,
    tokenizer: Tokenizer = None,
    vocab_size: VocabSize = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    redo: Redo = False,
    retrain_tokenizer: Annotated[
        bool, typer.Option("--retrain-tokenizer", help="Train anew instead of keeping the tokenizer.")
    ] = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Make or take a tokenizer and encode the documents (shards/)."""
    values = given(tokenizer=tokenizer, vocab_size=vocab_size)
    on = engine_of(engine, address, beam_option)
    report = open_corpus(corpus, create=False).tokenize(
        workers=workers, engine=on, redo=redo, retrain=retrain_tokenizer, accept_loss=accept_loss, **values
    )
    print_reports([report], as_json)


@commands.command(epilog="Example: webtext build my-corpus RS_2025-01.zst --replay pages.warc.gz --workers 2")
def build(
    corpus: Folder,
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE...]", help=SOURCES)] = None,
    replay: Replay = None,
    contact: Contact = None,
    deadline: Deadline = None,
    preset: LinksPreset = None,
    min_karma: MinKarma = None,
    karma_policy: KarmaPolicy = None,
    nsfw: Nsfw = None,
    language: Languages = None,
    min_words: MinWords = None,
    quality: Quality = None,
    threshold: Threshold = None,
    tokenizer: Tokenizer = None,
    vocab_size: VocabSize = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    from_recipe: Annotated[
        Path | None,
        typer.Option("--from-recipe", metavar="FILE", help="Fetch the corpus of a recipe (webtext export) again."),
    ] = None,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """All stages: links, crawl, extract, dedup, tokenize. Finished ones are passed over.

    Text is taken from fetched pages while the crawl goes on, on the cores that it leaves.
    """
    settings = {
        "links": given(min_karma=min_karma, karma_policy=karma_policy, nsfw=nsfw),
        "crawl": given(contact=contact),
        "extract": given(languages=language, min_words=min_words, quality=quality),
        "dedup": given(threshold=threshold),
        "tokenize": given(tokenizer=tokenizer, vocab_size=vocab_size),
    }
    on = engine_of(engine, address, beam_option)
    reports = open_corpus(corpus).build(
        *(sources or ()),
        preset=preset,
        replay=replay or (),
        workers=workers,
        engine=on,
        deadline=deadline,
        accept_loss=accept_loss,
        settings=settings,
        recipe=from_recipe,
    )
    print_reports(reports, as_json)
