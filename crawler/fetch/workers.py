"""A crawl by several processes of this machine: the pending links are divided among them, each with a ledger and
segments of its own below pages/shards/; what they did is then folded into the one ledger, the segments moved.

A crawl that was interrupted goes on with the same processes where links and their number are the same; otherwise what
was done is folded first, and the rest divided anew. At every moment each outcome stands in exactly one ledger that
counts: what is folded twice is taken once.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

from webtext.corpus.faults import fault_point
from webtext.corpus.files import os_errors, sync_folder
from webtext.corpus.interrupts import Stop
from webtext.crawler.fetch import state as states
from webtext.crawler.fetch.hashing import heed
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.ledger_join import Row
from webtext.crawler.fetch.shards import shard_of
from webtext.crawler.fetch.warc import Segments, segment_name

SHARDS = "shards"
"""The folder below pages/, and the main ledger's note of the division."""

_READY, _MAKING = "ready", "making"


def note_of(links: str, workers: int, how: str = _READY) -> str:
    """The note that the links of this identity are divided among so many processes."""
    return json.dumps([how, workers, links])


def folders(pages: Path) -> list[Path]:
    """The folders of the processes, of a division under way."""
    found = [path for path in (pages / SHARDS).glob("*") if path.is_dir()]
    return sorted(found, key=lambda path: int(path.name)) if found else []


def find_segment(pages: Path, name: str) -> Path:
    """Where a segment lies: in pages/, or still with the process that wrote it."""
    path = pages / name
    return path if path.exists() else next(pages.glob(f"{SHARDS}/*/{name}"), path)


def is_divided(ledger: Ledger) -> bool:
    """Whether processes' ledgers may hold outcomes that this one does not have."""
    note = ledger.meta(SHARDS)
    return note is not None and json.loads(note)[0] == _READY


def divide(ledger: Ledger, pages: Path, links: str, workers: int, state: Path | None, stop: Stop) -> list[Path]:
    """Divide the pending links; the processes' folders. An earlier division must have been folded.

    Args:
        links: the identity of links/.
    """
    clear(ledger, pages)
    ledger.set_meta(SHARDS, note_of(links, workers, _MAKING))
    made = [pages / SHARDS / str(number) for number in range(1, workers + 1)]
    for folder in made:
        with os_errors(folder):
            folder.mkdir(parents=True)
        states.settle(folder, state)
    with ExitStack() as stack:
        shards = [stack.enter_context(Ledger.writing(folder / LEDGER_NAME)) for folder in made]
        for rows in ledger.pending():
            heed(stop)
            dealt: list[list[Row]] = [[] for _ in shards]
            for row in rows:
                dealt[shard_of(row[2], workers) - 1].append(row)
            for shard, share in zip(shards, dealt, strict=True):
                shard.add_pending(share)
    fault_point("merge.divided")
    ledger.set_meta(SHARDS, note_of(links, workers))
    return made


def fold(ledger: Ledger, pages: Path, stop: Stop) -> None:
    """Take in what the processes did, and remove their folders. Every process has ended."""
    if is_divided(ledger):
        for folder in folders(pages):
            if (folder / LEDGER_NAME).exists():
                _fold(ledger, pages, folder, stop)
            _remove(folder)
    clear(ledger, pages)


def clear(ledger: Ledger, pages: Path) -> None:
    """Remove a division of which nothing is needed any more."""
    ledger.set_meta(SHARDS, None)
    for folder in folders(pages):
        _remove(folder)
    shutil.rmtree(pages / SHARDS, ignore_errors=True)


def _fold(ledger: Ledger, pages: Path, folder: Path, stop: Stop) -> None:
    with Ledger.writing(folder / LEDGER_NAME) as shard:
        lengths = shard.segments()
        there = {number: length for number, length in lengths.items() if (folder / segment_name(number)).exists()}
        Segments(folder, there, {}).close()  # cuts what nobody counts on
        with os_errors(pages):
            for number in there:
                (folder / segment_name(number)).rename(pages / segment_name(number))
            sync_folder(pages)
        fault_point("merge.moved")
        ledger.add_segments(lengths)
        for links, responses in shard.ended():
            heed(stop)
            ledger.adopt(links, responses, _same(lengths))
    fault_point("merge.folded")


def _same(lengths: dict[int, int]) -> dict[int, int]:
    return {number: number for number in lengths}


def _remove(folder: Path) -> None:
    """What a kill leaves of it is folded again without effect, or has no ledger and is removed."""
    with os_errors(folder):
        states.remove(folder)
        shutil.rmtree(folder)
