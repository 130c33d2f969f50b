"""documents/ to clean/: copies of Wikipedia, exact copies and near copies go, and it is written down why.

1. sign: each piece of documents/ gets a part with signatures, resumed part by part (Beam); where it is asked for, also
   what text of test sets and of Wikipedia's articles is in it (`contamination`, `wikipedia`, `set_aside`).
2. match: each band is sorted into its buckets (Beam, one element a band).
3. collect: shingle sets of the documents that share a bucket (Beam).
4. decide who stays (the driver: arrays of numbers, no text).
5. rewrite: each file of clean/, its index, outcomes/ and duplicates.parquet (Beam; `dedup_output`).

Elements are pieces (file, row groups), bands and output files; what passes between the steps lies in files below work/,
named by what they were made of. The result depends on the documents alone, not on how they lie in files. A corpus that
grew has an index of its last time (`webtext.dedup.index`): what it knows is neither signed nor matched again. What the
steps compute is in `webtext.dedup`; here is only where it is read and written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webtext.corpus.faults import fault_point
from webtext.corpus.files import read_parquet
from webtext.corpus.manifests import Manifest, verify_files
from webtext.corpus.progress import say
from webtext.corpus.schemas import DUPLICATES
from webtext.corpus.settings import DedupSettings
from webtext.corpus.stages import StageRun
from webtext.corpus.testsets.example import TestSet
from webtext.dedup.article_index import ArticleIndex
from webtext.dedup.bands import Buckets, band_count, band_hashes, buckets
from webtext.dedup.index import known_signatures, reached, read_documents, unchanged
from webtext.dedup.minhash import Permutations
from webtext.dedup.parts import ListFiles, column, lists, lists_of, matrix, matrix_of, read_part, write_part
from webtext.dedup.removals import removed_table
from webtext.dedup.shingles import shingle_sets
from webtext.dedup.signatures import COLUMNS, check_settings, sign
from webtext.dedup.survivors import Survivors
from webtext.dedup.utf8 import Texts
from webtext.dedup.verdicts import NEAR, OUTCOME, STAYS, LineUp, give_verdicts, line_up, near_copies
from webtext.dedup.verify import StoredSets, Verifier
from webtext.pipelines.contamination import prepare
from webtext.pipelines.dedup_output import DUPLICATES_NAME, INDEX_FOLDER, Decided, write_outputs
from webtext.pipelines.dedup_pieces import Piece, pieces_of
from webtext.pipelines.engine import Engine
from webtext.pipelines.pieces import each
from webtext.pipelines.set_aside import Searches, take_steps
from webtext.pipelines.wikipedia import find_copies

MATCH_ROWS = 2_000_000
"""Fewer documents are matched in this process: all bands take 2 us a document, a worker 3 s to start."""


@dataclass(frozen=True)
class Before:
    """What clean/ held before documents were added: its index files and its duplicates.parquet."""

    index: tuple[Path, ...]
    duplicates: Path


@dataclass(frozen=True)
class Band:
    """One band, and where its buckets go."""

    number: int
    buckets: Path


def make_clean(
    run: StageRun,
    corpus: Path,
    documents: Sequence[Path],
    settings: DedupSettings,
    *,
    engine: Engine,
    accept_loss: bool,
    sets: Sequence[TestSet] = (),
    articles: ArticleIndex | None = None,
) -> Manifest:
    """Make the stage clean/ from `documents`: Parquet files of `schemas.DOCUMENTS`, in any layout.

    Args:
        sets: the test sets of `settings.decontaminate`, read.
        articles: the index of `settings.wikipedia_index`, opened.

    Raises:
        UsageError: settings that leave no band.
        DamagedFile: a file of documents is damaged, or two documents have one key.
        LossAlarm: more documents than usual would go, and `accept_loss` is not set.
    """
    check_settings(settings)
    before = _before(run)
    pieces, everything = pieces_of(run, documents)
    decided = Decided(**{kind: run.part(kind, everything, suffix=".arrow") for kind in Decided.kinds()})
    searches = Searches(prepare(run, sets, settings) if sets else None, articles)
    known = None if before is None else partial(known_signatures, before.index, permutations=settings.permutations)
    signer = _Sign(settings, Permutations.of(settings.permutations, settings.seed), known)
    take_steps(engine, searches.steps(signer), pieces)
    if articles is not None:
        find_copies(run, pieces, everything, articles, settings.wikipedia_containment, engine)
    if not decided.all_there():
        _decide(run, pieces, decided, settings, engine, before, searches)
    outputs = write_outputs(
        run,
        engine,
        pieces,
        decided,
        permutations=settings.permutations,
        searches=searches,
        wikipedia=settings.wikipedia or articles is not None,
    )

    verdict = column(read_part(decided.removed), "verdict")
    return run.publish(
        outputs.files,
        outputs.hashes,
        rows_in=sum(piece.rows for piece in pieces),
        rows_out=outputs.kept,
        outcomes={str(outcome): int(np.count_nonzero(verdict == number)) for number, outcome in OUTCOME.items()},
        accept_loss=accept_loss,
    )


def _before(run: StageRun) -> Before | None:
    """The index of the last time, where it was made under the same settings and rules and is what it was."""
    last = run.previous
    if last is None or dict(last.inputs) == dict(run.inputs):  # the same documents again: --redo trusts nothing
        return None
    if dict(last.settings) != dict(run.settings) or dict(last.rules) != dict(run.rules):
        return None
    names = sorted(name for name in last.files if name.startswith(INDEX_FOLDER))
    verify_files(run.corpus, last, lambda name: name in names or name == DUPLICATES_NAME)
    return Before(tuple(run.corpus / name for name in names), run.corpus / DUPLICATES_NAME)


def _decide(
    run: StageRun,
    pieces: Sequence[Piece],
    decided: Decided,
    settings: DedupSettings,
    engine: Engine,
    before: Before | None,
    searches: Searches,
) -> None:
    """Steps 2 to 4: write the parts of `decided`."""
    signatures = [piece.signatures for piece in pieces]
    lined = line_up(signatures, searches.set_aside(pieces))
    places = lined.places
    write_part(decided.places, pa.table({"place": places}))
    write_part(decided.sketches, pa.table({"sketch": matrix(_sketches(signatures, places, settings.permutations))}))

    count = band_count(settings.permutations, settings.band_rows)
    bands = [
        Band(number, run.part("buckets", decided.sketches.name, number, suffix=".arrow")) for number in range(count)
    ]
    crew = engine if lined.total >= MATCH_ROWS else replace(engine, workers=1)
    match = _Match(decided.sketches, settings.band_rows)
    each(crew, "dedup: match", match, bands, [band.buckets for band in bands])
    lists_found = (lists_of(read_part(band.buckets), "bucket") for band in bands)
    shared = Buckets.joined(Buckets(members, offsets) for offsets, members in lists_found)

    known, again = _known(lined, places, shared, before)
    wanted = np.zeros(lined.total, bool)
    sharing = shared.members[again[shared.members]]
    wanted[lined.compared[sharing]] = True
    write_part(decided.wanted, pa.table({"wanted": wanted}))
    holding = [piece for piece in pieces if wanted[piece.start : piece.start + piece.rows].any()]
    collect = _Collect(decided.wanted, settings.shingle_words)
    each(engine, "dedup: collect", collect, holding, [piece.sets for piece in holding])

    sets = _stored_sets(lined, wanted, holding)
    verifier = Verifier(matrix_of(read_part(decided.sketches), "sketch"), sets, settings.threshold)
    survivors = near_copies(shared, verifier, settings.threshold, known, again)
    sets.files.close()
    verdicts = give_verdicts(lined, survivors)
    by_key = np.argsort(lined.documents.key)
    write_part(decided.by_key, pa.table({"row": by_key}))
    write_part(decided.kept, pa.table({"row": by_key[verdicts.verdict[by_key] == STAYS]}))
    write_part(decided.contaminated, searches.contaminated(pieces, verdicts.verdict))
    write_part(decided.removed, removed_table(verdicts, lined, signatures))
    fault_point("dedup.decided")


def _sketches(signatures: Sequence[Path], places: NDArray[np.int32], permutations: int) -> NDArray[np.uint8]:
    """The sketches by place."""
    found = np.empty((int(np.count_nonzero(places >= 0)), permutations), np.uint8)
    start = 0
    for path in signatures:
        sketch = matrix_of(read_part(path), "sketch")
        here = places[start : start + len(sketch)]
        found[here[here >= 0]] = sketch[here >= 0]
        start += len(sketch)
    return found


def _known(
    lined: LineUp, places: NDArray[np.int32], shared: Buckets, before: Before | None
) -> tuple[Survivors, NDArray[np.bool_]]:
    """The verdicts that still hold since the last time, by place, and the places that are decided now."""
    count = len(lined.compared)
    keeper, jaccard = np.full(count, -1, np.int64), np.zeros(count)
    old = None if before is None else unchanged(read_documents(before.index), lined.documents, lined.aside != STAYS)
    if before is None or old is None:
        return Survivors(keeper, jaccard), np.ones(count, bool)
    again = reached(shared, ~old[lined.compared])
    say(f"dedup: {np.count_nonzero(again):,} of {count:,} documents are new or connected with one that is")
    table = read_parquet(before.duplicates, DUPLICATES, ["removed", "keeper", "jaccard", "why"])
    table = table.filter(pc.equal(table["why"], str(OUTCOME[NEAR])))
    by_key = np.argsort(lined.documents.key)
    ordered = lined.documents.key[by_key]
    removed, kept = (places[by_key[np.searchsorted(ordered, column(table, name))]] for name in ("removed", "keeper"))
    holds = (removed >= 0) & ~again[removed]
    keeper[removed[holds]] = kept[holds]
    jaccard[removed[holds]] = column(table, "jaccard")[holds]
    return Survivors(keeper, jaccard), again


def _stored_sets(lined: LineUp, wanted: NDArray[np.bool_], holding: Sequence[Piece]) -> StoredSets:
    """The shingle sets of the wanted documents, by place."""
    starts = np.asarray([piece.start for piece in holding], np.int64)
    file = (np.searchsorted(starts, lined.compared, "right") - 1).astype(np.int32)
    before: NDArray[np.int64] = np.cumsum(wanted) - wanted  # wanted rows before each
    place = before[lined.compared]
    if holding:
        place -= before[starts][file]
    return StoredSets(ListFiles([piece.sets for piece in holding], "set"), file, place)


@dataclass(frozen=True)
class _Sign:
    """Step 1: the signatures of a piece."""

    settings: DedupSettings
    permutations: Permutations
    known: Callable[..., tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.uint8]]] | None

    def __call__(self, piece: Piece) -> None:
        found = [sign(batch, self.settings, self.permutations, self.known) for batch in piece.batches(COLUMNS)]
        if not found:  # a file without rows
            found = [sign(piece.read(COLUMNS), self.settings, self.permutations)]
        write_part(piece.signatures, pa.concat_tables(found))
        fault_point("dedup.signed")


@dataclass(frozen=True)
class _Match:
    """Step 2: the buckets of one band."""

    sketches: Path
    rows: int

    def __call__(self, band: Band) -> None:
        found = buckets(band_hashes(matrix_of(read_part(self.sketches), "sketch"), self.rows, band.number))
        write_part(band.buckets, pa.table({"bucket": lists(found.offsets, found.members)}))
        fault_point("dedup.matched")


@dataclass(frozen=True)
class _Collect:
    """Step 3: the shingle sets of those documents of a piece that share a bucket with another."""

    wanted: Path
    size: int

    def __call__(self, piece: Piece) -> None:
        wanted = read_part(self.wanted)["wanted"].slice(piece.start, piece.rows)
        found, start = [], 0
        for batch in piece.batches(["text"]):
            mine = batch.filter(wanted.slice(start, len(batch)))
            sets = shingle_sets(Texts.of(mine["text"]), self.size)
            found.append(pa.table({"set": lists(sets.offsets, sets.hashes)}))
            start += len(batch)
        write_part(piece.sets, pa.concat_tables(found))
        fault_point("dedup.collected")
