"""documents/: the fetched pages taken apart by the workers, each page once.

The steps: decide which link owns a page that several lead to; keep what an earlier generation of the stage has
extracted (where only quality rules have changed that is everything, judged anew), and what was extracted while the
crawl went on; cut the rest into parts of even size (`extract_plan`); extract them; sort. Text is only ever in a worker.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from webtext.corpus.files import read_json, read_parquet
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import DOCUMENTS, OUTCOMES
from webtext.corpus.settings import ExtractSettings
from webtext.corpus.stages import StageRun
from webtext.crawler.text.earlier import DECIDED_ANEW, REJECTED_PAGES
from webtext.crawler.text.early import make_choice
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.parts import Part, extractor_for, make_copy, make_part
from webtext.crawler.text.plan import numbers
from webtext.crawler.text.quality import QUALITY_RULES, rule_of
from webtext.pipelines.engine import Engine, guarded, spread
from webtext.pipelines.extract_plan import plan_work
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
    work = plan_work(run, corpus, links, engine.workers)
    engine.each("documents: take", make_choice, work.choices)
    engine.each("documents: keep", partial(make_copy, settings=settings), work.copies)
    _extract(engine, work.parts, settings, corpus / Stage.PAGES)

    outcomes = [*(files.outcomes for files in work.files), *work.outcomes]
    documents = [files.documents for files in work.files]
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
            engine, run, "documents: sort aside", [files.aside for files in work.files], DOCUMENTS,
            pattern="documents/aside-{:05d}.parquet", rows_per_file=ROWS_PER_FILE["documents"],
        )  # fmt: skip
        files, hashes = {**files, **aside.files}, {**hashes, **aside.hashes}
    return run.publish(
        files,
        hashes,
        rows_in=work.pages,
        rows_out=texts.rows,
        outcomes=counts,
        facts={
            REJECTED_PAGES: work.digest(rejected),
            **({QUALITY_RULES: dict(sorted(broken.items()))} if broken else {}),
        },
        run={
            "workers": engine.workers,
            "extracted": work.fresh,
            "language_audited": sum(read_json(path) for path in (*(part.audits for part in work.parts), *work.audits)),
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
