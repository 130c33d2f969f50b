"""The steps of a corpus that are pipelines: links, extract, dedup, tokenize. A part of `webtext.api.Corpus`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from webtext.corpus.errors import WebtextError
from webtext.corpus.manifests import is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import roll_forward, stage_manifest
from webtext.extras import needs
from webtext.inspection import CorpusInspection
from webtext.overlaps import beside_of, located
from webtext.reports import StageReport, nothing_to_do, report_made


class CorpusSteps(CorpusInspection):
    """The steps of a corpus that are pipelines: the same bytes on any engine."""

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
