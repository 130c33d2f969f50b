"""The crawl stage: links in, pages/ and outcomes out. The work is done by `webtext.crawler.fetch.process`.

pages/ is exempt from "same bytes": the order of records in the segments is that of the answers. The stage's identity
takes the ledger's content instead; the hashes of segments, index and ledger stand in the manifest's `run`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from webtext.corpus.config import ArchivesSettings, CrawlSettings
from webtext.corpus.files import open_parquet, os_errors, write_parquet, write_stream
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import LossAlarm
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun
from webtext.crawler.fetch import refetch as refetching
from webtext.crawler.fetch import state as states
from webtext.crawler.fetch.archives.passing import ArchivePasses
from webtext.crawler.fetch.child import Job, run_processes
from webtext.crawler.fetch.conditions import (
    CONDITIONS,
    RULES,
    SHARD,
    begins_anew,
    check_conditions,
    conditions_of,
    note_of,
    pages_rules,
)
from webtext.crawler.fetch.contact import check_contact
from webtext.crawler.fetch.hashing import heed, prefix_sha256, whole_sha256
from webtext.crawler.fetch.ledger import PAGE, RELEASING, Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest, check_sqlite, generation
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.replay_index import by_sha256, write_index
from webtext.crawler.fetch.shards import WHOLE, Numbering, Shard
from webtext.crawler.fetch.site_store import STORE_NAME
from webtext.crawler.fetch.verify import INDEX_NAME, check_ledger, named_ledger, verify_pages
from webtext.crawler.fetch.warc import SEGMENT_BYTES, Segments, check_lengths, segment_name, segment_number
from webtext.crawler.fetch.workers import SHARDS as DIVIDED
from webtext.crawler.fetch.workers import divide, fold, folders
from webtext.crawler.fetch.workers import note_of as division_note

__all__ = ["RULES", "check_conditions", "make_pages", "pages_inputs", "pages_rules", "verify_pages"]

OUTCOME_ROWS = 1_000_000
"""Rows an outcomes file."""

DEFERRED = "not begun before the deadline"
"""The detail of a link that the deadline left."""


def pages_inputs(
    links: str,
    replay: Sequence[Path] = (),
    stop: Stop | None = None,
    shard: Shard | None = None,
    sources: Sequence[str] = (),
) -> dict[str, Any]:
    """What pages/ is made of: the identity of links/, which shard of it, and the sha256 of each WARC file that is
    crawled again, or the sources where archives are among them (`archives.passing.describe`).

    Raises:
        Interrupted: the user asked to stop.
        WebtextError: a WARC file is missing, empty or may not be read.
    """
    return {
        "links": links,
        **({"replay": list(by_sha256(replay, stop))} if replay else {}),
        **({"shard": str(shard)} if shard is not None and not shard.whole else {}),
        **({"sources": list(sources)} if sources else {}),
    }


def make_pages(
    run: StageRun,
    corpus: Path,
    links: Sequence[Path],
    settings: CrawlSettings,
    *,
    replay: Sequence[Path] = (),
    accept_loss: bool,
    stop: Stop,
    refetch: bool = False,
    allow_loopback: Mapping[str, str] | None = None,
    clock: str = "",
    segment_bytes: int = SEGMENT_BYTES,
    workers: int = 1,
    state: Path | None = None,
    deadline: float | None = None,
    sealed: Path | None = None,
    archives: ArchivesSettings | None = None,
) -> Manifest:
    """Give each link one final outcome: a page in the segments, or a row in outcomes/.

    Goes on where an earlier call was stopped or killed; with grown links, fetches the new ones.

    Args:
        run: begun with `pages_inputs` (which name the shard), and with `pages_rules` as rules.
        links: the verified files of links/.
        replay: WARC files that answer instead of the network.
        stop: its `requested` stops the crawl process cleanly, within 30 seconds.
        refetch: throw away what was fetched and begin anew; goes on where an earlier call with it was interrupted.
        allow_loopback: only for tests and the demo: host names that may lead to this machine, with their address.
        clock: only for tests and the demo: the time (ISO 8601) at which every answer is said to come.
        segment_bytes: size from which a segment is followed by the next.
        workers: processes that divide the links among them.
        state: the folder for ledgers while the crawl is under way; the pages' own by default.
        deadline: seconds since 1970; links that have not been begun then are `deferred`, and taken up by the next call.
        sealed: where the pages of each finished segment are listed (`webtext.crawler.fetch.sealing`).
        archives: how archives are asked; None: they are not. Nor are they where `inputs` name no sources (a replay, one
            shard of several: links that archives come first for are then left to the joined crawl, as `deferred`).

    Raises:
        ChangedSettings: what is in pages/ was fetched under other settings, rules or WARC files.
        DamagedFile: ledger, segment or a WARC file is damaged; the hint says what to do.
        Interrupted: it was stopped.
        UsageError: the network is to be crawled, and nobody is named who can be reached about it.
        LossAlarm: as `StageRun.publish`; what was fetched is kept.
    """
    check_sqlite()
    pages = run.folder
    if not replay and not (pages / LEDGER_NAME).exists():
        check_contact(settings)
    warcs = {name: path.absolute() for name, path in by_sha256(replay, stop).items()}
    conditions = conditions_of(settings, list(warcs))
    plan = Plan(
        pages=pages.absolute(),
        corpus=run.corpus.absolute(),
        settings=settings,
        parent=os.getpid(),
        replay=tuple(warcs.values()),
        replay_index=_index(run, warcs, stop),
        segment_bytes=segment_bytes,
        hosts=None if replay else (pages if state is None else state).absolute() / STORE_NAME,
        allow_loopback=allow_loopback or {},
        clock=clock,
        deadline=deadline,
        sealed=None if sealed is None else sealed.absolute(),
        known=_known(run.previous),
    )
    shard = Shard.parse(run.inputs["shard"]) if "shard" in run.inputs else WHOLE
    if refetch:
        if not refetching.is_under_way(run, conditions, stop, accept_loss=accept_loss):
            refetching.discard(run)
    elif run.previous is not None and named_ledger(run.previous):
        check_ledger(pages / LEDGER_NAME, run.previous, stop)
    total, ended = prepare(run, links, conditions, shard, state, workers, stop, refetch=refetch)
    passes = None
    if archives is not None and ("sources" in run.inputs or (not replay and not shard.whole)):
        passes = ArchivePasses(corpus, plan, archives, run.work / "archives.json", links, stop)
        ended = passes.before() if shard.whole else passes.leave()
    if ended < total:
        if not replay:
            check_contact(settings)
        _fetch(run, corpus, plan, shard, state, workers, stop, total=total, ended=ended)
    if passes is not None and shard.whole:
        passes.after()
    heed(stop)
    try:
        return publish(run, links, stop, accept_loss=accept_loss)
    except LossAlarm:
        if refetch:
            refetching.note_refused(run)
        raise


def _index(run: StageRun, warcs: Mapping[str, Path], stop: Stop) -> Path | None:
    if not warcs:
        return None
    path = run.part("replay", *warcs, suffix=".npy")
    if not path.exists():
        write_index(path, list(warcs.values()), stop)
    return path.absolute()


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
        if ledger.meta(DIVIDED) != division_note(_wanted(run.inputs["links"], shard), workers):
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
    wanted = _wanted(identity, shard)
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


def _fetch(
    run: StageRun,
    corpus: Path,
    plan: Plan,
    shard: Shard,
    state: Path | None,
    workers: int,
    stop: Stop,
    *,
    total: int,
    ended: int,
) -> None:
    """Run the crawl processes, and bring together what they did; what the deadline left is deferred."""
    path = run.folder / LEDGER_NAME
    config = run.work / "process.json"
    numbering = Numbering.of_shard(shard)
    if workers == 1:
        jobs, apart = [Job(replace(plan, numbering=numbering), config)], 0
    else:
        with Ledger.writing(path) as ledger:
            if ledger.meta(DIVIDED) is None:
                divide(ledger, run.folder, _wanted(run.inputs["links"], shard), workers, state, stop)
            shares = numbering.divide(max(ledger.segments(), default=-1), workers)
        for folder in folders(run.folder):
            states.settle(folder, state)
        jobs = [
            Job(
                replace(plan, pages=folder.absolute(), numbering=share), config.with_name(f"process-{folder.name}.json")
            )
            for folder, share in zip(folders(run.folder), shares, strict=True)
        ]
        apart = ended
    run_processes(jobs, corpus, total=total, begun=apart, stop=stop)
    with Ledger.writing(path) as ledger:
        fold(ledger, run.folder, stop)
        if plan.deadline is not None and time.time() >= plan.deadline:
            ledger.defer(DEFERRED)


def publish(
    run: StageRun,
    links: Sequence[Path],
    stop: Stop,
    *,
    accept_loss: bool,
    hashes: Mapping[int, str] | None = None,
) -> Manifest:
    """Write index and outcomes from the ledger, in which every link has ended, and publish the stage.

    Args:
        hashes: the sha256 of segments (in their committed lengths) that are known already.
    """
    known = hashes or {}
    out = run.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    path = run.folder / LEDGER_NAME
    with Ledger.writing(path) as ledger:
        index = out / run.stage / INDEX_NAME
        with ledger.until(stop):
            _, outcomes = ledger.counts()
            files = _write_outcomes(ledger, out)
            write_stream(index, lambda file: file.writelines(f"{line}\n".encode() for line in ledger.cdxj()))
            identity = ledger.identity()
        lengths = ledger.segments()
        total, _ = ledger.counts()
        Segments(run.folder, lengths, {}).close()  # cuts what nobody counts on
        ledger.rest()
    states.bring_home(run.folder)
    segments = {
        segment_name(number): {
            "length": length,
            "sha256": known.get(number) or prefix_sha256(run.folder / segment_name(number), length, stop),
        }
        for number, length in lengths.items()
        if length
    }
    sums = {name: whole_sha256(source, stop) for name, source in files.items()}
    files[f"{run.stage}/{INDEX_NAME}"] = index
    pages = outcomes.pop(PAGE, 0)
    return run.publish(
        files,
        sums,
        rows_in=total if "shard" in run.inputs else sum(_rows(path) for path in links),
        rows_out=pages,
        outcomes=outcomes,
        facts={"ledger": identity},
        run={
            "segments": segments,
            "index": {"sha256": whole_sha256(index, stop)},
            "ledger": {"sha256": whole_sha256(path, stop), "generation": generation(path)},
        },
        accept_loss=accept_loss,
    )


def _write_outcomes(ledger: Ledger, out: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    rest = OUTCOMES.empty_table()
    tables = ledger.outcomes()
    for number in itertools.count():
        while len(rest) < OUTCOME_ROWS and (table := next(tables, None)) is not None:
            rest = pa.concat_tables([rest, table])
        if number and not len(rest):
            return files
        name = f"{OUTCOMES_FOLDER}/pages-{number:05d}.parquet"
        write_parquet(out / name, rest.slice(0, OUTCOME_ROWS), OUTCOMES)
        files[name] = out / name
        rest = rest.slice(OUTCOME_ROWS)
    return files


def _rows(path: Path) -> int:
    with open_parquet(path, LINKS) as file:
        return int(file.metadata.num_rows)


def _known(previous: Manifest | None) -> dict[int, int]:
    """The segments of an earlier generation of pages/, and their bytes."""
    segments = {} if previous is None else previous.run.get("segments", {})
    return {segment_number(name): int(entry["length"]) for name, entry in segments.items()}


def _wanted(identity: str, shard: Shard) -> str:
    """What the ledger notes of the links that it has."""
    return identity if shard.whole else f"{identity} {shard}"
