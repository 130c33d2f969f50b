"""What a run reads: the generation of shards it pinned, checked, as windows; and the tokenizer that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.manifests import fingerprint
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import say
from webtext.corpus.stages import stage_manifest
from webtext.tokenize.files import TOKENIZER_JSON, parse_vocabulary
from webtext.tokenize.shard_index import OLDER, ShardIndex, open_shards
from webtext.train.loader import Windows

SHARDS = "shards"
TOKENIZER_FOLDER = "tokenizer"


@dataclass(frozen=True)
class TrainingData:
    """Open shards of one generation, and where its tokenizer lies."""

    index: ShardIndex
    fingerprint: str
    """Of the corpus."""
    tokenizer: Path
    train: Windows
    val: Windows

    def check_model(self, vocab_size: int, tokenizer: str, where: object) -> None:
        """Refuse a model that was made for another vocabulary than the shards'.

        Args:
            vocab_size: the model's; a model may have more tokens than the shards (padded to 50,304, say).
            tokenizer: fingerprint of the model's vocabulary.
            where: the model.

        Raises:
            WebtextError: names both vocabularies.
        """
        if tokenizer != self.index.tokenizer or vocab_size < self.index.vocab_size:
            raise WebtextError(
                f"the model has a vocabulary of {vocab_size:,} tokens ({tokenizer[:16]}), the shards have one of "
                f"{self.index.vocab_size:,} ({self.index.tokenizer[:16]})",
                where=where,
                hint="train on shards of the model's vocabulary (webtext tokenize CORPUS --tokenizer FOLDER --redo), "
                "or begin another run: --run NAME",
            )

    def tokenizer_json(self) -> bytes:
        """The bytes of tokenizer.json.

        Raises:
            WebtextError: it is another tokenizer than the shards were made with.
            DamagedFile: it is none.
        """
        with os_errors(self.tokenizer):
            data = self.tokenizer.read_bytes()
        vocabulary = parse_vocabulary(data, self.tokenizer)
        if vocabulary.fingerprint != self.index.tokenizer:
            raise WebtextError(
                f"is another tokenizer ({vocabulary.size:,} tokens, {vocabulary.fingerprint[:16]}) than the "
                f"shards were made with ({self.index.vocab_size:,} tokens, {self.index.tokenizer[:16]})",
                where=self.tokenizer,
                hint="make the shards again: webtext tokenize CORPUS --redo",
            )
        return data


def corpus_fingerprint(corpus: Path) -> str:
    """One hash for all the stages of a corpus that are finished.

    Raises:
        WebtextError: no corpus, or its shards are not finished.
    """
    if not corpus.is_dir():
        raise WebtextError("there is no corpus here", where=corpus, hint="make one: webtext build CORPUS DUMP")
    manifests = {stage: stage_manifest(corpus, stage) for stage in Stage}
    if manifests[Stage.SHARDS] is None:
        raise WebtextError(
            "there are no shards to train on yet", where=corpus, hint="make them: webtext tokenize CORPUS"
        )
    found = fingerprint({stage: manifest for stage, manifest in manifests.items() if manifest is not None})
    assert found is not None  # the shards at least
    return found


def open_data(
    corpus: Path, *, context: int, shards: str | None = None, fingerprint: str | None = None, verify: bool = True
) -> TrainingData:
    """Open the shards of a corpus, and read every byte of them to verify it.

    Args:
        shards, fingerprint: what an earlier sitting of the run pinned; None for what is there now.
        verify: False where another rank does.

    Raises:
        WebtextError: no finished shards, the pinned ones are gone, or too little text for one window.
        DamagedFile: a shard is not as it was written.
    """
    folder, index = _generation(corpus, shards)
    train, val = open_windows(folder, index, context, verify=verify, more="a larger corpus")
    tokenizer = (corpus if folder.name == SHARDS else folder) / TOKENIZER_FOLDER / TOKENIZER_JSON
    return TrainingData(index, fingerprint or corpus_fingerprint(corpus), tokenizer, train, val)


def open_windows(folder: Path, index: ShardIndex, context: int, *, verify: bool, more: str) -> tuple[Windows, Windows]:
    """The windows of both splits of the shards in `folder`.

    Args:
        more: where more text would come from, for the error.

    Raises:
        WebtextError: the training split is not one window.
        DamagedFile: a shard is not as it was written.
    """
    train, val = (Windows(open_shards(folder, split, verify=verify), context) for split in ("train", "val"))
    if not len(train):
        raise WebtextError(
            f"too little text: {index.tokens('train'):,} tokens are not one window of {context:,}",
            where=folder,
            hint=f"{more}, or a preset with a shorter context (tiny: 128)",
        )
    return train, val


def pinned_shards(corpus: Path, identity: str) -> tuple[Path, ShardIndex]:
    """Where the shards of that identity lie: those of now, those of before, or `corpus` itself where it is a folder of
    shards.

    Raises:
        WebtextError: they are gone.
        DamagedFile: an index is none.
    """
    for place in (corpus / SHARDS, corpus / SHARDS / OLDER / identity[:16], corpus):
        try:
            index = ShardIndex.read(place)
        except DamagedFile:
            raise
        except WebtextError:  # none here
            continue
        if index.identity == identity:
            return place, index
    raise WebtextError(
        f"the shards this run began with ({identity[:16]}) are gone",
        where=corpus,
        hint="--restart begins the run again with those that are there, --run NAME begins another",
    )


def _generation(corpus: Path, pinned: str | None) -> tuple[Path, ShardIndex]:
    if pinned is None:
        corpus_fingerprint(corpus)  # says what is missing
        return corpus / SHARDS, ShardIndex.read(corpus / SHARDS)
    place, index = pinned_shards(corpus, pinned)
    if place.parent.name == OLDER:
        say(f"goes on with the shards it began with ({place}); another run (--run NAME) reads the newer ones")
    return place, index
