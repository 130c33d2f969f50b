"""documents/: the fetched pages taken apart by the workers, each page once.

The steps: decide which link owns a page that several lead to; keep what an earlier generation of the stage has
extracted (where only quality rules have changed that is everything, judged anew), and what was extracted while the
crawl went on; cut the rest into parts of even size; extract them; sort. Text is only ever in a worker.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.config import ExtractSettings
from webtext.corpus.files import read_json, read_parquet, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import DOCUMENTS, LINKS, OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.text.earlier import DECIDED_ANEW, REJECTED_PAGES, Division, all_fresh, divide
from webtext.crawler.text.early import make_choice, take
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.parts import Copy, Files, Part, Rows, extractor_for, make_copy, make_part
from webtext.crawler.text.plan import (
    LINK_COLUMNS,
    PLAN,
    check_there,
    cut_parts,
    join_links,
    made_of,
    numbers,
    pages_digest,
    rows_of,
    split_owned,
)
from webtext.crawler.text.quality import QUALITY_RULES, QUALITY_SETTINGS, rule_of
from webtext.pipelines.engine import Engine, guarded, spread
from webtext.pipelines.sorted_output import ROWS_PER_FILE, sorted_output


def make_documents(
    run: StageRun,
    corpus: Path,
    links: Sequence[Path],
    settings: ExtractSettings,
    *,
    engine: Engine,
    accept_loss: bool,
) -> Manifest:
    """Make the stage documents/ from pages/ and links/, and publish it.

    Args:
        links: the files of links/.

    Raises:
        DamagedFile: the ledger, a segment of pages/, or a file of links/.
        WebtextError: pages/ holds pages of links that links/ does not have.
        LossAlarm: an outcome took more than its limit and `accept_loss` is not set.
    """
    with Ledger.reading(corpus / Stage.PAGES / LEDGER_NAME) as ledger:
        pages = ledger.pages()
    plan = join_links(pages, _read_links(links))
    owned, redirected = split_owned(plan)
    division = _divide(run, corpus, plan, owned)
    lost = division.fresh.filter(pc.equal(division.fresh["length"], 0))
    if lost.num_rows:  # a link that came to own a page later, whose bytes are gone: who had it before keeps it
        owned, redirected = split_owned(plan, numbers(lost["key"], np.uint64))
        division = _divide(run, corpus, plan, owned)
        check_there(run.work, division.fresh)
    early = take(run.work, division.fresh)
    parts = list(_parts(run, early.left, engine.workers))
    copies = list(_copies(run, division))

    engine.each("documents: take", make_choice, early.choices)
    engine.each("documents: keep", partial(make_copy, settings=settings), copies)
    _extract(engine, parts, settings, corpus / Stage.PAGES)

    ahead = [*early.whole, *(choice.files for choice in early.choices)]
    made = [*(part.files for part in parts), *(copy.files for copy in copies), *ahead]
    outcomes = [files.outcomes for files in made]
    outcomes += [_known(run, "redirected", redirected), _known(run, "rejected", division.outcomes)]
    documents = [files.documents for files in made]
    texts = sorted_output(
        engine, run, "documents: sort", documents, DOCUMENTS,
        pattern="documents/part-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["documents"],
    )  # fmt: skip
    ends = sorted_output(
        engine, run, "documents: sort outcomes", outcomes, OUTCOMES,
        pattern="outcomes/documents-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["outcomes"],
    )  # fmt: skip
    counts, rejected, broken = _count(outcomes)
    files, hashes = {**texts.files, **ends.files}, {**texts.hashes, **ends.hashes}
    if broken:
        aside = sorted_output(
            engine, run, "documents: sort aside", [files.aside for files in made], DOCUMENTS,
            pattern="documents/aside-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["documents"],
        )  # fmt: skip
        files, hashes = {**files, **aside.files}, {**hashes, **aside.hashes}
    places, _ = rows_of(plan, rejected)
    return run.publish(
        files,
        hashes,
        rows_in=plan.num_rows,
        rows_out=texts.rows,
        outcomes=counts,
        facts={
            REJECTED_PAGES: pages_digest(plan.take(pa.array(places))),
            **({QUALITY_RULES: dict(sorted(broken.items()))} if broken else {}),
        },
        run={
            "workers": engine.workers,
            "extracted": division.fresh.num_rows,
            "language_audited": sum(read_json(path) for path in (*(part.audits for part in parts), *early.audits)),
            **_tools(),
        },
        accept_loss=accept_loss,
    )


def _tools() -> dict[str, str]:
    found = {}
    for name in ("trafilatura", "lxml", "langdetect", "langdetect_rs", "charset-normalizer"):
        with contextlib.suppress(PackageNotFoundError):  # langdetect_rs is only for speed
            found[name] = version(name)
    return found


def _read_links(paths: Sequence[Path]) -> pa.Table:
    tables = [read_parquet(path, LINKS, LINK_COLUMNS) for path in paths]
    return pa.concat_tables([LINKS.empty_table().select(LINK_COLUMNS), *tables])


def _divide(run: StageRun, corpus: Path, plan: pa.Table, owned: pa.Table) -> Division:
    previous = run.previous
    if (
        previous is None
        or _without_quality(previous.settings) != _without_quality(run.settings)
        or dict(previous.rules) != dict(run.rules)
        # only --redo comes here so: make it all again
        or (dict(previous.inputs) == dict(run.inputs) and dict(previous.settings) == dict(run.settings))
    ):
        return all_fresh(owned)
    division = divide(corpus, previous, plan, owned)
    if division.damaged:
        say(f"documents: {division.damaged} files of the earlier generation are damaged; their pages are read again")
    return division


def _without_quality(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in QUALITY_SETTINGS}


# -- parts -------------------------------------------------------------------------------------------------------------


def _parts(run: StageRun, rows: pa.Table, workers: int) -> Iterator[Part]:
    plan = _plan_file(run, "fresh", rows)
    for start, size in cut_parts(numbers(rows["length"], np.int64), workers):
        content = made_of(rows.slice(start, size))
        yield Part(Rows(plan, start, size), _files(run, content), run.work / "timeouts")


def _copies(run: StageRun, division: Division) -> Iterator[Copy]:
    plan = _plan_file(run, "kept", division.documents)
    for source in division.sources:
        content = made_of(division.documents.slice(source.start, source.rows))
        files = _files(run, [source.sha256, source.group, content])
        yield Copy(Rows(plan, source.start, source.rows), source.path, source.group, files)


def _files(run: StageRun, content: object) -> Files:
    return Files(run.part("documents", content), run.part("aside", content), run.part("outcomes", content))


def _plan_file(run: StageRun, kind: str, plan: pa.Table) -> Path:
    """A plan as a file for the workers. Every run writes it anew: a crawl may have moved the pages' bytes."""
    path = run.work / "plan" / f"{kind}.parquet"
    write_parquet(path, plan, PLAN)
    return path


