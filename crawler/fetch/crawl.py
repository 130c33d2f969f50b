"""The crawl stage: links in, pages/ and outcomes out. The work is done by `webtext.crawler.fetch.process`.

pages/ is exempt from "same bytes": the order of records in the segments is that of the answers. The stage's identity
takes the ledger's content instead; the hashes of segments, index and ledger stand in the manifest's `run`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import LossAlarm
from webtext.corpus.settings import ArchivesSettings, CrawlSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch import refetch as refetching
from webtext.crawler.fetch import state as states
from webtext.crawler.fetch.archives.passing import ArchivePasses
from webtext.crawler.fetch.child import Job, run_processes
from webtext.crawler.fetch.conditions import (
    RULES,
    check_conditions,
    conditions_of,
    pages_rules,
)
from webtext.crawler.fetch.contact import check_contact
from webtext.crawler.fetch.hashing import heed
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, check_sqlite
from webtext.crawler.fetch.loading import prepare, wanted_of
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.publishing import publish
from webtext.crawler.fetch.replay_index import by_sha256, write_index
from webtext.crawler.fetch.shards import WHOLE, Numbering, Shard
from webtext.crawler.fetch.shared_turns import taking_turns
from webtext.crawler.fetch.site_store import STORE_NAME
from webtext.crawler.fetch.verify import check_ledger, named_ledger, verify_pages
from webtext.crawler.fetch.warc import SEGMENT_BYTES, segment_number
from webtext.crawler.fetch.workers import SHARDS as DIVIDED
from webtext.crawler.fetch.workers import divide, fold, folders

__all__ = ["RULES", "check_conditions", "make_pages", "pages_inputs", "pages_rules", "verify_pages"]

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
    plan = replace(plan, shard=shard)
    if workers == 1:
        jobs, apart = [Job(replace(plan, numbering=numbering), config)], 0
    else:
        with Ledger.writing(path) as ledger:
            if ledger.meta(DIVIDED) is None:
                divide(ledger, run.folder, wanted_of(run.inputs["links"], shard), workers, state, stop)
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
    with taking_turns(plan.hosts, len(jobs)) as turns:
        jobs = [replace(job, plan=replace(job.plan, turns=turns)) for job in jobs]
        run_processes(jobs, corpus, total=total, begun=apart, stop=stop)
    with Ledger.writing(path) as ledger:
        fold(ledger, run.folder, stop)
        if plan.deadline is not None and time.time() >= plan.deadline:
            ledger.defer(DEFERRED)


def _known(previous: Manifest | None) -> dict[int, int]:
    """The segments of an earlier generation of pages/, and their bytes."""
    segments = {} if previous is None else previous.run.get("segments", {})
    return {segment_number(name): int(entry["length"]) for name, entry in segments.items()}
