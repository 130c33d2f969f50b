"""`webtext crawl`: on this machine, as one of several, or joining what several have crawled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import (
    AcceptLoss,
    AsJson,
    Contact,
    Deadline,
    Folder,
    Redo,
    Replay,
    given,
    open_corpus,
    print_reports,
)
from webtext.corpus.errors import UsageError

commands = typer.Typer()

CrawlWorkers = Annotated[int | None, typer.Option("--workers", min=1, help="Crawl processes. Default 1.")]
State = Annotated[
    Path | None,
    typer.Option("--state", metavar="FOLDER", help="A local folder for the ledger while the crawl is under way."),
]


@commands.command(
    epilog="webtext crawl my-corpus --contact me@example.org --workers 4\n"
    "webtext crawl shard-2 --contact me@example.org --shard 2/8\n"
    "webtext crawl my-corpus --merge shard-1 shard-2 shard-3"
)
def crawl(
    corpus: Folder,
    shards: Annotated[
        list[Path] | None, typer.Argument(metavar="[SHARD...]", help="With --merge: the corpora to join.")
    ] = None,
    replay: Replay = None,
    contact: Contact = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", help="Requests under way at once.")] = None,
    delay: Annotated[float | None, typer.Option("--delay", help="Seconds between two requests to a host.")] = None,
    workers: CrawlWorkers = None,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Only this part of the links, by registered domain.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Join the crawls of all shards into this corpus.")] = False,
    state: State = None,
    deadline: Deadline = None,
    redo: Redo = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Delete pages/ and fetch everything again.")] = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Fetch every link once (pages/).

    Links are asked for politely, each host by one process; what is under way when it is stopped or killed is asked for
    again by the next call, nothing else is. Several machines: each crawls its shard with a copy of links/ into a corpus
    of its own; --merge joins them, and the result is that of one machine.
    """
    values = given(contact=contact, concurrency=concurrency, delay=delay)
    opened = open_corpus(corpus, create=False)
    if merge:
        alone = {"--shard": shard, "--workers": workers, "--replay": replay, "--deadline": deadline, "--state": state}
        if beside := [name for name, value in alone.items() if value] or list(values):
            raise UsageError(f"--merge takes no {beside[0]}", where="webtext crawl", hint="it fetches nothing itself")
        print_reports([opened.merge(*(shards or ()), refetch=refetch, accept_loss=accept_loss)], as_json)
        return
    if shards:
        raise UsageError(
            f"takes one corpus; {shards[0]} is a second", where="webtext crawl", hint="--merge joins crawled shards"
        )
    report = opened.crawl(
        replay=replay or (),
        workers=workers,
        shard=shard,
        state=state,
        deadline=deadline,
        redo=redo,
        refetch=refetch,
        accept_loss=accept_loss,
        **values,
    )
    print_reports([report], as_json)