def _known(run: StageRun, kind: str, rows: pa.Table) -> Path:
    """Outcomes that are known without reading a page, as a part."""
    earlier = run.previous.identity if run.previous is not None else None
    path = run.part(kind, dict(run.inputs), earlier)
    write_parquet(path, rows, OUTCOMES)
    return path


def _count(paths: Sequence[Path]) -> tuple[Counter[str], npt.NDArray[np.uint64], Counter[str]]:
    """How many rows each outcome has, the keys (sorted) of the pages that were looked at and rejected, and how many
    documents each quality rule dropped."""
    counts: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    keys = [np.empty(0, np.uint64)]
    for path in paths:
        rows = read_parquet(path, OUTCOMES, ["key", "outcome", "detail"])
        found = rows["outcome"].to_pylist()
        counts.update(found)
        if Outcome.QUALITY in found:
            details = rows.filter(pc.equal(rows["outcome"], str(Outcome.QUALITY)))["detail"]
            broken.update(rule_of(detail) for detail in details.to_pylist())
        looked_at = np.asarray([outcome not in DECIDED_ANEW for outcome in found], np.bool_)
        keys.append(numbers(rows["key"], np.uint64)[looked_at])
    return counts, np.sort(np.concatenate(keys)), broken


# -- work of the workers -----------------------------------------------------------------------------------------------


def _extract(engine: Engine, parts: Sequence[Part], settings: ExtractSettings, pages: Path) -> None:
    waiting = [part for part in parts if not part.files.made]
    if not waiting:
        return

    def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
        label = "documents: extract"
        return spread(pipeline, label, waiting) | label >> beam.ParDo(_ExtractParts(settings, pages))

    total = sum(part.rows.rows for part in parts)
    engine.run("documents: extract", build, total=total, made=_made(parts), unit="pages")


def _made(parts: Sequence[Part]) -> Callable[[], int]:
    sizes = {part.files.outcomes.name: part.rows.rows for part in parts}

    def count() -> int:
        folder = parts[0].files.outcomes.parent
        return sum(sizes.get(path.name, 0) for path in folder.iterdir()) if folder.is_dir() else 0

    return count


class _ExtractParts(beam.DoFn):  # type: ignore[misc]  # Beam's classes have no types here
    """Extracts parts, one at a time, with one extractor process for all of them."""

    def __init__(self, settings: ExtractSettings, pages: Path) -> None:
        self._settings = settings
        self._pages = pages
        self._extractor: IsolatedExtractor | None = None

    def process(self, part: Part) -> None:
        """Make the files of one part."""
        guarded(self._make)(part)

    def teardown(self) -> None:
        """End the extractor; where an engine does not call this, it ends with the worker."""
        if self._extractor is not None:
            self._extractor.close()
            self._extractor = None

    def _make(self, part: Part) -> None:
        if part.files.made:
            return
        if self._extractor is None:
            self._extractor = extractor_for(self._settings)
        make_part(part, self._pages, self._settings, self._extractor)
