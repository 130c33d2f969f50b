"""Sources of every kind: which reader finds and reads them.

A reader gives blocks of NDJSON under Reddit's own field names (`webtext.crawler.reddit.blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from webtext.crawler.reddit import dumps
from webtext.crawler.reddit.blocks import BLOCK_BYTES, Block, Piece, Source


def find_sources(paths: Sequence[Path], *, accept_loss: bool = False) -> list[Source]:
    """The sources that files, globs and folders name, each content once, in the order of their sha256.

    Raises:
        WebtextError: nothing there, or what is there cannot be read (`webtext.crawler.reddit.dumps.find_sources`).
    """
    return dumps.find_sources(paths, accept_loss=accept_loss)


def pieces(source: Source) -> list[Piece]:
    """The parts of a source that can be read on their own, in its order."""
    return dumps.pieces(source)


def blocks(source: Source, piece: Piece, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The lines of one piece, in blocks."""
    return dumps.blocks(source, piece, size)
