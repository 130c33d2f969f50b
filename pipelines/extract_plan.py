"""What there is to do for documents/, decided a stretch of pages at a time: what is kept, what is extracted, in parts.

Not for doing it: that is `webtext.pipelines.extract`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.files import identity_of, write_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import OUTCOMES
from webtext.corpus.stages import StageRun
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.text.earlier import Division, Earlier, all_fresh
from webtext.crawler.text.early import Choice, take
from webtext.crawler.text.owners import Owners, find_owners
from webtext.crawler.text.parts import Copy, Files, Part, Rows
from webtext.crawler.text.plan import PLAN, PagesDigest, PartSize, cut_parts, made_of, numbers, rows_of
from webtext.crawler.text.quality import QUALITY_SETTINGS
from webtext.crawler.text.stretches import STRETCH_ROWS, read_stretches, refuse_lost, write_stretches


@dataclass(frozen=True)
class Work:
    """What there is to do, as references to files."""

    stretches: tuple[Path, ...]
    """The plan of all pages."""
    parts: tuple[Part, ...]
    copies: tuple[Copy, ...]
    choices: tuple[Choice, ...]
    made: tuple[Files, ...]
    """What was made ahead, while the crawl went on."""
    audits: tuple[Path, ...]
    outcomes: tuple[Path, ...]
    """Outcomes that are known without reading a page."""
    pages: int
    fresh: int
    """Pages of which nothing is kept from an earlier generation."""

    @property
    def files(self) -> list[Files]:
        """All that has been made when the work is done."""
        todo: tuple[Part | Copy | Choice, ...] = (*self.parts, *self.copies, *self.choices)
        return [*(each.files for each in todo), *self.made]

    def digest(self, keys: npt.NDArray[np.uint64]) -> str:
        """Which pages those with these keys (sorted) are: see `PagesDigest`."""
        digest = PagesDigest()
        wanted = pa.table({"key": keys})
        for plan in read_stretches(self.stretches, ["key", "record_id", "final_url", "fetched"]):
            _, among = rows_of(wanted, numbers(plan["key"], np.uint64))
            digest.add(plan.filter(pa.array(among)))
        return digest.hexdigest()


def plan_work(run: StageRun, corpus: Path, links: Sequence[Path], workers: int) -> Work:
    """Decide what there is to do.

    Args:
        links: the files of links/.

    Raises:
        DamagedFile: the ledger, or a file of links/.
        WebtextError: pages/ holds pages of links that links/ does not have, or the bodies of pages that are needed were
            deleted.
    """
    folder = run.work / "plan"
    with Ledger.reading(corpus / Stage.PAGES / LEDGER_NAME) as ledger:
        stretches = write_stretches(folder, ledger.page_tables(rows=STRETCH_ROWS), links)
    earlier = _earlier(run, corpus, stretches)
    divided = _divide(run, stretches, find_owners(stretches), earlier)
    if len(divided.lost):  # a link that came to own a page later, whose bytes are gone: who had it before keeps it
        divided = _divide(run, stretches, find_owners(stretches, divided.lost), earlier)
        refuse_lost(run.work, divided.fresh)
    early = take(run.work, divided.fresh)
    return Work(
        stretches=tuple(stretches),
        parts=tuple(_parts(run, early.left, workers)),
        copies=tuple(divided.copies),
        choices=early.choices,
        made=early.whole,
        audits=early.audits,
        outcomes=tuple(divided.outcomes),
        pages=divided.pages,
        fresh=divided.fresh_pages,
    )


@dataclass
class _Divided:
    """All stretches, divided."""

    fresh: list[Path] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    outcomes: list[Path] = field(default_factory=list)
    lost: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    pages: int = 0
    fresh_pages: int = 0


def _earlier(run: StageRun, corpus: Path, stretches: Sequence[Path]) -> Earlier | None:
    previous = run.previous
    if (
        previous is None
        or _without_quality(previous.settings) != _without_quality(run.settings)
        or dict(previous.rules) != dict(run.rules)
        # only --redo comes here so: make it all again
        or (dict(previous.inputs) == dict(run.inputs) and dict(previous.settings) == dict(run.settings))
    ):
        return None
    earlier = Earlier(corpus, previous, stretches)
    if earlier.damaged:
        say(f"documents: {earlier.damaged} files of the earlier generation are damaged; their pages are read again")
    return earlier


def _without_quality(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in QUALITY_SETTINGS}


def _divide(run: StageRun, stretches: Sequence[Path], owners: Owners, earlier: Earlier | None) -> _Divided:
    found = _Divided()
    lost = [found.lost]
    for number, plan in enumerate(read_stretches(stretches)):
        owned, redirected = owners.split(plan)
        division = all_fresh(owned) if earlier is None else earlier.divide(owned)
        found.pages += plan.num_rows
        found.fresh_pages += division.fresh.num_rows
        lost.append(numbers(division.fresh.filter(pc.equal(division.fresh["length"], 0))["key"], np.uint64))
        if division.fresh.num_rows:
            found.fresh.append(_plan_file(run, "fresh", number, division.fresh))
        found.copies += _copies(run, number, division)
        for kind, rows in (("redirected", redirected), ("rejected", division.outcomes)):
            if rows.num_rows:
                found.outcomes.append(_known(run, kind, number, rows))
    found.lost = np.concatenate(lost)
    return found


def _parts(run: StageRun, fresh: Sequence[Path], workers: int) -> Iterator[Part]:
    lengths = [numbers(rows["length"], np.int64) for rows in read_stretches(fresh, ["length"])]
    most = PartSize.of(sum(map(len, lengths)), sum(int(own.sum()) for own in lengths), workers)
    for path, own, rows in zip(fresh, lengths, read_stretches(fresh), strict=True):
        for start, size in cut_parts(own, most):
            files = _files(run, made_of(rows.slice(start, size)))
            yield Part(Rows(path, start, size), files, run.work / "timeouts")


def _copies(run: StageRun, number: int, division: Division) -> Iterator[Copy]:
    if not division.sources:
        return
    plan = _plan_file(run, "kept", number, division.documents)
    for source in division.sources:
        content = made_of(division.documents.slice(source.start, source.rows))
        files = _files(run, [source.sha256, source.group, content])
        yield Copy(Rows(plan, source.start, source.rows), source.path, source.group, files)


def _files(run: StageRun, content: object) -> Files:
    name = identity_of(content)  # once: it is the hash of some hundred rows
    return Files(run.part("documents", name), run.part("aside", name), run.part("outcomes", name))


def _plan_file(run: StageRun, kind: str, number: int, plan: pa.Table) -> Path:
    """A stretch as a file for the workers. Every run writes it anew: a crawl may have moved the pages' bytes."""
    path = run.work / "plan" / f"{kind}-{number:05d}.parquet"
    write_parquet(path, plan, PLAN)
    return path


def _known(run: StageRun, kind: str, number: int, rows: pa.Table) -> Path:
    """Outcomes that are known without reading a page, as a part."""
    earlier = run.previous.identity if run.previous is not None else None
    path = run.part(kind, dict(run.inputs), earlier, number)
    write_parquet(path, rows, OUTCOMES)
    return path
