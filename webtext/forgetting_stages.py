"""Each stage of a corpus brought in line with its tombstones, from the links to the shards.

What is made has the bytes of a stage that had the tombstones before its first run. Idempotent: a stage that is in line
already is left as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.config import Settings
from webtext.corpus.faults import fault_point
from webtext.corpus.manifests import MANIFEST_NAME, Manifest, is_imported
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import OUTCOMES_FOLDER, StageRun, stage_manifest
from webtext.crawler.forgotten import Forgotten
from webtext.forgetting_look import generations, in_shards, lines_in, rows_in
from webtext.overlap_file import OVERLAP_NAME

if TYPE_CHECKING:
    from webtext.api import Corpus


def first_stages(corpus: Corpus, settings: Settings, note: Mapping[str, Any], workers: int | None) -> None:
    """links/, pages/ and what was imported: where addresses come in. Under the lock."""
    from webtext.pipelines.engines import choose_engine

    path, forgotten = corpus.path, Forgotten.of(corpus.path)
    engine = choose_engine(settings.engine, workers, path)
    links = stage_manifest(path, Stage.LINKS)
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


def _forget_links(
    corpus: Corpus, settings: Settings, before: Manifest | None, forgotten: Forgotten, engine: Any
) -> Manifest | None:
    from webtext.crawler.reddit.listing_forget import drop_replaced, replaced_listings, replaced_sources
    from webtext.crawler.reddit.sources import find_sources
    from webtext.pipelines.links import RULES, make_links
    from webtext.pipelines.links_forget import SCRUBBED

    path = corpus.path
    replaced = replaced_listings(path, forgotten)
    if before is not None:
        others = {old: new for old, new in replaced_sources(replaced).items() if old in before.inputs["sources"]}
        clean = before.run.get(SCRUBBED) == forgotten.tombstones.identity
        if others or (not clean and lines_in(path, {Stage.LINKS: before}, forgotten)):
            kept = set(before.inputs["sources"]) - others.keys()
            new = {sha256 for sha256 in others.values() if sha256 is not None} - kept
            read = [source for source in find_sources([*filter(None, replaced.values())]) if source.sha256 in new]
            inputs = {**before.inputs, "sources": sorted(kept | new)}
            run = corpus._begin(Stage.LINKS, settings, RULES, inputs, {}, redo=True)
            before = make_links(run, read, settings.links, engine=engine, accept_loss=True)
            fault_point("forget.listings")
    drop_replaced(replaced)
    return before


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
    if not any(rows_in(path / name, schema, forgotten) for name, schema in schemas.items()):
        return
    run = StageRun.begin(
        path, Stage.DOCUMENTS, settings=before.settings, rules=before.rules, inputs=before.inputs, redo=True
    )
    reading = Reading(settings.imports, settings.extract, settings.crawl, path)
    make_imported(run, path, [], reading, engine=engine, accept_loss=True)


def later_stages(corpus: Corpus, note: Mapping[str, Any], workers: int | None) -> None:
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


def sweep_beside(path: Path) -> None:
    """Older shards that hold what is forgotten; what names addresses: reports, what `overlap` found, recipes' lists."""
    from webtext.recipes import forget_listed
    from webtext.tokenize.shard_index import OLDER

    forgotten = Forgotten.of(path)
    for folder in generations(path):
        if folder.parent.name == OLDER and in_shards(folder, forgotten):
            shutil.rmtree(folder)
    older = path / Stage.SHARDS / OLDER
    if older.is_dir() and not any(older.iterdir()):
        older.rmdir()
    shutil.rmtree(path / "report", ignore_errors=True)
    (path / OVERLAP_NAME).unlink(missing_ok=True)
    forget_listed(path, forgotten)
