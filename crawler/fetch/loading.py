"""Bringing the ledger to the links and conditions of a call, before anything is fetched; and to no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from webtext.corpus.files import open_parquet, os_errors
from webtext.corpus.interrupts import Stop
from webtext.corpus.schemas import LINKS
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch import refetch as refetching
from webtext.crawler.fetch import state as states
from webtext.crawler.fetch.conditions import CONDITIONS, SHARD, begins_anew, note_of
from webtext.crawler.fetch.hashing import heed
from webtext.crawler.fetch.ledger import RELEASING, Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest
from webtext.crawler.fetch.shards import Shard
from webtext.crawler.fetch.warc import check_lengths
from webtext.crawler.fetch.workers import SHARDS as DIVIDED
from webtext.crawler.fetch.workers import fold
from webtext.crawler.fetch.workers import note_of as division_note


def prepare(
    run: StageRun,
    links: Sequence[Path],
    conditions: Mapping[str, Any],
    shard: Shard,
    state: Path | None,
    workers: int,
    stop: Stop,
    *,
    refetch: bool,
) -> tuple[int, int]:
    """Bring the ledger to these links and conditions; how many links there are, and how many have ended in it."""
    with os_errors(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    path = run.folder / LEDGER_NAME
    states.check(run.folder)
    if path.exists():
        # A finished ledger is only read until it is clear that it may go on: a refusal must not change it.
        with Ledger.reading(path) if at_rest(path) else Ledger.writing(path) as ledger:
            anew = begins_anew(ledger, conditions)
            if not anew:
                check_lengths(run.folder, ledger.segments())
        if anew:
            refetching.discard(run)
            run.folder.mkdir(exist_ok=True)
    states.settle(run.folder, state)
    with Ledger.writing(path) as ledger:
        ledger.begin_generation()
        ledger.set_meta(RELEASING, None)  # what is left to do of it is done when this crawl is published
        if ledger.meta(DIVIDED) != division_note(wanted_of(run.inputs["links"], shard), workers):
            fold(ledger, run.folder, stop)
        ledger.set_meta(CONDITIONS, note_of(conditions))
        ledger.set_meta(SHARD, None if shard.whole else str(shard))
        if refetch:
            refetching.note_under_way(ledger)
        load_links(ledger, run.inputs["links"], shard, links, stop)
        ledger.take_up()
        total, outcomes = ledger.counts()
        return total, outcomes.total()


def load_links(ledger: Ledger, identity: str, shard: Shard, links: Sequence[Path], stop: Stop) -> None:
    """Have the ledger want these links and no others.

    Args:
        identity: of links/.
        links: its files.
    """
    wanted = wanted_of(identity, shard)
    if ledger.links == wanted:
        return
    # Not set until all are there: after a crash they are loaded again from the first.
    ledger.set_meta("links", None)
    ledger.want_nothing()
    for path in links:
        with open_parquet(path, LINKS) as file:
            for group in range(file.num_row_groups):
                heed(stop)
                rows = file.read_row_group(group, columns=["key", "url", "domain"])
                if not shard.whole:
                    rows = rows.filter(pa.array(shard.holds(rows["domain"].to_pylist())))
                ledger.add_links(rows)
    ledger.set_meta("links", wanted)


def wanted_of(identity: str, shard: Shard) -> str:
    """What the ledger notes of the links that it has."""
    return identity if shard.whole else f"{identity} {shard}"
