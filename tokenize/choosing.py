"""Which tokenizer a corpus gets: the one it has, a trained one, OpenAI's, or one the user brings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webtext.corpus.config import TokenizeSettings
from webtext.corpus.errors import DamagedFile, UsageError
from webtext.corpus.files import file_sha256, open_parquet, write_bytes
from webtext.corpus.manifests import Manifest
from webtext.corpus.progress import progress, say, watched
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import StageRun
from webtext.tokenize.files import TOKENIZER_JSON, VOCAB_BPE, read_vocabulary
from webtext.tokenize.gpt2 import gpt2_vocabulary
from webtext.tokenize.rules import RULES
from webtext.tokenize.training import sample, train_vocabulary
from webtext.tokenize.vocabulary import Vocabulary

T = TypeVar("T")

TOKENIZER = "tokenizer"
"""Its folder in a corpus; the files belong to the manifest of the shards."""

BATCH_ROWS = 256  # documents that are Python strings at once: 1 MB of text, seldom 100


def choose_vocabulary(
    run: StageRun, clean: Sequence[Path], settings: TokenizeSettings, *, clean_identity: str, retrain: bool
) -> Vocabulary:
    """The vocabulary for the shards of this run.

    Args:
        retrain: make a new one even where the corpus has one under the same settings.

    Raises:
        WebtextError: there is no such tokenizer, or it does not fit.
        DamagedFile: the corpus has grown, and the tokenizer it had is damaged.
    """
    kept = None if retrain else _kept(run)
    if kept is not None:
        return kept
    if settings.tokenizer == "gpt2":
        vocabulary = gpt2_vocabulary()
    elif settings.tokenizer == "train":
        vocabulary = _trained(run, clean, settings, clean_identity)
    else:
        vocabulary = _given(settings)
    say(f"tokenizer: {settings.tokenizer}, {vocabulary.size:,} tokens")
    return vocabulary


def stated(settings: TokenizeSettings, previous: Manifest | None) -> str:
    """What a manifest says of the setting `tokenizer`: a path is no content, the tokenizer's fingerprint is.

    A corpus that was made with a given tokenizer has it in its own tokenizer/: the path need not be there any more.

    Raises:
        UsageError: there is nothing at the path.
        WebtextError: OpenAI's vocabulary is not to be found.
        DamagedFile: what is there is no tokenizer.
    """
    before = "" if previous is None else str(previous.settings.get("tokenizer"))
    if settings.tokenizer == "train" or settings.tokenizer == before:
        return settings.tokenizer
    if settings.tokenizer == "gpt2":
        gpt2_vocabulary()
        return settings.tokenizer
    if before.startswith("given ") and not Path(settings.tokenizer).expanduser().exists():
        return before
    return f"given {_given(settings).fingerprint}"


def _given(settings: TokenizeSettings) -> Vocabulary:
    source = Path(settings.tokenizer).expanduser()
    if not source.exists():
        raise UsageError(
            f"there is no tokenizer {settings.tokenizer!r}",
            where="tokenize.tokenizer",
            hint="it is train, gpt2, or a folder that holds a tokenizer",
        )
    return read_vocabulary(source)


def _kept(run: StageRun) -> Vocabulary | None:
    """The tokenizer of the earlier generation, from any of its files that is still what it was."""
    before = run.previous
    if before is None:
        return None
    shaping = ("tokenizer", "vocab_size", "sample_bytes")
    if any(before.settings.get(name) != run.settings.get(name) for name in shaping):
        return None
    if any(before.rules.get(name) != RULES[name] for name in ("split", "train")):
        return None
    for name in (TOKENIZER_JSON, VOCAB_BPE):
        path = run.corpus / TOKENIZER / name
        if path.is_file() and file_sha256(path) == before.files.get(f"{TOKENIZER}/{name}"):
            return read_vocabulary(path)
    if dict(before.inputs) == dict(run.inputs):  # --redo, as the message about a damaged file advises
        say("tokenizer: its files are damaged or missing; it is made again")
        return None
    raise DamagedFile(
        "has no file that is as it was written",
        where=run.corpus / TOKENIZER,
        hint="put it back, or make a new one: webtext tokenize CORPUS --retrain-tokenizer",
    )


def _trained(run: StageRun, clean: Sequence[Path], settings: TokenizeSettings, clean_identity: str) -> Vocabulary:
    made_of = [clean_identity, settings.vocab_size, settings.sample_bytes, RULES["split"], RULES["train"]]
    path = run.part("trained", *made_of, suffix=f"/{VOCAB_BPE}")
    if not path.exists():
        write_bytes(path, _train(run.corpus, clean, settings).merges_text)
    vocabulary = read_vocabulary(path)
    if vocabulary.size < settings.vocab_size:
        say(
            f"tokenizer: this text yields {vocabulary.size:,} tokens, not {settings.vocab_size:,}: "
            "no further pair of tokens occurs twice"
        )
    return vocabulary


def _train(corpus: Path, clean: Sequence[Path], settings: TokenizeSettings) -> Vocabulary:
    tables = [_columns(path, ["key", "characters"]) for path in clean]
    keys = np.concatenate([np.asarray(table["key"].to_numpy(), np.uint64) for table in tables])
    # Characters stand in a column of their own; bytes would take a reading of all the text, and differ little.
    sizes = np.concatenate([np.asarray(table["characters"].to_numpy(), np.int64) for table in tables])
    chosen = sample(keys, sizes, settings.sample_bytes)
    count = int(chosen.sum())
    if count < len(keys):
        say(f"tokenizer: trained on a sample of {count:,} of {len(keys):,} documents")
    reading = _Reading()
    with progress(corpus, "train the tokenizer", count, "documents") as shown, watched(shown, lambda: reading.count):
        texts = reading.through(_texts(clean, chosen))
        return _interruptible(lambda: train_vocabulary(texts, settings.vocab_size), reading)


def _texts(clean: Sequence[Path], chosen: npt.NDArray[np.bool_]) -> Iterator[str]:
    start = 0
    for path in clean:
        with open_parquet(path, DOCUMENTS) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                mine = chosen[start : start + rows]
                start += rows
                if mine.any():
                    texts = file.read_row_group(group, columns=["text"])["text"].filter(pa.array(mine))
                    texts.validate(full=True)  # a flipped byte may have left what is no UTF-8
                    for first in range(0, len(texts), BATCH_ROWS):
                        yield from texts.slice(first, BATCH_ROWS).to_pylist()


def _columns(path: Path, names: list[str]) -> pa.Table:
    with open_parquet(path, DOCUMENTS) as file:
        return file.read(columns=names)


@dataclass
class _Reading:
    """How many texts a trainer has read, and whether it may read on."""

    count: int = 0
    stopped: bool = False

    def through(self, texts: Iterator[str]) -> Iterator[str]:
        for text in texts:
            if self.stopped:
                raise RuntimeError("nobody waits for this tokenizer any more")
            self.count += 1
            yield text


def _interruptible(function: Callable[[], T], reading: _Reading) -> T:
    """Call `function` in a thread of its own: Ctrl-C must not wait for a library that never looks at signals."""
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(function())
        except BaseException as error:  # noqa: BLE001 - carried to the waiting thread
            failure.append(error)

    thread = threading.Thread(target=work, name="train the tokenizer", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    finally:
        reading.stopped = True
    if failure:
        raise failure[0]
    return result[0]
