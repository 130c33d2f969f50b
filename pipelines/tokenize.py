"""clean/ to tokenizer/ and shards/: choose a tokenizer, encode the documents, assemble shards in key order.

Two Beam pipelines: one element a row group of clean/ (text to work parts of tokens, one a split), one element a shard
(ranges of parts to a file). Between them only the sizes of the parts are held in memory: no token, and no key.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import file_sha256, identity_of, open_parquet, read_json, write_bytes
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.schemas import DOCUMENTS, SCHEMA_VERSION
from webtext.corpus.settings import TokenizeSettings
from webtext.corpus.stages import StageRun, stage_manifest
from webtext.pipelines.engine import Engine
from webtext.pipelines.training import train_on_corpus
from webtext.tokenize.assembly import Size, cut
from webtext.tokenize.choosing import TOKENIZER, choose_vocabulary
from webtext.tokenize.files import TOKENIZER_JSON, vocabulary_files, write_vocabulary
from webtext.tokenize.parts import EncodeGroup, Group, ShardPlan, assemble_shard, sample_texts
from webtext.tokenize.proof import SAMPLE_BYTES, choose_engine
from webtext.tokenize.reading import TEXT
from webtext.tokenize.rules import RULES
from webtext.tokenize.shard_index import INDEX_NAME, OLDER, SPLITS, ShardEntry, ShardIndex
from webtext.tokenize.shards import Shard
from webtext.tokenize.vocabulary import Vocabulary

__all__ = ["RULES", "make_shards", "shards_identity", "tokenize_inputs"]

SHARDS = str(Stage.SHARDS)

WORKER_BYTES = 32_000_000
"""Text from which a further worker pays: a process takes two to three seconds to start."""


def tokenize_inputs(clean_identity: str) -> dict[str, str]:
    """The inputs of this stage, for `StageRun.begin`."""
    return {"clean": clean_identity}


def make_shards(
    run: StageRun,
    corpus: Path,
    clean: Sequence[Path],
    settings: TokenizeSettings,
    *,
    clean_identity: str,
    engine: Engine,
    accept_loss: bool = False,
    retrain: bool = False,
) -> Manifest:
    """Make tokenizer/ and shards/ of the documents in `clean`.

    The tokenizer of an earlier generation is kept unless `retrain` is set or a setting that shapes it changed. Shards
    of an earlier generation move to shards/older/IDENTITY, as a training run may have pinned them.

    Args:
        clean: Parquet files of `DOCUMENTS`. How the documents lie in files and row groups decides nothing.
        clean_identity: that of the manifest of clean/.

    Raises:
        WebtextError: there is no document, or no such tokenizer.
        DamagedFile: a file of clean/ or of the kept tokenizer is not what it was.
    """
    groups, rows, text = _groups(clean)
    if rows == 0:
        raise WebtextError(
            "there is nothing to tokenize: no document is left", where=corpus, hint=_who_took_them(corpus)
        )
    engine = replace(engine, workers=max(1, min(engine.workers, text // WORKER_BYTES)))
    vocabulary = choose_vocabulary(
        run, settings, clean_identity=clean_identity, retrain=retrain,
        train=lambda: train_on_corpus(run, groups, settings, clean_identity=clean_identity, engine=engine),
    )  # fmt: skip
    tokenizer = run.part("tokenizer", vocabulary.fingerprint, suffix=f"/{TOKENIZER_JSON}")
    if not tokenizer.exists():
        write_bytes(tokenizer, vocabulary_files(vocabulary)[TOKENIZER_JSON])
    fault_point("tokenize.trained")
    parts = _encode(run, engine, groups, tokenizer, vocabulary, settings, clean_identity)
    identity = shards_identity(clean_identity, vocabulary, settings)
    described = {
        "identity": identity,
        "corpus": clean_identity,
        "tokenizer": vocabulary.fingerprint,
        "vocab_size": str(vocabulary.size),
        "endoftext": str(vocabulary.endoftext),
        "rules": " ".join(f"{name}={version}" for name, version in sorted(RULES.items())),
    }
    plans = _plan(run, parts, settings, described)
    # By one process: each would hold a shard of 200 MB, and copying is soon as fast as the disk.
    replace(engine, workers=1).each(
        "assemble shards", assemble_shard, plans, unit="shards", made=_counter([plan.record for plan in plans])
    )
    index, files, hashes = _outputs(run, plans, vocabulary, identity, clean_identity)
    documents = {split: sum(entry.documents for entry in index.splits[split]) for split in SPLITS}
    return run.publish(
        files,
        hashes,
        rows_in=rows,
        rows_out=sum(documents.values()),
        outcomes={},
        facts={
            "identity": identity,
            "tokenizer": vocabulary.fingerprint,
            "vocab_size": vocabulary.size,
            "tokens": {split: index.tokens(split) for split in SPLITS},
            "documents": documents,
        },
        aside=_aside(run, identity),
        accept_loss=accept_loss,
    )


def shards_identity(clean_identity: str, vocabulary: Vocabulary, settings: TokenizeSettings) -> str:
    """What a training run pins: it covers all that decides the stream of tokens, and is known before that is made."""
    return identity_of(
        {
            "schema_version": SCHEMA_VERSION,
            "rules": dict(RULES),
            "clean": clean_identity,
            "tokenizer": vocabulary.fingerprint,
            "settings": {name: getattr(settings, name) for name in ("validation", "salt", "shard_tokens")},
        }
    )


def _groups(clean: Sequence[Path]) -> tuple[list[tuple[Path, int]], int, int]:
    """Every row group that has rows, the number of rows in all, and the bytes of text, about."""
    groups: list[tuple[Path, int]] = []
    rows = text = 0
    for path in clean:
        with open_parquet(path, DOCUMENTS) as file:
            found = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        groups += [(path, number) for number, group in enumerate(found) if group.num_rows]
        rows += sum(group.num_rows for group in found)
        text += sum(group.column(TEXT).total_uncompressed_size for group in found)
    return groups, rows, text


def _encode(
    run: StageRun,
    engine: Engine,
    groups: Sequence[tuple[Path, int]],
    tokenizer: Path,
    vocabulary: Vocabulary,
    settings: TokenizeSettings,
    clean_identity: str,
) -> list[Group]:
    # What lies in a row group follows from its file's name and the identity of all files.
    made_of = [clean_identity, vocabulary.fingerprint, settings.validation, settings.salt]
    elements = [
        Group(path, number, *(run.part("encoded", *made_of, path.name, number, split, suffix=".arrow")
                              for split in SPLITS))
        for path, number in groups
    ]  # fmt: skip
    records = [element.record for element in elements]
    if not all(record.exists() for record in records):
        chosen = choose_engine(vocabulary, sample_texts(list(groups), SAMPLE_BYTES), settings.engine)
        encode = EncodeGroup(tokenizer, chosen.engine, settings.validation, settings.salt)
        # On threads: each process would hold a vocabulary and the words that its engine remembers, 150 MB and more.
        engine.each("encode", encode, elements, made=_counter(records), threads=True)
    return elements


def _plan(
    run: StageRun, groups: Sequence[Group], settings: TokenizeSettings, described: dict[str, str]
) -> list[ShardPlan]:
    """Decide where each document goes, by its key and its length alone."""
    made = sorted(((read_json(group.record), group) for group in groups), key=lambda one: int(one[0]["first"]))
    for (before, _), (after, group) in itertools.pairwise(made):
        if after["first"] <= before["last"]:
            what = "a key stands there twice" if after["first"] == before["last"] else "its documents lie among others"
            raise DamagedFile(what, where=group.path, hint="make it again: webtext dedup CORPUS --redo")
    counts = {split: sum(record["sizes"][split][0] for record, _ in made) for split in SPLITS}
    _say_what_is_empty(settings, counts["val"], sum(counts.values()))
    plans = []
    for split in SPLITS:
        parts = [group.part(split) for _, group in made]
        sizes = [Size(*record["sizes"][split]) for record, _ in made]
        cuts = cut(sizes, lambda number, parts=parts: Shard.open(parts[number]).offsets, settings.shard_tokens)  # type: ignore[misc]
        for number, ranges in enumerate(cuts):
            path = run.part("shard", described["identity"], split, number, suffix=".arrow")
            pieces = tuple((parts[piece.part], piece) for piece in ranges)
            plans.append(ShardPlan(split, path, pieces, tuple({**described, "split": split}.items())))
    return plans


def _outputs(
    run: StageRun, plans: Sequence[ShardPlan], vocabulary: Vocabulary, identity: str, clean_identity: str
) -> tuple[ShardIndex, dict[str, Path], dict[str, str]]:
    """The index, the files to publish by their final names, and the sha256 of each."""
    out = run.work / "out"
    files: dict[str, Path] = {}
    entries: dict[str, list[ShardEntry]] = {split: [] for split in SPLITS}
    for plan in plans:
        entry = plan.entry(f"{plan.split}-{len(entries[plan.split]):05d}.arrow")
        entries[plan.split].append(entry)
        files[f"{SHARDS}/{entry.file}"] = plan.path
    hashes = {f"{SHARDS}/{entry.file}": entry.sha256 for split in SPLITS for entry in entries[split]}
    index = ShardIndex(
        identity, clean_identity, vocabulary.fingerprint, vocabulary.size, vocabulary.endoftext, entries
    )  # fmt: skip
    files[f"{SHARDS}/{INDEX_NAME}"] = out / INDEX_NAME
    index.write(out / INDEX_NAME)
    hashes[f"{SHARDS}/{INDEX_NAME}"] = file_sha256(out / INDEX_NAME)
    for name, digest in write_vocabulary(out / TOKENIZER, vocabulary).items():
        files[f"{TOKENIZER}/{name}"] = out / TOKENIZER / name
        hashes[f"{TOKENIZER}/{name}"] = digest
    return index, files, hashes


def _aside(run: StageRun, identity: str) -> dict[str, str]:
    """Where the files of an earlier generation go: its shards, its index and its tokenizer."""
    before = run.previous
    if before is None or before.facts.get("identity") in (None, identity):
        return {}
    older = f"{SHARDS}/{OLDER}/{str(before.facts['identity'])[:16]}"
    kept = {name: f"{older}/{Path(name).name}" for name in before.files if name.startswith(f"{SHARDS}/")}
    kept[f"{TOKENIZER}/{TOKENIZER_JSON}"] = f"{older}/{TOKENIZER}/{TOKENIZER_JSON}"
    return {name: target for name, target in kept.items() if (run.corpus / name).is_file()}


def _counter(paths: Sequence[Path]) -> Callable[[], int]:
    return lambda: sum(path.exists() for path in paths)


def _say_what_is_empty(settings: TokenizeSettings, held: int, documents: int) -> None:
    if settings.validation > 0 and held == 0:
        say(
            f"validation: none of {documents:,} documents falls into the {settings.validation:.1%} held out; "
            "training goes without a validation loss"
        )
    if held == documents:
        say(f"validation: all {documents:,} documents are held out, none is left to train on")


def _who_took_them(corpus: Path) -> str:
    manifests = [manifest for stage in Stage if (manifest := stage_manifest(corpus, stage))]
    taken = [(count, name, manifest.stage) for manifest in manifests for name, count in manifest.outcomes.items()]
    largest = ", ".join(f"{name} {count:,} ({stage})" for count, name, stage in sorted(taken, reverse=True)[:4])
    told = f"most went to {largest}; " if largest else ""
    return f"{told}webtext status CORPUS shows which outcomes took them"
