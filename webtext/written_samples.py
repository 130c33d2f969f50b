"""`--tasks samples`: what a model writes after held-out prompts, beside what really followed, compared with its corpus.

The paper's section 4: does a model that has read a corpus repeat it more than people do who have not?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from webtext.copied_runs import Copied, copied
from webtext.corpus.errors import WebtextError
from webtext.corpus.files import identity_of
from webtext.corpus.progress import progress
from webtext.tokenize.files import TOKENIZER_JSON, parse_vocabulary
from webtext.tokenize.shard_index import OLDER, ShardIndex, open_shards
from webtext.train.decoding import token_bytes
from webtext.train.sampling import Sampling
from webtext.train.zeroshot import scores
from webtext.train.zeroshot.catalogue import SAMPLES
from webtext.train.zeroshot.continuations import Prompt
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.evaluation import Evaluation
from webtext.train.zeroshot.job import Job, Record, in_parts, lot
from webtext.train.zeroshot.task import Score

PROMPT_TOKENS = 64
LEAST = 16
"""Tokens that a held-out document has after the prompt, at least."""
MOST = 1_000
"""Held-out documents that are continued, where no limit is given."""


def shards_of(corpus: Path, identity: str | None) -> Path:
    """The folder of the shards that a model was trained on: those of `identity`, otherwise those there are now.

    Raises:
        WebtextError: there are no shards, or not those any more.
    """
    folder = corpus if (corpus / "index.json").is_file() else corpus / "shards"
    index = ShardIndex.read(folder)
    if identity is None or index.identity == identity:
        return folder
    older = folder / OLDER / identity[:16]
    if older.is_dir():
        return older
    raise WebtextError(
        f"the model was trained on other shards ({identity[:16]}) than lie here ({index.identity[:16]})",
        where=folder,
        hint="name the corpus it was trained on with --corpus",
    )


def samples_result(evaluation: Evaluation, shards: Path, *, limit: int | None) -> dict[str, Any]:
    """The samples and what the corpus holds of them.

    Raises:
        WebtextError: no held-out document is long enough.
    """
    engine = evaluation.engine
    index = ShardIndex.read(shards)
    vocabulary = _vocabulary(evaluation, shards, index)
    job = _job(engine, shards, vocabulary, limit or MOST)
    key = identity_of(
        [SAMPLES.to_json(), index.identity, evaluation.model, evaluation.vocabulary, limit, PROMPT_TOKENS, LEAST]
    )
    records = evaluation.records(SAMPLES, key, job, "samples")
    written = [record["written"] for _, record in sorted(records.items())]
    real = [record["real"] for _, record in sorted(records.items())]
    total = sum(entry.documents for entry in index.splits["train"])
    with progress(evaluation.out, "eval samples: compare", total, "documents") as shown:

        def counted() -> Iterator[tuple[str, str]]:
            for document in _documents(vocabulary, shards):
                shown.add()
                yield document

        found = copied([*written, *real], counted())
    count = len(written)
    return {
        "protocol": SAMPLES.to_json(),
        "data": {"name": "held-out documents", "split": "val", "sha256": index.identity, "files": [], "kind": "shards"},
        "limit": limit,
        "facts": {**job.facts, "documents": total},
        "scores": {
            "found_written": _share(found, range(count)).to_json(),
            "found_held_out": _share(found, range(count, 2 * count)).to_json(),
            "longest_written": _longest(found, range(count)),
            "longest_held_out": _longest(found, range(count, 2 * count)),
        },
        "overlap": None,
        "without_overlap": None,
        "left_out": 0,
    }


def _share(found: Copied, texts: range) -> Score:
    share = scores.ratio([float(found.found[text]) for text in texts], [float(found.grams[text]) for text in texts])
    return Score(100 * share.value, None if share.error is None else 100 * share.error, share.count)


def _longest(found: Copied, texts: range) -> Mapping[str, Any] | None:
    runs = [run for run in found.runs if run.text in texts]
    return max(runs, key=lambda run: run.length).to_json() if runs else None


def _job(engine: Engine, shards: Path, vocabulary: Sequence[bytes], limit: int) -> Job:
    prompt = min(PROMPT_TOKENS, engine.context // 2)
    more = min(SAMPLES.max_tokens, engine.context - prompt + 1)
    drawn: list[tuple[bytes, str, list[int]]] = []
    for shard in open_shards(shards, "val"):
        for number in range(len(shard)):
            key = f"{int(shard.keys[number]):016x}"
            drawn.append((lot(SAMPLES.seed, key), key, shard.document(number)[1:].tolist()))
    drawn = [
        (number, key, tokens[: prompt + more])
        for number, key, held in sorted(drawn)
        if len(tokens := [engine.endoftext, *engine.encode(_text(vocabulary, held))]) >= prompt + LEAST
    ][:limit]
    if not drawn:
        raise WebtextError(
            f"no held-out document has {prompt + LEAST} tokens", where=shards, hint="samples needs a larger corpus"
        )

    def score(places: Sequence[int]) -> list[Record]:
        # As long as what really followed, so that neither side has more room to be found in.
        prompts = [Prompt(tuple(drawn[place][2][:prompt]), seed=SAMPLES.seed + place) for place in places]
        going = engine.goes_on(prompts, Sampling(max_tokens=more, temperature=1.0, top_k=SAMPLES.top_k))
        found = []
        for place, written in zip(places, going, strict=True):
            length = len(drawn[place][2]) - prompt
            tokens = [token for token in written.tokens[:length] if token != engine.endoftext]
            real = _text(engine.vocabulary, drawn[place][2][prompt:])
            found.append({"written": _text(engine.vocabulary, tokens), "real": real})
        return found

    return Job(
        examples=[key for _, key, _ in drawn],
        parts=in_parts(range(len(drawn)), 32),
        score=score,
        summarise=lambda records, without: {},
        facts={"examples": len(drawn), "prompt_tokens": prompt, "max_tokens": more},
    )


def _text(vocabulary: Sequence[bytes], tokens: Sequence[int]) -> str:
    return b"".join(vocabulary[token] for token in tokens).decode("utf-8", "replace")


def _vocabulary(evaluation: Evaluation, shards: Path, index: ShardIndex) -> Sequence[bytes]:
    """The bytes of the shards' tokens: the model's own vocabulary, or that of the corpus.

    Raises:
        WebtextError: the shards' tokenizer is not there.
    """
    if index.tokenizer == evaluation.vocabulary:
        return evaluation.engine.vocabulary
    for path in (folder / TOKENIZER_JSON for folder in (shards.parent / "tokenizer", shards / "tokenizer", shards)):
        if path.is_file():
            data = path.read_bytes()
            if parse_vocabulary(data, path).fingerprint == index.tokenizer:
                return token_bytes(Tokenizer.from_str(data.decode()))
    raise WebtextError("the tokenizer of these shards is not beside them", where=shards)


def _documents(vocabulary: Sequence[bytes], shards: Path) -> Iterator[tuple[str, str]]:
    """The address and text of every document that was trained on."""
    for shard in open_shards(shards, "train"):
        for number in range(len(shard)):
            yield shard.urls[number].as_py(), _text(vocabulary, shard.document(number)[1:].tolist())
