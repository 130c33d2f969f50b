"""The whole way of one link through a corpus: how `webtext trace` finds it. Only reads, also while a command writes.

Every stage is asked for one key: a few footers, one row group each, never a whole column (but one of
`duplicates.parquet`). A training step's documents are traced by their keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import read_parquet
from webtext.corpus.lookup import rows_in_file, rows_of_key
from webtext.corpus.manifests import Manifest, current
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.schemas import CONTAMINATED, DOCUMENTS, DUPLICATES, LINKS, OUTCOMES, key_text
from webtext.corpus.stages import publication_pending, stage_manifest
from webtext.traces import ENDED, NOT_REACHED, NOT_RUN, PASSED, UNFINISHED, StageTrace, Trace

DUPLICATES_NAME = "clean/duplicates.parquet"
CONTAMINATED_NAME = "clean/contaminated.parquet"

MOST_COPIES = 20  # named of those that were removed for one document

_TRIES = 20  # a publication moves files within milliseconds


def trace_key(corpus: Path, key: int, asked: str | None = None) -> Trace:
    """The way of the link with this key.

    Raises:
        DamagedFile: a file of the corpus is not what its manifest says.
    """
    for number in range(_TRIES):
        manifests = _manifests(corpus)
        try:
            return _Tracer(corpus, key, manifests).trace(asked)
        except WebtextError:
            # Another command may just have published a stage: its files are then others than a moment ago.
            if number == _TRIES - 1 or _identities(_manifests(corpus)) == _identities(manifests):
                raise
            time.sleep(0.1)
    raise AssertionError


def text_of(corpus: Path, key: int) -> str | None:
    """The text of a document, whether it stayed or not; None where there is none."""
    manifest = stage_manifest(corpus, Stage.DOCUMENTS)
    rows = _Tracer(corpus, key, {Stage.DOCUMENTS: manifest} if manifest else {}).rows(Stage.DOCUMENTS, ["text"])
    return rows[0]["text"] if rows else None


def _manifests(corpus: Path) -> dict[Stage, Manifest]:
    found = {stage: stage_manifest(corpus, stage) for stage in Stage}
    return {stage: manifest for stage, manifest in found.items() if manifest is not None}


def _identities(manifests: Mapping[Stage, Manifest]) -> dict[Stage, str]:
    return {stage: manifest.identity for stage, manifest in manifests.items()}


_NAMES: Mapping[Stage, tuple[str, Any]] = {
    Stage.LINKS: ("links/part-", LINKS),
    Stage.DOCUMENTS: ("documents/part-", DOCUMENTS),
    Stage.CLEAN: ("clean/part-", DOCUMENTS),
}

_DOCUMENT = [name for name in DOCUMENTS.names if name not in ("key", "url", "text")]


@dataclass
class _Tracer:
    corpus: Path
    key: int
    manifests: Mapping[Stage, Manifest]

    def trace(self, asked: str | None) -> Trace:
        ask: Mapping[Stage, Callable[[], StageTrace]] = {
            Stage.LINKS: self._links,
            Stage.PAGES: self._pages,
            Stage.DOCUMENTS: self._documents,
            Stage.CLEAN: self._clean,
            Stage.SHARDS: self._shards,
        }
        fresh = current(dict(self.manifests))
        stages: list[StageTrace] = []
        for stage, found in ((stage, ask[stage]()) for stage in Stage):
            ended = any(before.state == ENDED for before in stages)
            if found.state == NOT_REACHED and not ended and stages and stages[-1].state != NOT_REACHED:
                found = replace(found, state=NOT_RUN)  # it is on its way: the stage was made without it
            elif found.state == NOT_RUN and ended:
                found = replace(found, state=NOT_REACHED)
            stages.append(replace(found, outdated=stage in self.manifests and stage not in fresh))
        url = next((str(found.facts["url"]) for found in stages if found.facts.get("url")), None)
        stages = [replace(found, facts={k: v for k, v in found.facts.items() if k != "url"}) for found in stages]
        return Trace(str(self.corpus), key_text(self.key), asked, url, tuple(stages))

    # -- stages --------------------------------------------------------------------------------------------------------

    def _links(self) -> StageTrace:
        if (unmade := self._unmade(Stage.LINKS)) is not None:
            return unmade
        found = self.rows(Stage.LINKS, ["url", "domain", "karma", "first_posted", "submissions"])
        if found:
            return StageTrace(Stage.LINKS, PASSED, facts=found[0])
        ended = self._ended(Stage.LINKS)
        if ended.state == ENDED:
            return replace(ended, facts={**ended.facts, "submissions": self._lines()})
        counted = self.manifests[Stage.LINKS].facts.get("outcomes") == "counts"
        return replace(ended, detail="rejected links are counted only, in this corpus") if counted else ended

    def _lines(self) -> list[dict[str, Any]]:
        """The submissions of a link that was not kept, out of what was read of the dumps."""
        found = []
        for path in self._paths(Stage.LINKS, "links/lines/"):
            if path.suffix == ".parquet":
                schema = pq.read_schema(path)
                found += rows_in_file(path, schema, self.key, ["id", "subreddit", "score", "created"])
        for row in found:
            row["created"] = None if row["created"] is None else datetime.fromtimestamp(row["created"], UTC)
        posts = [row for row in found if row["id"]]  # what a rejected line said is in its detail
        return sorted(posts, key=lambda row: (row["created"] or datetime.max.replace(tzinfo=UTC), row["id"]))

    def _pages(self) -> StageTrace:
        from webtext.crawler.fetch.evidence import read_evidence
        from webtext.crawler.fetch.ledger_file import LEDGER_NAME, at_rest
        from webtext.crawler.fetch.lookup import look_up

        ledger = self.corpus / Stage.PAGES / LEDGER_NAME
        if not ledger.is_file():
            return StageTrace(Stage.PAGES, NOT_RUN)
        if not at_rest(ledger):
            return StageTrace(Stage.PAGES, UNFINISHED, detail="the crawl is under way, or was stopped")
        fetch = look_up(ledger, self.key)
        if fetch is None or fetch.outcome is None:
            return StageTrace(Stage.PAGES, NOT_REACHED if Stage.PAGES in self.manifests else NOT_RUN)
        facts: dict[str, Any] = {
            "url": fetch.url,
            "final_url": fetch.final_url,
            "answers": [asdict(found) for found in fetch.answers],
        }
        if fetch.capture is not None:
            facts["capture"] = asdict(fetch.capture)
        if not fetch.wanted:
            facts["no_longer_a_link"] = True
        if fetch.outcome == "page":
            last = fetch.answers[-1]
            if last.length:
                said = read_evidence(ledger.with_name(last.segment), last.offset)
                facts["consent"] = [{"where": where, "said": what} for where, what in said]
            return StageTrace(Stage.PAGES, PASSED, facts=facts)
        return StageTrace(Stage.PAGES, ENDED, fetch.outcome, fetch.detail, facts)

    def _documents(self) -> StageTrace:
        return self._stage(Stage.DOCUMENTS, ["url", *_DOCUMENT])

    def _clean(self) -> StageTrace:
        found = self._stage(Stage.CLEAN, ["url"])
        if found.state == PASSED:
            return replace(found, facts={**found.facts, **self._copies(), **self._excised()})
        if found.state != ENDED:
            return found
        columns = [name for name in DUPLICATES.names if name not in ("removed", "removed_url")]
        rows = rows_of_key(self._paths(Stage.CLEAN, DUPLICATES_NAME), DUPLICATES, self.key, columns, by="removed")
        for row in rows:
            row["keeper"] = None if row["keeper"] is None else key_text(row["keeper"])
        return replace(found, facts={**found.facts, **(rows[0] if rows else {})})

    def _copies(self) -> dict[str, Any]:
        """How many documents were removed for this one, and some of them."""
        (path,) = self._paths(Stage.CLEAN, DUPLICATES_NAME)
        keepers = read_parquet(path, DUPLICATES, ["keeper"])["keeper"]
        if not len(keepers):  # of a column without chunks pyarrow finds no places, it crashes
            return {"copies": 0}
        places = pc.indices_nonzero(pc.fill_null(pc.equal(keepers, pa.scalar(self.key, pa.uint64())), False))
        if not len(places):
            return {"copies": 0}
        some = read_parquet(path, DUPLICATES, ["removed", "removed_url", "jaccard", "why"]).take(places[:MOST_COPIES])
        named = [
            {"key": key_text(row["removed"]), "url": row["removed_url"], "jaccard": row["jaccard"], "why": row["why"]}
            for row in some.to_pylist()
        ]
        return {"copies": len(places), "removed_for_it": named}

    def _excised(self) -> dict[str, Any]:
        """The text of test sets that was cut out of it; nothing where there was none."""
        paths = self._paths(Stage.CLEAN, CONTAMINATED_NAME)
        rows = rows_of_key(paths, CONTAMINATED, self.key, ["set", "example", "grams", "characters"])
        return {"excised": rows} if rows else {}

    def _shards(self) -> StageTrace:
        if (unmade := self._unmade(Stage.SHARDS)) is not None:
            return unmade
        from webtext.tokenize.lookup import find_document

        place = find_document(self.corpus / Stage.SHARDS, self.key)
        if place is None:
            return StageTrace(Stage.SHARDS, NOT_REACHED)
        return StageTrace(Stage.SHARDS, PASSED, facts=asdict(place))

    # -- reading -------------------------------------------------------------------------------------------------------

    def _stage(self, stage: Stage, columns: Sequence[str]) -> StageTrace:
        if (unmade := self._unmade(stage)) is not None:
            return unmade
        found = self.rows(stage, columns)
        return StageTrace(stage, PASSED, facts=found[0]) if found else self._ended(stage)

    def rows(self, stage: Stage, columns: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of a stage's main output."""
        prefix, schema = _NAMES[stage]
        return rows_of_key(self._paths(stage, prefix), schema, self.key, columns)

    def _ended(self, stage: Stage) -> StageTrace:
        """The outcome of the link in this stage; the further lines of a link at links do not count."""
        rows = rows_of_key(
            self._paths(stage, f"outcomes/{stage}-"), OUTCOMES, self.key, ["url", "stage", "outcome", "detail"]
        )
        mine = [row for row in rows if row["outcome"] != Outcome.DUPLICATE_URL]
        if not mine:
            return StageTrace(stage, NOT_REACHED)
        first = mine[0]
        return StageTrace(stage, ENDED, first["outcome"], first["detail"], {"url": first["url"]})

    def _unmade(self, stage: Stage) -> StageTrace | None:
        if stage in self.manifests:
            return None
        if publication_pending(self.corpus, stage):
            return StageTrace(stage, UNFINISHED, detail="it is being published, or was stopped while it was")
        return StageTrace(stage, NOT_RUN)

    def _paths(self, stage: Stage, prefix: str) -> list[Path]:
        manifest = self.manifests.get(stage)
        names = sorted(name for name in manifest.files if name.startswith(prefix)) if manifest else []
        for name in names:
            if not (self.corpus / name).is_file():
                hint = f"make the stage again: webtext {stage.command} CORPUS --redo"
                raise DamagedFile("is missing", where=self.corpus / name, hint=hint)
        return [self.corpus / name for name in names]
