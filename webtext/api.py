"""`from webtext.api import Corpus`: everything the command line does, as typed methods.

A corpus is a folder; every method may be stopped at any moment and called again.

>>> import tempfile
>>> from pathlib import Path
>>> folder = Path(tempfile.mkdtemp()) / "corpus"
>>> corpus = Corpus(folder)
>>> corpus.settings.links.min_karma
3
>>> corpus.status().unfinished
('links', 'pages', 'documents', 'clean', 'shards')
>>> corpus.extract()
Traceback (most recent call last):
...
webtext.corpus.errors.WebtextError: ...: pages is not finished
  run webtext links, crawl first (webtext build ... runs all of them)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.config import Settings
from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.lock import lock_holder
from webtext.corpus.manifests import current, fingerprint, is_imported, stages_of
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import read_progress
from webtext.corpus.stages import stage_manifest
from webtext.corpus.tombstones import pending
from webtext.crawls import CorpusCrawls
from webtext.extras import needs
from webtext.folder import SECTIONS
from webtext.overlaps import CorpusOverlaps, beside_of
from webtext.reports import StageReport, Status, shards_of
from webtext.steps import CorpusSteps
from webtext.upkeep import CorpusUpkeep

if TYPE_CHECKING:
    from webtext.crawler.fetch.explain import Explanation
    from webtext.crawler.reddit.findings import Findings

Paths = Sequence[str | os.PathLike[str]]


class Corpus(CorpusSteps, CorpusCrawls, CorpusUpkeep, CorpusOverlaps):
    """A corpus folder, with its steps. See `CorpusFolder` for how it is opened, `CorpusModels` for training.

    Every step takes settings of its section of webtext.toml as keywords; those that shape content are written there.
    `engine` takes settings of the section [engine], such as {"name": "dask", "address": "tcp://…"}: where the work is
    done, for this call.
    """

    def build(
        self,
        *sources: str | os.PathLike[str],
        preset: str | None = None,
        replay: Paths = (),
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
        deadline: str | None = None,
        accept_loss: bool = False,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        recipe: str | os.PathLike[str] | None = None,
    ) -> list[StageReport]:
        """All five stages in order. Finished ones are passed over. Text is taken from pages while others are fetched.

        Args:
            workers: processes; a crawl takes no more of them than its links are worth.
            deadline: as `crawl` takes it; the stages after it go on with what was fetched.
            recipe: instead of sources: fetch the links of a recipe (`export --to recipe`) again, under its settings,
                and say what share came back.
            preset: as `links` takes it.
            settings: by section of webtext.toml, for example `{"tokenize": {"vocab_size": 8192}}`.
        """
        given: dict[str, dict[str, Any]] = {name: dict(values) for name, values in (settings or {}).items()}
        for section in given:
            if section not in SECTIONS.values():
                raise UsageError(f"build has no section {section!r}", hint=f"one of {', '.join(SECTIONS.values())}")
        if sources and recipe is not None:
            raise UsageError("build takes sources or a recipe, not both")
        if recipe is not None:
            with needs("crawl"):
                from webtext.recipes import compare, read_recipe, take_recipe
            read_recipe(Path(recipe))
        imported = is_imported(stage_manifest(self.path, Stage.DOCUMENTS)) and not sources
        self._check_early(given, replay, engine, crawls=not imported)
        if recipe is not None:
            sources = take_recipe(self, Path(recipe))
        common: dict[str, Any] = {"accept_loss": accept_loss}
        piped: dict[str, Any] = {**common, "workers": workers, "engine": engine}
        if imported:
            made = []  # what was imported is not crawled
        else:
            made = [self.links(*sources, preset=preset, **piped, **given.get("links", {}))]
            with self._extracting_early(given.get("extract", {}), workers, engine) as sealed:
                pages = self.crawl(
                    replay=replay, workers=workers, deadline=deadline, _most=True, _sealed=sealed, **common,
                    **given.get("crawl", {}),
                )  # fmt: skip
            if recipe is not None:
                compare(self, Path(recipe))
            made += [pages, self.extract(**piped, **given.get("extract", {}))]
        return [
            *made,
            self.dedup(**piped, **given.get("dedup", {})),
            self.tokenize(**piped, **given.get("tokenize", {})),
        ]

    def _check_early(
        self,
        given: Mapping[str, Mapping[str, Any]],
        replay: Paths,
        engine: Mapping[str, object] | None,
        *,
        crawls: bool,
    ) -> None:
        """Find at once what a later stage would refuse only after hours."""
        settings = self.settings.with_values("engine", engine or {}, where="webtext build")
        for section, values in given.items():
            settings = settings.with_values(section, values, where="webtext build")
        for path in replay:
            with os_errors(path), Path(path).open("rb"):
                pass
        with needs("tokenize"):
            from webtext.pipelines.engines import choose_engine
            from webtext.tokenize.choosing import stated
        if crawls and not replay and stage_manifest(self.path, Stage.PAGES) is None:
            with needs("crawl"):
                from webtext.crawler.fetch.contact import check_contact
            check_contact(settings.crawl)
        stated(settings.tokenize, stage_manifest(self.path, Stage.SHARDS))
        with needs("dedup"):
            beside_of(settings.dedup)
        choose_engine(settings.engine, None, self.path.absolute())

    def status(self) -> Status:
        """The stages with their balance, the fingerprint, the runs, and who writes to the corpus now."""
        from webtext.runs import run_notes, runs_of

        manifests = {stage: stage_manifest(self.path, stage) for stage in Stage}
        finished = {stage: manifest for stage, manifest in manifests.items() if manifest is not None}
        writer = lock_holder(self.path)
        return Status(
            corpus=str(self.path),
            fingerprint=fingerprint(current(finished)),
            stages=tuple(StageReport.of(manifest, made=False) for manifest in finished.values()),
            unfinished=tuple(str(stage) for stage in stages_of(finished) if stage not in current(finished)),
            runs=runs_of(self.path),
            writer=writer,
            progress=read_progress(self.path) if writer is not None else None,
            run_notes=run_notes(self.path, shards_of(finished.get(Stage.SHARDS))),
            forgetting=pending(self.path) is not None,
        )


def doctor(*sources: str | os.PathLike[str], min_karma: int = 3, workers: int | None = None) -> Findings:
    """Look through dumps and lists before anything is made of them: wholeness, nulls, scores and their age, by month.

    It needs no corpus and changes nothing.

    Args:
        sources: as `Corpus.links` takes them, listings of the API excepted.
        min_karma: the threshold whose share is told.
    """
    with needs("crawl"), tempfile.TemporaryDirectory(prefix="webtext-doctor-") as folder:
        from webtext.crawler.reddit.sources import Spool, find_sources
        from webtext.pipelines.doctor import examine
        from webtext.pipelines.engine import Engine
        from webtext.pipelines.engines import cores

        with stop_signals(raising=True):
            found = find_sources([os.fspath(name) for name in sources], accept_loss=True, spool=Spool(Path(folder)))
            return examine(found, min_karma=min_karma, engine=Engine(workers or cores()))


def robots(
    url: str,
    corpus: str | os.PathLike[str] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    contact: str | None = None,
    _little_web: Mapping[str, str] | None = None,
) -> Explanation:
    """What a crawl would do at an address, and why: robots.txt, tdmrep.json and ai.txt of its site.

    Args:
        corpus: whose settings count, and whose cache is looked into first; the defaults without one.
        file: a robots.txt on this machine, to be read as that of the site; then nothing is asked for.
        contact: as the setting.
    """
    with needs("crawl"):
        from webtext.crawler.fetch.robots_command import look_at

        folder = None if corpus is None else Corpus(corpus, create=False)
        settings = Settings() if folder is None else folder.settings
        values = {} if contact is None else {"contact": contact}
        crawl = settings.with_values("crawl", values, where="webtext robots").crawl
        return look_at(url, crawl, None if folder is None else folder.path, file=file, allow_loopback=_little_web)
