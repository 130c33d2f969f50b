"""documents/: the fetched pages taken apart by the workers, each page once.

The steps: decide which link owns a page that several lead to; keep what an earlier generation of the stage has
extracted; cut the rest into parts of even size; extract them; sort. Text is only ever in a worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.config import ExtractSettings
from webtext.corpus.files import read_parquet, write_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import DOCUMENTS, LINKS, OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.text.earlier import REJECTED_PAGES, Division, all_fresh, divide
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.parts import Copy, Part, Rows, extractor_for, make_copy, make_part
from webtext.crawler.text.plan import (
    LINK_COLUMNS,
    PLAN,
    cut_parts,
    join_links,
    made_of,
    numbers,
    pages_digest,
    rows_of,
    split_owned,
)
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
    parts = list(_parts(run, division, engine.workers))
    copies = list(_copies(run, division))

    engine.each("documents: keep", make_copy, copies)
    _extract(engine, parts, settings, corpus / Stage.PAGES)

    outcomes = [part.outcomes for part in parts]
    outcomes += [_aside(run, "redirected", redirected), _aside(run, "rejected", division.outcomes)]
    documents = [part.documents for part in parts] + [copy.documents for copy in copies]
    texts = sorted_output(
        engine, run, "documents: sort", documents, DOCUMENTS,
        pattern="documents/part-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["documents"],
    )  # fmt: skip
    ends = sorted_output(
        engine, run, "documents: sort outcomes", outcomes, OUTCOMES,
        pattern="outcomes/documents-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["outcomes"],
    )  # fmt: skip
    counts, rejected = _count(outcomes)
    places, _ = rows_of(plan, rejected)
    tools = ("trafilatura", "lxml", "langdetect", "charset-normalizer")
    return run.publish(
        {**texts.files, **ends.files},
        {**texts.hashes, **ends.hashes},
        rows_in=plan.num_rows,
        rows_out=texts.rows,
        outcomes=counts,
        facts={REJECTED_PAGES: pages_digest(plan.take(pa.array(places)))},
        run={
            "workers": engine.workers,
            "extracted": division.fresh.num_rows,
            **{name: version(name) for name in tools},
        },
        accept_loss=accept_loss,
    )


def _read_links(paths: Sequence[Path]) -> pa.Table:
    tables = [read_parquet(path, LINKS, LINK_COLUMNS) for path in paths]
    return pa.concat_tables([LINKS.empty_table().select(LINK_COLUMNS), *tables])


def _divide(run: StageRun, corpus: Path, plan: pa.Table, owned: pa.Table) -> Division:
    previous = run.previous
    if (
        previous is None
        or dict(previous.inputs) == dict(run.inputs)  # only --redo comes here so: make it all again
        or dict(previous.settings) != dict(run.settings)
        or dict(previous.rules) != dict(run.rules)
    ):
        return all_fresh(owned)
    division = divide(corpus, previous, plan, owned)
    if division.damaged:
        say(f"documents: {division.damaged} files of the earlier generation are damaged; their pages are read again")
    return division


# -- parts -------------------------------------------------------------------------------------------------------------


def _parts(run: StageRun, division: Division, workers: int) -> Iterator[Part]:
    plan, rows = _plan_file(run, "fresh", division.fresh), division.fresh
    for start, size in cut_parts(numbers(rows["length"], np.int64), workers):
        content = made_of(rows.slice(start, size))
        yield Part(Rows(plan, start, size), run.part("documents", content), run.part("outcomes", content))


def _copies(run: StageRun, division: Division) -> Iterator[Copy]:
    plan = _plan_file(run, "kept", division.documents)
    for source in division.sources:
        content = made_of(division.documents.slice(source.start, source.rows))
        path = run.part("kept", source.sha256, source.group, content)
        yield Copy(Rows(plan, source.start, source.rows), source.path, source.group, path)


def _plan_file(run: StageRun, kind: str, plan: pa.Table) -> Path:
    """A plan as a file for the workers. Every run writes it anew: a crawl may have moved the pages' bytes."""
    path = run.work / "plan" / f"{kind}.parquet"
    write_parquet(path, plan, PLAN)
    return path


def _aside(run: StageRun, kind: str, rows: pa.Table) -> Path:
    """Outcomes that are known without reading a page, as a part."""
    earlier = run.previous.identity if run.previous is not None else None
    path = run.part(kind, dict(run.inputs), earlier)
    write_parquet(path, rows, OUTCOMES)
    return path


def _count(paths: Sequence[Path]) -> tuple[Counter[str], npt.NDArray[np.uint64]]:
    """How many rows each outcome has, and the keys (sorted) of the pages that were looked at and rejected."""
    counts: Counter[str] = Counter()
    keys = [np.empty(0, np.uint64)]
    for path in paths:
        rows = read_parquet(path, OUTCOMES, ["key", "outcome"])
        found = rows["outcome"].to_pylist()
        counts.update(found)
        looked_at = np.asarray([outcome != Outcome.DUPLICATE_REDIRECT for outcome in found], np.bool_)
        keys.append(numbers(rows["key"], np.uint64)[looked_at])
    return counts, np.sort(np.concatenate(keys))


# -- work of the workers -----------------------------------------------------------------------------------------------


def _extract(engine: Engine, parts: Sequence[Part], settings: ExtractSettings, pages: Path) -> None:
    waiting = [part for part in parts if not part.made]
    if not waiting:
        return

    def build(pipeline: beam.Pipeline) -> beam.PCollection[None]:
        label = "documents: extract"
        return spread(pipeline, label, waiting) | label >> beam.ParDo(_ExtractParts(settings, pages))

    total = sum(part.rows.rows for part in parts)
    engine.run("documents: extract", build, total=total, made=_made(parts), unit="pages")


def _made(parts: Sequence[Part]) -> Callable[[], int]:
    sizes = {part.outcomes.name: part.rows.rows for part in parts}

    def count() -> int:
        folder = parts[0].outcomes.parent
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
        if part.made:
            return
        if self._extractor is None:
            self._extractor = extractor_for(self._settings)
        make_part(part, self._pages, self._settings, self._extractor)
