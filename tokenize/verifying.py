"""Whether shards are what was written: every file of a folder against its index, every problem told with its file.

Finds a flipped bit, a missing, truncated, foreign or swapped file. Nothing is mended here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import TEMPORARY, file_sha256
from webtext.corpus.manifests import MANIFEST_NAME
from webtext.tokenize.files import TOKENIZER_JSON, VOCAB_BPE, read_vocabulary
from webtext.tokenize.shard_index import INDEX_NAME, OLDER, SPLITS, ShardEntry, ShardIndex
from webtext.tokenize.shards import Shard


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass(frozen=True)
class ShardsReport:
    """What a verification found. `problems` is empty where all is good."""

    folder: str
    identity: str
    tokenizer: str
    vocab_size: int
    shards: int
    documents: int
    tokens: int
    older: int
    """Generations of earlier shards that were checked, too."""
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        size = f"{self.shards:,} shards, {self.documents:,} documents, {self.tokens:,} tokens"
        older = f", and {self.older} older generations" if self.older else ""
        if not self.problems:
            return f"good: {size}{older}; identity {self.identity[:16]}, tokenizer {self.tokenizer[:16]}"
        count = len(self.problems)
        told = "1 file is not as it was" if count == 1 else f"{count} files are not as they were"
        again = "webtext tokenize CORPUS --redo makes shards/ and tokenizer/ again"
        return "\n".join([*map(str, self.problems), f"{told} written; {again}"])


def shards_folder(path: Path) -> Path:
    """The folder of shards that `path` means: that of a corpus, or `path` itself.

    Raises:
        WebtextError: there are no shards.
    """
    for folder in (path / "shards", path):
        if (folder / INDEX_NAME).is_file():
            return folder
    raise WebtextError("there are no shards here", where=path, hint="make them: webtext tokenize CORPUS")


def verify_shards(
    folder: Path,
    hashes: Mapping[str, str] | None = None,
    tokenizer: Path | None = None,
    *,
    seen: Callable[[int], None] = lambda size: None,
) -> ShardsReport:
    """Check every file of a folder of shards, of the generations below `older/`, and the tokenizer's.

    Args:
        hashes: sha256 of files by their path in the corpus, from the manifest; None where the folder stands alone.
        tokenizer: its folder, where there is one.
        seen: told the bytes of each file that was read.

    Raises:
        WebtextError: there is no index, or a newer webtext wrote it.
        DamagedFile: the index itself cannot be read.
    """
    index = ShardIndex.read(folder)
    problems = _of_index(folder, index, hashes) + _of_shards(folder, index, seen)
    problems += _strangers(folder, index)
    if tokenizer is not None:
        problems += _of_tokenizer(tokenizer, index.tokenizer, hashes)
    generations = sorted(path for path in (folder / OLDER).glob("*") if path.is_dir())
    for older in generations:
        try:
            before = ShardIndex.read(older)
        except WebtextError as error:
            problems.append(Problem(str(older / INDEX_NAME), error.message))
            continue
        if before.identity[:16] != older.name:
            problems.append(Problem(str(older / INDEX_NAME), f"is the index of {before.identity[:16]}"))
        problems += _of_shards(older, before, seen) + _strangers(older, before)
        problems += _of_tokenizer(older / "tokenizer", before.tokenizer, None)
    entries = [entry for split in SPLITS for entry in index.splits[split]]
    return ShardsReport(
        folder=str(folder),
        identity=index.identity,
        tokenizer=index.tokenizer,
        vocab_size=index.vocab_size,
        shards=len(entries),
        documents=sum(entry.documents for entry in entries),
        tokens=sum(entry.tokens for entry in entries),
        older=len(generations),
        problems=tuple(problems),
    )


def _of_index(folder: Path, index: ShardIndex, hashes: Mapping[str, str] | None) -> list[Problem]:
    if hashes is None:
        return []
    path = folder / INDEX_NAME
    problems = []
    if hashes.get(f"shards/{INDEX_NAME}") != file_sha256(path):
        problems.append(Problem(str(path), f"has other bytes than {MANIFEST_NAME} says"))
    named = {f"shards/{entry.file}": entry.sha256 for split in SPLITS for entry in index.splits[split]}
    told = {name: digest for name, digest in hashes.items() if name.startswith("shards/") and name.endswith(".arrow")}
    if named != told:
        problems.append(Problem(str(path), f"names other shards than {MANIFEST_NAME}"))
    return problems


def _of_shards(folder: Path, index: ShardIndex, seen: Callable[[int], None]) -> list[Problem]:
    names = {entry.sha256: entry.file for split in SPLITS for entry in index.splits[split]}
    found = []
    for split in SPLITS:
        for entry in index.splits[split]:
            path = folder / entry.file
            what = _problem(path, entry, index, split, names)
            if what:
                found.append(Problem(str(path), what))
            seen(path.stat().st_size if path.is_file() else 0)
    return found


def _problem(path: Path, entry: ShardEntry, index: ShardIndex, split: str, names: Mapping[str, str]) -> str:
    """What is wrong with one shard, "" where nothing is."""
    if not path.is_file():
        return "is missing"
    digest = file_sha256(path)
    if digest == entry.sha256:
        return ""
    if digest in names:
        return f"is swapped: it holds {names[digest]}"
    try:
        shard = Shard.open(path)
    except WebtextError as error:
        return f"is foreign: {error.message}" if not _is_arrow(path) else f"is truncated or damaged: {error.message}"
    meant = {"identity": index.identity, "tokenizer": index.tokenizer, "split": split}
    for name, value in meant.items():
        if shard.metadata.get(name) != value:
            return f"is foreign: its {name} is {shard.metadata.get(name)}, that of {INDEX_NAME} is {value}"
    if (len(shard.tokens), len(shard)) != (entry.tokens, entry.documents):
        return (
            f"is another shard: {len(shard.tokens):,} tokens in {len(shard):,} documents, "
            f"{INDEX_NAME} says {entry.tokens:,} in {entry.documents:,}"
        )
    return f"has other bytes than when it was written (sha256 {digest[:16]}…, it was {entry.sha256[:16]}…)"


def _is_arrow(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"  # the magic of the Arrow IPC file format


def _strangers(folder: Path, index: ShardIndex) -> list[Problem]:
    known = {entry.file for split in SPLITS for entry in index.splits[split]} | {INDEX_NAME, MANIFEST_NAME}
    return [
        Problem(str(path), f"is foreign: {INDEX_NAME} does not name it")
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in known and TEMPORARY not in path.name
    ]


def _of_tokenizer(folder: Path, fingerprint: str, hashes: Mapping[str, str] | None) -> list[Problem]:
    found = []
    for name, digest in (hashes or {}).items():
        if name.startswith("tokenizer/"):
            path = folder / Path(name).name
            if not path.is_file():
                found.append(Problem(str(path), "is missing"))
            elif file_sha256(path) != digest:
                found.append(Problem(str(path), f"has other bytes than {MANIFEST_NAME} says"))
    for name in (TOKENIZER_JSON, VOCAB_BPE):
        told = {problem.file for problem in found}
        if str(folder / name) not in told and (folder / name).is_file():
            try:
                vocabulary = read_vocabulary(folder / name)
            except WebtextError as error:
                found.append(Problem(str(folder / name), error.message))
                continue
            if vocabulary.fingerprint != fingerprint:
                what = f"is another tokenizer ({vocabulary.fingerprint[:16]}) than the shards' ({fingerprint[:16]})"
                found.append(Problem(str(folder / name), what))
    return found
