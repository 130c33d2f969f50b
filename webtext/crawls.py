"""Crawling the links of a corpus, whole or in shards, and extracting meanwhile. A part of `webtext.api.Corpus`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from webtext.corpus.config import CONFIG_NAME, shaping, store_values
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.stages import WORK, open_work, roll_forward, stage_manifest
from webtext.extras import needs
from webtext.inspection import CorpusInspection
from webtext.reports import StageReport, nothing_to_do, report_made

LINKS_A_PROCESS = 5_000
"""`build` starts no further crawl process for fewer: it would not pay the second that its start takes."""


class CorpusCrawls(CorpusInspection):
    """The steps of a corpus that fetch pages."""

    def crawl(
        self,
        *,
        replay: Sequence[str | os.PathLike[str]] = (),
        workers: int | None = None,
        shard: str | None = None,
        state: str | os.PathLike[str] | None = None,
        deadline: str | None = None,
        redo: bool = False,
        refetch: bool = False,
        accept_loss: bool = False,
        _little_web: Mapping[str, str] | None = None,
        _clock: str = "",
        _sealed: Path | None = None,
        _most: bool = False,
        **settings: object,
    ) -> StageReport:
        """Fetch every link once: `links/` to `pages/` (WARC and a ledger with one outcome a link).

        Args:
            replay: WARC files that answer instead of the network.
            workers: processes, by default one.
            shard: "2/8": only this part of the links, by registered domain; `merge` joins the parts.
            state: a folder on a disk of this machine for the ledger while the crawl is under way.
            deadline: "6h", or a moment: what was not begun then is `deferred`, and taken up by the next call.
            redo: decide again from what the ledger has. Pages are never deleted by it.
            refetch: delete pages/ and fetch everything again.
        """
        with self._writing("crawl", settings, Stage.PAGES, raising=False) as wanted, needs("crawl"):
            from webtext.crawler.fetch.archives.passing import describe
            from webtext.crawler.fetch.contact import check_contact
            from webtext.crawler.fetch.crawl import check_conditions, make_pages, pages_inputs, pages_rules
            from webtext.crawler.fetch.deadline import parse_deadline
            from webtext.crawler.fetch.shards import Shard

            part = None if shard is None else Shard.parse(shard)
            until = None if deadline is None else parse_deadline(deadline, datetime.now().astimezone()).timestamp()
            source = self._finished(Stage.LINKS)
            archives = [Path(path) for path in replay]
            if not refetch:
                check_conditions(self.path, wanted.crawl, part)
            asks = not archives and (part is None or part.whole)
            sources = describe(wanted.crawl, wanted.archives, _little_web or {}) if asks else []
            inputs = pages_inputs(source.identity, archives, self._stop, part, sources)
            again = redo or refetch
            previous = None if again else stage_manifest(self.path, Stage.PAGES)
            if not archives and previous is not None and previous.inputs["links"] == source.identity:
                # Every link has its outcome, from wherever it came.
                old = {"shard", *(() if "replay" in previous.inputs else ("sources",))}
                inputs = {**inputs, **{name: value for name, value in previous.inputs.items() if name not in old}}
                if "replay" in inputs:
                    inputs.pop("sources", None)
            elif not archives and (wanted.crawl.contact or previous is None):
                check_contact(wanted.crawl)
            left = previous is not None and bool(previous.outcomes.get(Outcome.DEFERRED))
            run = self._begin(Stage.PAGES, wanted, pages_rules(wanted.crawl), inputs, settings, redo=again, resume=left)
            if run.done:
                return nothing_to_do(run)
            if "sources" in run.inputs:
                check_contact(wanted.crawl)  # archives are visited, too
            if "contact" in settings:  # who has said it once is not asked again
                store_values(self.path / CONFIG_NAME, "crawl", {"contact": wanted.crawl.contact})
            manifest = make_pages(
                run,
                self.path,
                self._files(source, "links/part-"),
                wanted.crawl,
                replay=archives,
                workers=_worth(workers, source.rows_out) if _most else workers or 1,
                state=None if state is None else Path(state),
                deadline=until,
                accept_loss=accept_loss,
                stop=self._stop,
                refetch=refetch,
                allow_loopback=_little_web,
                clock=_clock,
                sealed=_sealed,
                archives=wanted.archives,
            )
            return report_made(manifest)

    def merge(self, *shards: str | os.PathLike[str], refetch: bool = False, accept_loss: bool = False) -> StageReport:
        """Join crawls of shards (corpora of other machines, or copies of them) into `pages/`, as if crawled here.

        Args:
            shards: the corpora, each with the same links/ and with its own shard crawled.
            refetch: delete pages/ first.
        """
        with self._writing("crawl", {}, Stage.PAGES, raising=False) as wanted, needs("crawl"):
            from webtext.crawler.fetch.merge import find_shards, merge_shards

            source = self._finished(Stage.LINKS)
            found = find_shards([Path(path) for path in shards], source.identity, wanted.crawl)
            before = None if refetch else stage_manifest(self.path, Stage.PAGES)
            asked = {} if before is None or "sources" not in before.inputs else {"sources": before.inputs["sources"]}
            inputs = {**found.inputs, **asked}  # pages that archives gave since stay
            run = self._begin(Stage.PAGES, wanted, found.rules, inputs, {}, redo=refetch, resume=True)
            links = self._files(source, "links/part-")
            made = merge_shards(
                run, found, links, wanted.crawl, refetch=refetch, accept_loss=accept_loss, stop=self._stop
            )
            return nothing_to_do(run) if made is None else report_made(made)

    @contextmanager
    def _extracting_early(
        self, given: Mapping[str, object], workers: int | None, engine: Mapping[str, object] | None
    ) -> Iterator[Path | None]:
        """Extract the crawl's finished segments on this machine while inside; where the crawl is to list them."""
        settings = self.settings.with_values("engine", engine or {}, where="webtext build")
        if settings.engine.name != "local":
            yield None
            return
        with needs("crawl"):
            from webtext.crawler.text.early_process import extracting_early
            from webtext.crawler.text.rules import RULES
            from webtext.pipelines.engines import cores
        wanted = settings.with_values("extract", given, where="webtext build").extract
        roll_forward(self.path, Stage.DOCUMENTS)
        links = self._files(self._finished(Stage.LINKS), "links/part-")
        sealed = self.path / WORK / Stage.PAGES / "sealed"
        with extracting_early(
            lambda: open_work(self.path, Stage.DOCUMENTS, shaping(wanted), RULES),
            self.path / Stage.PAGES, sealed, links, wanted, workers or cores(),
        ):  # fmt: skip
            yield sealed


def _worth(workers: int | None, links: int) -> int:
    """How many crawl processes so many links are worth: one takes some hundred links a second."""
    return max(1, min(workers or 1, links // LINKS_A_PROCESS))
