"""The crawl stage: links in, pages/ and outcomes out. The work is done by `webtext.crawler.fetch.process`.

pages/ is exempt from "same bytes": the order of records in the segments is that of the answers. The stage's identity
takes the ledger's content instead; the hashes of segments, index and ledger stand in the manifest's `run`.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from webtext.corpus.config import CrawlSettings
from webtext.corpus.errors import ChangedSettings
from webtext.corpus.files import canonical_json, file_sha256, open_parquet, os_errors, write_parquet, write_stream
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun
from webtext.crawler.fetch.child import run_process
from webtext.crawler.fetch.ledger import PAGE, Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest, generation
from webtext.crawler.fetch.plan import Plan
from webtext.crawler.fetch.replay_index import by_sha256, write_index
from webtext.crawler.fetch.verify import INDEX_NAME, check_ledger, named_ledger, prefix_sha256, verify_pages
from webtext.crawler.fetch.warc import SEGMENT_BYTES, Segments, check_lengths, segment_name
from webtext.crawler.reddit.urls import RULES as URL_RULES

__all__ = ["RULES", "make_pages", "pages_inputs", "verify_pages"]

RULES = {"fetch": 1, **URL_RULES}
"""Rises with any change of the rules that decide an outcome."""

OUTCOME_ROWS = 1_000_000
"""Rows an outcomes file."""

_CONDITIONS = "conditions"


def pages_inputs(links: str, replay: Sequence[Path] = ()) -> dict[str, Any]:
    """What pages/ is made of: the identity of links/, and the sha256 of each WARC file that is crawled again.

    Raises:
        WebtextError: a WARC file is missing, empty or may not be read.
    """
    return {"links": links, **({"replay": list(by_sha256(replay))} if replay else {})}


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
    segment_bytes: int = SEGMENT_BYTES,
) -> Manifest:
    """Give each link one final outcome: a page in the segments, or a row in outcomes/.

    Goes on where an earlier call was stopped or killed; with grown links, fetches the new ones.

    Args:
        run: begun with `pages_inputs` and with `RULES` as rules.
        links: the verified files of links/.
        replay: WARC files that answer instead of the network.
        stop: its `requested` stops the crawl process cleanly, within 30 seconds.
        refetch: throw away what was fetched and begin anew.
        allow_loopback: only for tests and the demo: host names that may lead to this machine, with their address.
        segment_bytes: size from which a segment is followed by the next.

    Raises:
        ChangedSettings: what is in pages/ was fetched under other settings, rules or WARC files.
        DamagedFile: ledger, segment or a WARC file is damaged; the hint says what to do.
        Interrupted: it was stopped.
        LossAlarm: as `StageRun.publish`; what was fetched is kept.
    """
    pages = run.folder
    warcs = {name: path.absolute() for name, path in by_sha256(replay).items()}
    plan = Plan(
        pages=pages.absolute(),
        settings=settings,
        parent=os.getpid(),
        replay=tuple(warcs.values()),
        replay_index=_index(run, warcs),
        segment_bytes=segment_bytes,
        allow_loopback=allow_loopback or {},
    )
    if refetch:
        _discard(run)
    elif run.previous is not None and named_ledger(run.previous):
        check_ledger(pages / LEDGER_NAME, run.previous)
    total, ended = _prepare(run, links, list(warcs), stop)
    if ended < total:
        run_process(plan, run.work / "process.json", corpus, total=total, begun=ended, stop=stop)
    if stop.requested:
        raise stop.error()
    return _publish(run, links, accept_loss=accept_loss)


def _index(run: StageRun, warcs: Mapping[str, Path]) -> Path | None:
    if not warcs:
        return None
    path = run.part("replay", *warcs, suffix=".npy")
    if not path.exists():
        write_index(path, list(warcs.values()))
    return path.absolute()


def _prepare(run: StageRun, links: Sequence[Path], warcs: list[str], stop: Stop) -> tuple[int, int]:
    """Bring the ledger to these links and conditions; how many links there are, and how many have ended."""
    with os_errors(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    path = run.folder / LEDGER_NAME
    conditions = {"settings": dict(run.settings), "rules": dict(run.rules), "replay": warcs}
    if path.exists():
        # A finished ledger is only read until it is clear that it may go on: a refusal must not change it.
        with Ledger.reading(path) if at_rest(path) else Ledger.writing(path) as ledger:
            anew = _begins_anew(ledger, conditions)
            if not anew:
                check_lengths(run.folder, ledger.segments())
        if anew:
            _discard(run)
            run.folder.mkdir()
    with Ledger.writing(path) as ledger:
        ledger.begin_generation()
        ledger.set_meta(_CONDITIONS, canonical_json(conditions).decode())
        _load(ledger, run.inputs["links"], links, stop)
        total, outcomes = ledger.counts()
        return total, outcomes.total()


def _begins_anew(ledger: Ledger, conditions: Mapping[str, Any]) -> bool:
    """Whether more WARC files are replayed than before: then everything is answered again, for the new files may hold
    other answers, and the old ones are all there.

    Raises:
        ChangedSettings: the conditions differ in any other way.
    """
    stored = ledger.meta(_CONDITIONS)
    if stored is None or not ledger.counts()[1].total():
        return False
    before = json.loads(stored)
    for part in ("settings", "rules"):
        for name in sorted({*before[part], *conditions[part]}):
            was, now = before[part].get(name), conditions[part].get(name)
            if was != now:
                raise ChangedSettings(
                    f"pages were fetched with {part} {name} = {was!r}, now it is {now!r}",
                    where="webtext crawl",
                    hint="set it back, or fetch all pages again: webtext crawl CORPUS --refetch",
                )
    old, new = set(before["replay"]), set(conditions["replay"])
    if old == new:
        return False
    if old and old < new:
        return True
    raise ChangedSettings(
        f"pages were fetched from {_source(old)}, now they would come from {_source(new)}",
        where="webtext crawl",
        hint="give all WARC files of before (and any others), or fetch all pages again: webtext crawl CORPUS --refetch",
    )


def _source(warcs: set[str]) -> str:
    return f"{len(warcs)} WARC files (--replay)" if warcs else "the network"


def _load(ledger: Ledger, identity: str, links: Sequence[Path], stop: Stop) -> None:
    if ledger.links == identity:
        return
    # Not set until all are there: after a crash they are loaded again from the first.
    ledger.set_meta("links", None)
    ledger.want_nothing()
    for path in links:
        with open_parquet(path, LINKS) as file:
            for group in range(file.num_row_groups):
                if stop.requested:
                    raise stop.error()
                ledger.add_links(file.read_row_group(group, columns=["key", "url", "domain"]))
    ledger.set_meta("links", identity)


def _publish(run: StageRun, links: Sequence[Path], *, accept_loss: bool) -> Manifest:
    out = run.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    path = run.folder / LEDGER_NAME
    with Ledger.writing(path) as ledger:
        _, outcomes = ledger.counts()
        files = _write_outcomes(ledger, out)
        index = out / run.stage / INDEX_NAME
        write_stream(index, lambda file: file.writelines(f"{line}\n".encode() for line in ledger.cdxj()))
        identity = ledger.identity()
        lengths = ledger.segments()
        Segments(run.folder, lengths, {}).close()  # cuts what nobody counts on
        ledger.rest()
    segments = {
        segment_name(number): {"length": length, "sha256": prefix_sha256(run.folder / segment_name(number), length)}
        for number, length in lengths.items()
    }
    hashes = {name: file_sha256(source) for name, source in files.items()}
    files[f"{run.stage}/{INDEX_NAME}"] = index
    pages = outcomes.pop(PAGE, 0)
    return run.publish(
        files,
        hashes,
        rows_in=sum(_rows(path) for path in links),
        rows_out=pages,
        outcomes=outcomes,
        facts={"ledger": identity},
        run={
            "segments": segments,
            "index": {"sha256": file_sha256(index)},
            "ledger": {"sha256": file_sha256(path), "generation": generation(path)},
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


def _discard(run: StageRun) -> None:
    """Throw pages/ away, in one step for whoever looks: the folder goes to work/, then it is deleted."""
    aside = run.work / "discarded"
    with os_errors(run.folder):
        shutil.rmtree(aside, ignore_errors=True)
        if run.folder.exists():
            run.folder.rename(aside)
            shutil.rmtree(aside)
        for name in run.previous.files if run.previous else ():
            (run.corpus / name).unlink(missing_ok=True)
