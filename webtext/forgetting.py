"""`webtext forget`: an address, or a domain, and nothing of it left in a corpus.

Tombstones come first, and beside them a note that the rest is under way: from then on no other command runs, so nothing
reads what is half removed. Then each stage that exists is brought in line, from the links to the shards, by the
machinery that makes a corpus grow; what it makes has the bytes of a corpus that had the tombstones before its first
run. A stage that was older than its source cannot be made so and is removed: its command makes it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from webtext.corpus.config import Settings, shaping
from webtext.corpus.errors import WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import open_parquet, read_json, write_json
from webtext.corpus.lock import lock_holder
from webtext.corpus.manifests import MANIFEST_NAME, Manifest, current, is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import DOCUMENTS, LINKS
from webtext.corpus.stages import OUTCOMES_FOLDER, WORK, StageRun, refuse_changes, roll_forward, stage_manifest
from webtext.corpus.tombstones import (
    Tombstones,
    clear_pending,
    note_pending,
    pending,
    read_tombstones,
    write_tombstones,
)
from webtext.overlap_file import OVERLAP_NAME
from webtext.runs import FORGOTTEN_SHARDS, pinned_shards

if TYPE_CHECKING:
    from webtext.api import Corpus
    from webtext.crawler.forgotten import Forgotten


@dataclass(frozen=True)
class ForgetReport:
    """What is forgotten, or with `done` False: what would be. Rows by stage; runs that read such documents."""

    corpus: str
    done: bool
    keys: int
    domains: int
    rows: Mapping[str, int] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Stages that were older than their source: they go as a whole, and their commands make them again."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        what = ", ".join(f"{count:,} {name}" for name, count in self.rows.items() if count) or "nothing of it is here"
        lines = [
            f"{self.keys:,} address{'es' if self.keys != 1 else ''} and {self.domains:,} "
            f"domain{'s' if self.domains != 1 else ''}: {what}"
        ]
        if self.removed:
            lines.append(f"older than what they are made of, removed as a whole: {', '.join(self.removed)}")
        for run in self.runs:
            lines.append(f"run {run} was trained on them: what a model has learned is not removed")
        return "\n".join(lines)


def forget(
    corpus: Corpus, wanted: Tombstones, *, dry_run: bool, keep_tokenizer: bool, workers: int | None
) -> ForgetReport:
    """Forget, or go on with a forgetting that was interrupted (`wanted` may then be empty).

    Raises:
        WebtextError: a run is training; another command writes.
        ChangedSettings: webtext.toml says other things than a finished stage was made with.
        DamagedFile: a file of the corpus is damaged.
    """
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
            finished = _finished(path)
            report = _look(corpus, every, wanted if len(wanted) else every, finished, note)
            if dry_run:
                return report
            _refuse(path, settings, finished)
            if note is None:
                if not any(report.rows.values()) and not _work(path):
                    if len(every) > len(read_tombstones(path)):
                        write_tombstones(path, every)  # nothing is here: later runs obey
                    return _done(report)
                note = {
                    "current": [str(stage) for stage in current(finished)],
                    "keep_tokenizer": keep_tokenizer,
                    "shards": _shards_to_flag(path, every),
                    "report": report.to_json(),
                }
                note_pending(path, note)
                write_tombstones(path, every)
                fault_point("forget.noted")
            elif len(every) > len(read_tombstones(path)):
                note = {**note, "shards": sorted({*note["shards"], *_shards_to_flag(path, every)})}
                note_pending(path, note)
                write_tombstones(path, every)
            _flag(path, note["shards"])
            shutil.rmtree(path / WORK, ignore_errors=True)
            _first_stages(corpus, settings, note, workers)
        _later_stages(corpus, note, workers)
        with corpus._writing("forget", {}, Stage.LINKS):
            _sweep(path)
            clear_pending(path)
    finally:
        corpus._forgetting = False
    return _done(report)


def _finished(path: Path) -> dict[Stage, Manifest]:
    found = {stage: stage_manifest(path, stage) for stage in Stage}
    return {stage: manifest for stage, manifest in found.items() if manifest is not None}


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


# -- what there is -----------------------------------------------------------------------------------------------------


def _look(
    corpus: Corpus,
    every: Tombstones,
    wanted: Tombstones,
    finished: Mapping[Stage, Manifest],
    note: Mapping[str, Any] | None,
) -> ForgetReport:
    """Count what is here."""
    from webtext.crawler.fetch.forgetting import find_forgotten
    from webtext.crawler.forgotten import Forgotten

    path, forgotten = corpus.path, Forgotten(every)
    rows: dict[str, int] = {}
    for stage, prefix, schema in (
        (Stage.LINKS, "links/part-", LINKS),
        (Stage.DOCUMENTS, "documents/part-", DOCUMENTS),
        (Stage.CLEAN, "clean/part-", DOCUMENTS),
    ):
        names = [name for name in finished[stage].files if name.startswith(prefix)] if stage in finished else []
        rows[str(stage)] = sum(_rows(path / name, schema, forgotten) for name in names if (path / name).is_file())
    rows["lines of dumps"] = _lines(path, finished, forgotten)
    found = find_forgotten(path / Stage.PAGES, forgotten)
    rows["pages"] = found.links + found.leading
    rows["WARC records"] = found.responses
    rows["documents in shards"] = sum(_in_shards(folder, forgotten) for folder in _generations(path))
    if note is not None:
        rows = {**rows, **{name: max(count, rows.get(name, 0)) for name, count in note["report"]["rows"].items()}}
    flagged = set(_shards_to_flag(path, every)) | set(note["shards"] if note else ())
    # pages/ stays, whatever has become of links/: only its manifest goes, and the crawl goes on later.
    stale = [str(stage) for stage in finished if stage not in current(finished) and stage is not Stage.PAGES]
    return ForgetReport(
        str(path), False, len(wanted.keys), len(wanted.domains), rows,
        tuple(name for name, shards in pinned_shards(path).items() if shards in flagged), tuple(stale),
    )  # fmt: skip


def _rows(path: Path, schema: pa.Schema, forgotten: Forgotten) -> int:
    with open_parquet(path, schema) as file:
        return sum(
            _count(batch["key"], batch["url"], forgotten) for batch in file.iter_batches(65_536, columns=["key", "url"])
        )


def _lines(path: Path, finished: Mapping[Stage, Manifest], forgotten: Forgotten) -> int:
    """All lines that were read of dumps, whether they became links or not."""
    from webtext.crawler.reddit.lines import SCHEMA as LINES

    if Stage.LINKS not in finished:
        return 0
    names = [name for name in finished[Stage.LINKS].files if name.startswith("links/lines/") and "parquet" in name]
    return sum(_rows(path / name, LINES, forgotten) for name in names if (path / name).is_file())


def _count(keys: Any, urls: Any, forgotten: Forgotten) -> int:
    return int(np.count_nonzero(forgotten.rows(np.asarray(keys.to_numpy(), np.uint64), urls.to_pylist())))


def _generations(path: Path) -> list[Path]:
    """The folders of shards: the one of now, and older ones."""
    from webtext.tokenize.shard_index import INDEX_NAME, OLDER

    folder = path / Stage.SHARDS
    return [one for one in (folder, *sorted((folder / OLDER).glob("*"))) if (one / INDEX_NAME).is_file()]


def _in_shards(folder: Path, forgotten: Forgotten) -> int:
    from webtext.tokenize.shard_index import SPLITS, ShardIndex
    from webtext.tokenize.shards import Shard

    index = ShardIndex.read(folder)
    files = [folder / entry.file for split in SPLITS for entry in index.splits[split]]
    opened = (Shard.open(file) for file in files if file.is_file())
    return sum(int(np.count_nonzero(forgotten.rows(shard.keys, shard.urls.to_pylist()))) for shard in opened)


def _shards_to_flag(path: Path, every: Tombstones) -> list[str]:
    """The identities of all generations of shards that hold a forgotten document."""
    from webtext.crawler.forgotten import Forgotten
    from webtext.tokenize.shard_index import ShardIndex

    forgotten = Forgotten(every)
    return sorted(ShardIndex.read(one).identity for one in _generations(path) if _in_shards(one, forgotten))


def _flag(path: Path, shards: Sequence[str]) -> None:
    """Note which shards held forgotten documents: runs that read them are flagged from now on."""
    if not shards:
        return
    file = path / FORGOTTEN_SHARDS
    before = read_json(file)["shards"] if file.exists() else []
    if not set(shards) <= set(before):
        write_json(file, {"shards": sorted({*before, *shards})})


# -- stage by stage ----------------------------------------------------------------------------------------------------


def _first_stages(corpus: Corpus, settings: Settings, note: Mapping[str, Any], workers: int | None) -> None:
    """links/, pages/ and what was imported: where addresses come in. Under the lock."""
    from webtext.crawler.forgotten import Forgotten
    from webtext.pipelines.engines import choose_engine

    path, forgotten = corpus.path, Forgotten.of(corpus.path)
    engine = choose_engine(settings.engine, workers, path)
    links = stage_manifest(path, Stage.LINKS)
    if links is not None:
        links = _forget_links(corpus, settings, links, forgotten, engine)
        fault_point("forget.stage")
    _forget_pages(corpus, links, note, forgotten)
    fault_point("forget.stage")
    documents = stage_manifest(path, Stage.DOCUMENTS)
    if documents is not None and is_imported(documents):
        _forget_imported(corpus, settings, documents, forgotten, engine)
        fault_point("forget.stage")
    for stage in Stage:
        if stage not in (Stage.LINKS, Stage.PAGES) and str(stage) not in note["current"]:
            _remove_stage(path, stage)


def _forget_links(corpus: Corpus, settings: Settings, before: Manifest, forgotten: Forgotten, engine: Any) -> Manifest:
    from webtext.pipelines.links import RULES, make_links
    from webtext.pipelines.links_forget import SCRUBBED

    path = corpus.path
    if before.run.get(SCRUBBED) == forgotten.tombstones.identity or not _lines(path, {Stage.LINKS: before}, forgotten):
        return before
    run = corpus._begin(Stage.LINKS, settings, RULES, before.inputs, {}, redo=True)
    return make_links(run, [], settings.links, engine=engine, accept_loss=True)


def _forget_pages(corpus: Corpus, links: Manifest | None, note: Mapping[str, Any], forgotten: Forgotten) -> None:
    from webtext.crawler.fetch.forgetting import forget_pages, needs_publishing, publish_again
    from webtext.crawler.fetch.ledger_file import LEDGER_NAME
    from webtext.crawler.fetch.verify import INDEX_NAME

    path, folder = corpus.path, corpus.path / Stage.PAGES
    if not (folder / LEDGER_NAME).exists():
        return
    forget_pages(folder, forgotten, corpus._stop)
    before = stage_manifest(path, Stage.PAGES)
    if before is None or links is None or not needs_publishing(folder, before, links.identity):
        return
    if Stage.PAGES not in note["current"]:
        # More links than the crawl has met: it goes on with them later, from the ledger.
        _remove_stage(path, Stage.PAGES)
        (folder / INDEX_NAME).unlink(missing_ok=True)
        return
    inputs = {**before.inputs, "links": links.identity}
    run = StageRun.begin(path, Stage.PAGES, settings=before.settings, rules=before.rules, inputs=inputs, redo=True)
    publish_again(run, corpus._files(links, "links/part-"), corpus._stop)


def _forget_imported(corpus: Corpus, settings: Settings, before: Manifest, forgotten: Forgotten, engine: Any) -> None:
    from webtext.corpus.schemas import OUTCOMES
    from webtext.pipelines.import_parts import Reading
    from webtext.pipelines.importing import make_imported

    path = corpus.path
    schemas = {name: DOCUMENTS if name.startswith("documents/") else OUTCOMES for name in before.files}
    if not any(_rows(path / name, schema, forgotten) for name, schema in schemas.items()):
        return
    run = StageRun.begin(
        path, Stage.DOCUMENTS, settings=before.settings, rules=before.rules, inputs=before.inputs, redo=True
    )
    reading = Reading(settings.imports, settings.extract, settings.crawl, path)
    make_imported(run, path, [], reading, engine=engine, accept_loss=True)


def _later_stages(corpus: Corpus, note: Mapping[str, Any], workers: int | None) -> None:
    """The stages that follow: each is made again of what its source is now, where that has changed."""
    path = corpus.path
    documents = stage_manifest(path, Stage.DOCUMENTS)
    if Stage.DOCUMENTS in note["current"] and documents is not None and not is_imported(documents):
        corpus.extract(workers=workers, accept_loss=True)
        fault_point("forget.stage")
    if Stage.CLEAN in note["current"]:
        corpus.dedup(workers=workers, accept_loss=True)
        fault_point("forget.stage")
    shards, clean = stage_manifest(path, Stage.SHARDS), stage_manifest(path, Stage.CLEAN)
    if Stage.SHARDS in note["current"] and shards is not None and clean is not None:
        if shards.inputs.get("clean") != clean.identity:
            # A vocabulary that was trained on a text keeps something of it.
            retrain = shards.settings.get("tokenizer") == "train" and not note["keep_tokenizer"]
            corpus.tokenize(workers=workers, accept_loss=True, retrain=retrain)
        fault_point("forget.stage")


def _remove_stage(path: Path, stage: Stage) -> None:
    """Remove a stage that was older than its source: manifest first, so that it is not finished any more."""
    manifest = stage_manifest(path, stage)
    if manifest is None:
        return
    (path / stage / MANIFEST_NAME).unlink()
    for name in manifest.files:
        (path / name).unlink(missing_ok=True)
    for file in (path / OUTCOMES_FOLDER).glob(f"{stage}-*.parquet"):
        file.unlink()
    if stage is not Stage.PAGES:
        say(f"{stage}: was older than its source; removed (webtext {stage.command} makes it again)")


def _sweep(path: Path) -> None:
    """Older shards that hold something forgotten; reports and what `overlap` found, which name addresses."""
    from webtext.crawler.forgotten import Forgotten
    from webtext.tokenize.shard_index import OLDER

    forgotten = Forgotten.of(path)
    for folder in _generations(path)[0:]:
        if folder.parent.name == OLDER and _in_shards(folder, forgotten):
            shutil.rmtree(folder)
    older = path / Stage.SHARDS / OLDER
    if older.is_dir() and not any(older.iterdir()):
        older.rmdir()
    shutil.rmtree(path / "report", ignore_errors=True)
    (path / OVERLAP_NAME).unlink(missing_ok=True)
