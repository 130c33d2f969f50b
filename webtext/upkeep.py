"""What a corpus is given and rid of beside the five steps: own text, addresses forgotten, garbage, exports.

A part of `webtext.api.Corpus`; the work is done in `webtext.forgetting`, `webtext.garbage` and `webtext.exporting`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from webtext.corpus.config import CONFIG_NAME, shaping, store_values
from webtext.corpus.errors import ChangedSettings, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.manifests import is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import StageRun, roll_forward, stage_manifest
from webtext.corpus.tombstones import Tombstones, pending
from webtext.extras import needs
from webtext.inspection import CorpusInspection
from webtext.reports import nothing_to_do, report_made

if TYPE_CHECKING:
    from webtext.api import Corpus
    from webtext.forgetting_look import ForgetReport
    from webtext.garbage import GarbageReport
    from webtext.reports import StageReport


IMPORT_WORKERS = 2
"""Processes of an import where nothing else is said: two stay below 1 GB, each further one takes some 0.35 GB."""


class CorpusUpkeep(CorpusInspection):
    """Imports, forgets, collects garbage, exports."""

    def import_files(
        self,
        *files: str | os.PathLike[str],
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
        redo: bool = False,
        accept_loss: bool = False,
        **settings: object,
    ) -> StageReport:
        """Make `documents/` of files: Parquet, Arrow, JSON lines, text, Markdown, WARC, Hugging Face datasets' folders.

        Files add up: with one more only that one is read, and the result equals reading all at once. dedup, tokenize
        and train then work as for a crawl.

        Args:
            redo: read the files again, which must be all of them.
            settings: of the section [imports]: text_column, id_column, url_column, apply_rules.
        """

        with (
            self._writing("import", settings, Stage.DOCUMENTS, engine=engine, section="imports") as wanted,
            needs("crawl"),
        ):
            from webtext.crawler.text.rules import RULES as TEXT_RULES
            from webtext.pipelines.engines import choose_engine, cores
            from webtext.pipelines.import_files import find_files
            from webtext.pipelines.import_parts import Reading
            from webtext.pipelines.importing import RULES, import_inputs, make_imported, nothing_to_read, refuse_to_drop

            roll_forward(self.path, Stage.DOCUMENTS)
            before = stage_manifest(self.path, Stage.DOCUMENTS)
            if any(stage_manifest(self.path, stage) for stage in (Stage.LINKS, Stage.PAGES)) or (
                before is not None and not is_imported(before)
            ):
                raise WebtextError(
                    "its documents come from a crawl", where=self.path,
                    hint="import into a corpus of its own; both can be exported and imported into a third",
                )  # fmt: skip
            with os_errors(self.path):
                found = find_files([os.fspath(name) for name in files])
            nothing_to_read(found)
            if wanted.engine.name != "local":
                from dataclasses import replace

                found = [replace(file, path=file.path.absolute()) for file in found]
            if redo:
                refuse_to_drop(self.path, found, before)
            # Columns are named for these files; later ones may have others.
            content: dict[str, Any] = dict(shaping(wanted.imports))
            for section in ("extract", "crawl"):
                content |= {f"{section}.{name}": v for name, v in shaping(getattr(wanted, section)).items()}
            try:
                run = StageRun.begin(
                    self.path, Stage.DOCUMENTS, settings=content, rules={**TEXT_RULES, **RULES},
                    inputs=import_inputs(found, wanted.imports, None if redo else before), redo=redo,
                )  # fmt: skip
            except ChangedSettings as error:
                where = "webtext import" if error.where == "webtext extract" else error.where
                raise ChangedSettings(error.message, where=where, hint=error.hint) from error
            if "apply_rules" in settings:
                store_values(self.path / CONFIG_NAME, "imports", {"apply_rules": wanted.imports.apply_rules})
            if run.done:
                return nothing_to_do(run)
            reading = Reading(wanted.imports, wanted.extract, wanted.crawl, self.path)
            on = choose_engine(wanted.engine, workers or min(IMPORT_WORKERS, cores()), self.path)
            made = make_imported(run, self.path, found, reading, engine=on, accept_loss=accept_loss, redo=redo)
            return report_made(made)

    def forget(
        self,
        addresses: Iterable[str] = (),
        *,
        domains: Sequence[str] = (),
        dry_run: bool = False,
        keep_tokenizer: bool = False,
        workers: int | None = None,
    ) -> ForgetReport:
        """Forget addresses and registered domains: nothing of them stays, and no later run brings them back.

        Without either, goes on with a forgetting that was interrupted.

        Args:
            dry_run: only count what is here.
            keep_tokenizer: do not train the tokenizer again; it was trained on the forgotten texts, too.
        """
        with needs("all"):
            from webtext.crawler.forgotten import tombstones_of
            from webtext.forgetting import forget
        given = list(addresses)
        wanted = tombstones_of(given, domains) if given or domains or pending(self.path) is None else Tombstones()
        return forget(
            cast("Corpus", self), wanted, dry_run=dry_run, keep_tokenizer=keep_tokenizer, workers=workers
        )  # fmt: skip

    def collect_garbage(self, *, dry_run: bool = False, everything: bool = False) -> GarbageReport:
        """Remove older shards that no run needs any more, and files that nothing names.

        Args:
            everything: also the shards of runs that are not finished, as long as no process trains on them.
        """
        from webtext.garbage import collect

        with self._writing("gc", {}, Stage.SHARDS), os_errors(self.path):
            return collect(self.path, dry_run=dry_run, everything=everything)

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        to: str,
        run: str | None = None,
        checkpoint: str = "last",
        name: str | None = None,
    ) -> Any:
        """Write the corpus, or a run's model, for others into `folder`; goes on where an earlier call stopped.

        Args:
            to: huggingface, jsonl, nanogpt, recipe; with `run`, huggingface is the model's folder.
            run: a run whose model is exported.
            name: what the dataset or model is called on its card.
        """
        with needs("all"):
            from webtext.exporting import export
        return export(cast("Corpus", self), Path(folder), to=to, run=run, checkpoint=checkpoint, name=name)
