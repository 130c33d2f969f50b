"""Sources of every kind, by name: what is read, and which reader reads it.

Files, globs and folders of dumps and of URL lists; `-` (standard input); remote paths (s3://, https://, file://, …);
listings of Reddit's API (`reddit:/r/NAME/new`). Each becomes a local file that can be read again after an interruption,
and a reader gives its blocks of NDJSON under Reddit's own field names (`webtext.crawler.reddit.blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors
from webtext.crawler.reddit import dumps, lists
from webtext.crawler.reddit.blocks import BLOCK_BYTES, DUMP, Block, Piece, Source
from webtext.crawler.reddit.listing import Endpoints, is_listing, parse_listing
from webtext.crawler.reddit.spool import is_remote, local_path, spool_remote, spool_stdin


@dataclass(frozen=True)
class Spool:
    """Where sources that cannot be read from where they are become local files."""

    folder: Path
    """Copies of what is remote or was piped in; not needed any more when the stage is made."""
    corpus: Path | None = None
    """Where listings are kept for good, and progress is shown; None: listings are refused."""
    endpoints: Endpoints = field(default_factory=Endpoints)


def find_sources(names: Sequence[str | Path], *, accept_loss: bool = False, spool: Spool | None = None) -> list[Source]:
    """The sources that `names` stand for, each content once, in the order of their sha256.

    Args:
        accept_loss: take damaged dumps, too; what is readable of them is read.
        spool: None refuses sources that are not local files.

    Raises:
        UsageError: a name that names nothing, standard input at a terminal, no credentials for the API.
        WebtextError: nothing there, or what is there cannot be read.
        DamagedFile: a dump that is cut off; a file that is not what its ending says.
    """
    found: dict[str, Source] = {}
    for path in _files([str(name) for name in names], spool):
        with os_errors(path):
            source = dumps.source_of(path, accept_loss=accept_loss)
            if source.sha256 not in found:
                found[source.sha256] = replace(source, kind=lists.kind_of(source))
    return [found[sha256] for sha256 in sorted(found)]


def pieces(source: Source) -> list[Piece]:
    """The parts of a source that can be read on their own, in its order."""
    return dumps.pieces(source) if source.kind == DUMP else [Piece(0, 0, source.size)]


def blocks(source: Source, piece: Piece, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The lines of one piece, in blocks."""
    return dumps.blocks(source, piece, size) if source.kind == DUMP else lists.blocks(source, size)


def _files(names: Sequence[str], spool: Spool | None) -> Iterator[Path]:
    for name in names:  # a wrong name is told before anything is fetched
        if is_listing(name):
            parse_listing(name)
    if names.count("-") > 1:
        raise UsageError("standard input is named twice")
    for name in names:
        if is_listing(name):
            continue
        local = local_path(name)
        if local is None and (name == "-" or is_remote(name)):
            where = _needed(spool, name)
            if name == "-":
                yield spool_stdin(where.folder, where.corpus)
            else:
                yield from spool_remote(name, where.folder, where.corpus, dumps.ENDINGS)
        else:
            path = Path(local or name)
            with os_errors(path):
                yield from dumps.expand(path)
    listings = [parse_listing(name) for name in names if is_listing(name)]
    if listings:
        where = _needed(spool, names[0])
        if where.corpus is None:
            raise UsageError(
                "a listing of Reddit's API is gathered by links alone", hint="webtext links CORPUS reddit:…"
            )
        from webtext.crawler.reddit.listing_process import gather

        yield from gather(listings, where.folder, where.corpus, where.endpoints)


def _needed(spool: Spool | None, name: str) -> Spool:
    if spool is None:
        raise UsageError(f"{name} is no local file", hint="copy it here first")
    return spool
