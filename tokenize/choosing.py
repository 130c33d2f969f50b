"""Which tokenizer a corpus gets: the one it has, a trained one, OpenAI's, or one the user brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from webtext.corpus.errors import DamagedFile, UsageError
from webtext.corpus.files import file_sha256, write_bytes
from webtext.corpus.manifests import Manifest
from webtext.corpus.progress import say
from webtext.corpus.settings import TokenizeSettings
from webtext.corpus.stages import StageRun
from webtext.tokenize.files import TOKENIZER_JSON, VOCAB_BPE, read_vocabulary
from webtext.tokenize.gpt2 import gpt2_vocabulary
from webtext.tokenize.rules import RULES
from webtext.tokenize.vocabulary import Vocabulary

Train = Callable[[], Vocabulary]

GPT2 = "gpt2"
TOKENIZER = "tokenizer"
"""Its folder in a corpus; the files belong to the manifest of the shards."""


def choose_vocabulary(
    run: StageRun, settings: TokenizeSettings, *, clean_identity: str, retrain: bool, train: Train
) -> Vocabulary:
    """The vocabulary for the shards of this run.

    Args:
        retrain: make a new one even where the corpus has one under the same settings.
        train: trains one on the documents.

    Raises:
        WebtextError: there is no such tokenizer, or it does not fit.
        DamagedFile: the corpus has grown, and the tokenizer it had is damaged.
    """
    kept = None if retrain else _kept(run)
    if kept is not None:
        return kept
    if _is_gpt2(settings.tokenizer):
        vocabulary = gpt2_vocabulary(_gpt2_source(settings.tokenizer))
    elif settings.tokenizer == "train":
        vocabulary = _trained(run, settings, clean_identity, train)
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
    if _is_gpt2(settings.tokenizer):
        if before != GPT2:
            gpt2_vocabulary(_gpt2_source(settings.tokenizer))
        return GPT2
    if before.startswith("given ") and not Path(settings.tokenizer).expanduser().exists():
        return before
    return f"given {_given(settings).fingerprint}"


def absolute(tokenizer: str) -> str:
    """What webtext.toml keeps of `--tokenizer`: a path that means the same from every folder."""
    if tokenizer in ("train", GPT2):
        return tokenizer
    prefix = f"{GPT2}:" if tokenizer.startswith(f"{GPT2}:") else ""
    return prefix + str(Path(tokenizer.removeprefix(prefix)).expanduser().absolute())


def _is_gpt2(tokenizer: str) -> bool:
    return tokenizer == GPT2 or tokenizer.startswith(f"{GPT2}:")


def _gpt2_source(tokenizer: str) -> Path | None:
    """The file or folder in `gpt2:PATH`."""
    path = tokenizer.removeprefix(GPT2).removeprefix(":")
    return Path(path).expanduser() if path else None


def _given(settings: TokenizeSettings) -> Vocabulary:
    source = Path(settings.tokenizer).expanduser()
    if not source.exists():
        raise UsageError(
            f"there is no tokenizer {settings.tokenizer!r}",
            where="tokenize.tokenizer",
            hint="it is train, gpt2, gpt2:PATH, or a folder that holds a tokenizer",
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


def _trained(run: StageRun, settings: TokenizeSettings, clean_identity: str, train: Train) -> Vocabulary:
    made_of = [clean_identity, settings.vocab_size, settings.sample_bytes, RULES["split"], RULES["train"]]
    path = run.part("trained", *made_of, suffix=f"/{VOCAB_BPE}")
    if not path.exists():
        write_bytes(path, train().merges_text)
    vocabulary = read_vocabulary(path)
    if vocabulary.size < settings.vocab_size:
        say(
            f"tokenizer: this text yields {vocabulary.size:,} tokens, not {settings.vocab_size:,}: "
            "no further pair of tokens occurs twice"
        )
    return vocabulary
