"""Wikipedia by content: an index of its articles, and the hosts that copies were found on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webtext.commands.options import AsJson, Folder, Workers, open_corpus

commands = typer.Typer()
wikipedia = typer.Typer(
    name="wikipedia",
    help="Copies of Wikipedia by content: an index of its articles, the hosts of mirrors.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
commands.add_typer(wikipedia)


@wikipedia.command(
    epilog="Example: webtext wikipedia index enwiki enwiki-latest-pages-articles-multistream.xml.bz2\n"
    "webtext dedup my-corpus --wikipedia-index enwiki"
)
def index(
    folder: Annotated[Path, typer.Argument(metavar="INDEX", help="Where the index goes: a new folder.")],
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="pages-articles dumps of any language; folders of text.")
    ],
    words: Annotated[int, typer.Option("--words", min=2, max=50, help="Words an n-gram.")] = 5,
    workers: Workers = None,
    redo: Annotated[bool, typer.Option("--redo", help="Make it again of these sources.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an index of articles out of dumps: once, for any number of corpora.

    dedup --wikipedia-index INDEX then removes documents whose text stands in one article. An index of the English
    Wikipedia takes some 30 GB; memory stays under 2 GB.
    """
    from webtext.corpus.progress import say
    from webtext.overlaps import make_article_index

    found, made = make_article_index(folder, *sources, words=words, workers=workers, redo=redo)
    if not made:
        say(f"wikipedia: the index stands, with {found.articles:,} articles; nothing to do")
    if as_json:
        told = {"folder": str(folder), "identity": found.identity, "articles": found.articles, "words": found.words}
        typer.echo(json.dumps({**told, "made": made}))


@wikipedia.command(epilog="Example: webtext wikipedia mirrors my-corpus")
def mirrors(corpus: Folder, as_json: AsJson = False) -> None:
    """The hosts that copies of Wikipedia were found on, with how many of their documents were copies."""
    found = open_corpus(corpus, create=False).mirrors()
    typer.echo(json.dumps(found.to_json(), ensure_ascii=False) if as_json else str(found))
