"""`webtext forget`: an address, or a domain, and nothing of it left in a corpus.

Tombstones come first, and beside them a note that the rest is under way: from then on no other command runs, so nothing
reads what is half removed. Then each stage that exists is brought in line, from the links to the shards, by the
machinery that makes a corpus grow; what it makes has the bytes of a corpus that had the tombstones before its first
run. A stage that was older than its source cannot be made so and is removed: its command makes it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.config import Settings, shaping
from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import read_json, write_json
from webtext.corpus.lock import lock_holder
from webtext.corpus.manifests import Manifest, current, is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import WORK, refuse_changes, roll_forward
from webtext.corpus.tombstones import (
    Tombstones,
    clear_pending,
    note_pending,
    pending,
    read_tombstones,
    write_tombstones,
)
from webtext.forgetting_look import ForgetReport, finished_stages, look, shards_to_flag
from webtext.runs import FORGOTTEN_SHARDS

if TYPE_CHECKING:
    from webtext.api import Corpus


def forget(
    corpus: Corpus, wanted: Tombstones, *, dry_run: bool, keep_tokenizer: bool, workers: int | None
) -> ForgetReport:
    """Forget, or go on with a forgetting that was interrupted (`wanted` may then be empty).

    Raises:
        WebtextError: a run is training; another command writes.
        ChangedSettings: webtext.toml says other things than a finished stage was made with.
        DamagedFile: a file of the corpus is damaged.
    """
    from webtext.crawler.fetch.forgetting import forget_hosts
    from webtext.crawler.forgotten import Forgotten
    from webtext.forgetting_runs import forget_in_runs
    from webtext.forgetting_stages import first_stages, later_stages, sweep_beside

    path = corpus.path
    corpus._forgetting = True
    try:
        with corpus._writing("forget", {}, Stage.LINKS) as settings:
            for stage in Stage:
                roll_forward(path, stage)
            note = pending(path)
            every = read_tombstones(path).joined(wanted)
            if not len(every):
                raise WebtextError("there is nothing to forget", where=path, hint="--urls FILE or --domain NAME")
            finished = finished_stages(path)
            report = look(path, every, wanted if len(wanted) else every, finished, note)
            if dry_run:
                return report
            _refuse(path, settings, finished)
            if note is None:
                if not any(report.rows.values()) and not _work(path):
                    if len(every) > len(read_tombstones(path)):
                        write_tombstones(path, every)  # nothing is here: later runs obey
                    forget_hosts(path / Stage.PAGES, Forgotten(every))  # which may be known without a page
                    return _done(report)
                note = {
                    "current": [str(stage) for stage in current(finished)],
                    "keep_tokenizer": keep_tokenizer,
                    "shards": shards_to_flag(path, every),
                    "report": report.to_json(),
                }
                note_pending(path, note)
                write_tombstones(path, every)
                fault_point("forget.noted")
            elif len(every) > len(read_tombstones(path)):
                note = {**note, "shards": sorted({*note["shards"], *shards_to_flag(path, every)})}
                note_pending(path, note)
                write_tombstones(path, every)
            _flag(path, note["shards"])
            shutil.rmtree(path / WORK, ignore_errors=True)
            first_stages(corpus, settings, note, workers)
        later_stages(corpus, note, workers)
        with corpus._writing("forget", {}, Stage.LINKS):
            forget_in_runs(path, note["shards"], Forgotten.of(path))
            sweep_beside(path)
            clear_pending(path)
    finally:
        corpus._forgetting = False
    return _done(report)


def _done(report: ForgetReport) -> ForgetReport:
    return ForgetReport(**{**asdict(report), "done": True})


def _work(path: Path) -> bool:
    return (path / WORK).exists()


def _refuse(path: Path, settings: Settings, finished: Mapping[Stage, Manifest]) -> None:
    """Find before anything is changed what would stop a stage from being made again."""
    from webtext.folder import SECTIONS
    from webtext.overlaps import beside_of

    for lock in sorted(path.glob("runs/*/lock")):
        holder = lock_holder(lock.parent)
        if holder is not None:
            raise WebtextError(
                f"run {lock.parent.name} is training (process {holder.get('pid')}), and reads the shards",
                where=path,
                hint="stop it with Ctrl-C there (it saves a checkpoint), then run this command again",
            )
    rules = _rules(settings)
    for stage, manifest in finished.items():
        if stage is Stage.DOCUMENTS and is_imported(manifest):
            continue
        now: dict[str, Any] = dict(shaping(getattr(settings, SECTIONS[stage])))
        if stage is Stage.SHARDS:
            now["tokenizer"] = manifest.settings.get("tokenizer")
        if stage is Stage.CLEAN:
            now |= beside_of(settings.dedup).stated()
        refuse_changes(stage, manifest, now, rules[stage])


def _rules(settings: Settings) -> dict[Stage, Mapping[str, Any]]:
    """The rules that each stage applies now."""
    from webtext.crawler.fetch.crawl import pages_rules
    from webtext.crawler.text.rules import RULES as DOCUMENTS_RULES
    from webtext.dedup.rules import RULES as CLEAN_RULES
    from webtext.pipelines.links import RULES as LINKS_RULES
    from webtext.tokenize.rules import RULES as SHARDS_RULES

    return {
        Stage.LINKS: LINKS_RULES,
        Stage.PAGES: pages_rules(settings.crawl),
        Stage.DOCUMENTS: DOCUMENTS_RULES,
        Stage.CLEAN: CLEAN_RULES,
        Stage.SHARDS: SHARDS_RULES,
    }


def _flag(path: Path, shards: Sequence[str]) -> None:
    """Note which shards held forgotten documents: runs that read them are flagged from now on."""
    if not shards:
        return
    file = path / FORGOTTEN_SHARDS
    before = read_json(file)["shards"] if file.exists() else []
    if not set(shards) <= set(before):
        write_json(file, {"shards": sorted({*before, *shards})})
