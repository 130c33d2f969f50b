"""From a ledger in which every link has ended to the published stage: index, outcomes, manifest."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from webtext.corpus.files import open_parquet, write_parquet, write_stream
from webtext.corpus.interrupts import Stop
from webtext.corpus.manifests import Manifest
from webtext.corpus.schemas import LINKS, OUTCOMES
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun
from webtext.crawler.fetch import state as states
from webtext.crawler.fetch.hashing import prefix_sha256, whole_sha256
from webtext.crawler.fetch.ledger import PAGE, Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME, generation
from webtext.crawler.fetch.verify import INDEX_NAME
from webtext.crawler.fetch.warc import Segments, segment_name

OUTCOME_ROWS = 1_000_000
"""Rows an outcomes file."""


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
