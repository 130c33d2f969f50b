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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.config import Settings
from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.lock import lock_holder
from webtext.corpus.manifests import current, fingerprint, is_imported, stages_of
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import read_progress
from webtext.corpus.stages import roll_forward, stage_manifest
from webtext.corpus.tombstones import pending
from webtext.crawls import CorpusCrawls
from webtext.extras import needs
from webtext.folder import SECTIONS
from webtext.overlaps import CorpusOverlaps, beside_of, located
from webtext.reports import StageReport, Status, nothing_to_do, report_made, shards_of
from webtext.upkeep import CorpusUpkeep

if TYPE_CHECKING:
    from webtext.crawler.fetch.explain import Explanation
    from webtext.crawler.reddit.findings import Findings

Paths = Sequence[str | os.PathLike[str]]


class Corpus(CorpusCrawls, CorpusUpkeep, CorpusOverlaps):
    """A corpus folder, with its steps. See `CorpusFolder` for how it is opened, `CorpusModels` for training.

    Every step takes settings of its section of webtext.toml as keywords; those that shape content are written there.
    `engine` takes settings of the section [engine], such as {"name": "dask", "address": "tcp://…"}: where the work is
    done, for this call.
    """

    def links(
        self,
        *sources: str | os.PathLike[str],
        preset: str | None = None,
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
        redo: bool = False,
        accept_loss: bool = False,
        _reddit: tuple[str, str] | None = None,
        **settings: object,
    ) -> StageReport:
        """Select the outbound links of Reddit submissions: `sources` to `links/`.

        Sources are dumps and URL lists (files, globs, folders), `-` for standard input, remote paths (s3://, https://)
        and listings of Reddit's API (reddit:/r/NAME/new). They add up: with one more only that one is read, and the
        result equals reading all at once.

        Args:
            preset: webtext, openwebtext or openwebtext2: the settings that corpus was made with; others go over it.
            accept_loss: go on although a dump is cut off, or its scores say nothing, or a limit is passed.
        """
        with needs("crawl"):
            from webtext.crawler.reddit.presets import preset_values
            from webtext.crawler.reddit.sources import Spool, find_sources
            from webtext.crawler.reddit.spool import SPOOL, clear
        settings = {**preset_values(preset), **settings}
        with self._writing("links", settings, Stage.LINKS, engine=engine) as wanted, needs("crawl"):
            from webtext.crawler.reddit.listing import Endpoints
            from webtext.pipelines.engines import choose_engine
            from webtext.pipelines.links import RULES, links_inputs, make_links

            if not sources:
                hint = "name at least one dump: webtext links CORPUS SOURCE…"
                standing = self._standing(Stage.LINKS, wanted, RULES, redo=redo, hint=hint)
                return StageReport.of(standing, made=False)
            if is_imported(stage_manifest(self.path, Stage.DOCUMENTS)):
                raise WebtextError(
                    "its documents were imported", where=self.path, hint="crawl links in a corpus of their own"
                )
            spool = Spool(self.path / SPOOL, self.path, Endpoints(*_reddit) if _reddit else Endpoints())
            found = find_sources([os.fspath(name) for name in sources], accept_loss=accept_loss, spool=spool)
            if wanted.engine.name != "local":  # other processes work in other folders
                found = [replace(source, path=source.path.absolute()) for source in found]
            roll_forward(self.path, Stage.LINKS)
            previous = None if redo else stage_manifest(self.path, Stage.LINKS)
            run = self._begin(Stage.LINKS, wanted, RULES, links_inputs(found, previous), settings, redo=redo)
            if not run.done:
                on = choose_engine(wanted.engine, workers, self.path)
                made = make_links(run, found, wanted.links, engine=on, accept_loss=accept_loss, redo=redo)
            clear(self.path)
            return nothing_to_do(run) if run.done else report_made(made)

    def extract(
        self,
        *,
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
        redo: bool = False,
        accept_loss: bool = False,
        **settings: object,
    ) -> StageReport:
        """Take the main text of every page: `pages/` to `documents/`."""
        with self._writing("extract", settings, Stage.DOCUMENTS, engine=engine) as wanted, needs("crawl"):
            from webtext.crawler.fetch.crawl import verify_pages
            from webtext.crawler.fetch.release import go_on_releasing, release_pages
            from webtext.crawler.text.rules import RULES
            from webtext.pipelines.engines import choose_engine
            from webtext.pipelines.extract import make_documents

            if stage_manifest(self.path, Stage.LINKS) is None:
                raise self._unfinished(Stage.PAGES)
            files = self._files(self._finished(Stage.LINKS), "links/part-")
            go_on_releasing(self.path, files, self._stop)
            pages = self._finished(Stage.PAGES)
            passing = wanted.crawl.keep_pages == "until-extracted"
            inputs = {"pages": pages.identity}
            run = self._begin(Stage.DOCUMENTS, wanted, RULES, inputs, settings, redo=redo)
            if run.done:
                if passing:
                    release_pages(self.path, files, self._stop)
                return nothing_to_do(run)
            verify_pages(self.path, pages)
            manifest = make_documents(
                run,
                self.path,
                files,
                wanted.extract,
                engine=choose_engine(wanted.engine, workers, self.path),
                accept_loss=accept_loss,
            )
            if passing:
                release_pages(self.path, files, self._stop)
            return report_made(manifest)

    def dedup(
        self,
        *,
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
        redo: bool = False,
        accept_loss: bool = False,
        **settings: object,
    ) -> StageReport:
        """Remove copies: `documents/` to `clean/`, each removal with the document that stays.

        With `wikipedia_index` copies of its articles go, too; with `decontaminate` documents with text of test sets.
        """
        settings = located(settings)
        with self._writing("dedup", settings, Stage.CLEAN, engine=engine) as wanted, needs("dedup"):
            from webtext.dedup.rules import RULES
            from webtext.pipelines.dedup import make_clean
            from webtext.pipelines.engines import choose_engine

            source = self._finished(Stage.DOCUMENTS)
            inputs = {"documents": source.identity}
            beside = beside_of(wanted.dedup)
            run = self._begin(Stage.CLEAN, wanted, RULES, inputs, settings, redo=redo, stated=beside.stated())
            if run.done:
                return nothing_to_do(run)
            manifest = make_clean(
                run,
                self.path,
                self._files(source, "documents/part-"),
                wanted.dedup,
                engine=choose_engine(wanted.engine, workers, self.path),
                accept_loss=accept_loss,
                sets=beside.sets,
                articles=beside.articles,
            )
            return report_made(manifest)

    def tokenize(
        self,
        *,
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
        redo: bool = False,
        retrain: bool = False,
        accept_loss: bool = False,
        **settings: object,
    ) -> StageReport:
        """Encode the documents: `clean/` to `tokenizer/` and `shards/`.

        Args:
            retrain: make a new tokenizer; otherwise a corpus that grows keeps the one it has.
        """
        if "tokenizer" in settings:
            with needs("tokenize"):
                from webtext.tokenize.choosing import absolute
            settings["tokenizer"] = absolute(str(settings["tokenizer"]))
        with self._writing("tokenize", settings, Stage.SHARDS, engine=engine) as wanted, needs("tokenize"):
            from webtext.pipelines.engines import choose_engine
            from webtext.pipelines.tokenize import RULES, make_shards
            from webtext.tokenize.choosing import stated

            source = self._finished(Stage.CLEAN)
            inputs = {"clean": source.identity}
            said = {"tokenizer": stated(wanted.tokenize, None if redo else stage_manifest(self.path, Stage.SHARDS))}
            run = self._begin(Stage.SHARDS, wanted, RULES, inputs, settings, redo=redo or retrain, stated=said)
            if run.done:
                return nothing_to_do(run)
            manifest = make_shards(
                run,
                self.path,
                self._files(source, "clean/part-"),
                wanted.tokenize,
                clean_identity=source.identity,
                engine=choose_engine(wanted.engine, workers, self.path),
                accept_loss=accept_loss,
                retrain=retrain,
            )
            return report_made(manifest)

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
