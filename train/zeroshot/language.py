"""Language-model sets: one long text, or one a article, scored window by window and counted by line.

Items are windows. A window's record says how much likelihood fell on which piece of the published text (a line, or so
many words of a text without lines): so units, standard errors and a score without some examples need no second pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from webtext.corpus.errors import WebtextError
from webtext.corpus.testsets.example import TestSet
from webtext.train.zeroshot import scores
from webtext.train.zeroshot.detokenizers import detokenizer
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.job import Job, Record, Scores
from webtext.train.zeroshot.lm_eval import lm_eval_wikitext
from webtext.train.zeroshot.task import Task
from webtext.train.zeroshot.windows import Window, rolling, strided

PART_TOKENS = 1 << 17
"""Tokens that are read for one part: seconds of a small model on a CPU."""
PIECE_WORDS = 100
"""Of a text without line ends."""


@dataclass(frozen=True)
class Piece:
    """A stretch of the published text, and how it is given to the model."""

    example: str
    published: str
    text: str


@dataclass(frozen=True)
class Stream:
    """A text in tokens, each belonging to one of its pieces; `begin` belongs to none (-1)."""

    tokens: Tensor
    owners: np.ndarray
    windows: Sequence[Window]


def language_job(task: Task, found: TestSet, engine: Engine, *, limit: int | None) -> Job:
    """Make a language-model task ready. `limit` is a number of lines from the beginning (of an article begun, all).

    Raises:
        WebtextError: the set has no text.
    """
    pieces = list(_pieces(task, found, limit))
    streams = [_stream(task, engine, pieces, range_) for range_ in _ranges(task, pieces)]
    items = [(stream, window) for stream in streams for window in stream.windows]
    if not items:
        raise WebtextError("has no text", where=found.files[0])
    whole = partial(_text_units, task.denominator)
    units = [whole(piece.published) for piece in pieces]
    size = max(1, PART_TOKENS // engine.context)
    return Job(
        examples=[_example(stream, window, pieces) for stream, window in items],
        parts=[list(range(first, min(first + size, len(items)))) for first in range(0, len(items), size)],
        score=partial(_score, engine, items),
        summarise=partial(_summarise, task, pieces, units),
        facts={
            "context": engine.context,
            "stride": min(task.stride or engine.context, engine.context),
            "tokens": sum(len(stream.tokens) - int(stream.owners[0] < 0) for stream in streams),
            "units": sum(units) if task.denominator != "tokens" else None,
            "pieces": len(pieces),
        },
    )


def _pieces(task: Task, found: TestSet, limit: int | None) -> Iterator[Piece]:
    back = detokenizer(task.detokenizer) if task.detokenizer not in ("", "lm-eval") else None
    count = 0
    for example in found.examples():
        text = str(example.fields["text"]).replace("\r\n", "\n")
        if task.stream == "example":
            cut = [text]
        else:
            cut = text.splitlines(keepends=True) if "\n" in text else _stretches(text)
        for published in cut:
            if limit is not None and count >= limit:
                return
            count += published.count("\n") or 1
            written = published
            if task.layout == "rows":
                written = ("" if not published.strip() else published) + "\n\n"
            elif task.detokenizer == "lm-eval":
                written = lm_eval_wikitext(published)
            elif back is not None:
                written = back.detokenize(published.removesuffix("\n")) + ("\n" if published.endswith("\n") else "")
            # A split by bytes may have cut a letter in two.
            written = written.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            yield Piece(example.id, published, written)


def _stretches(text: str) -> list[str]:
    """Stretches of `PIECE_WORDS` words with the spaces after them."""
    words = re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", text)
    return ["".join(words[first : first + PIECE_WORDS]) for first in range(0, len(words), PIECE_WORDS)]


def _ranges(task: Task, pieces: Sequence[Piece]) -> list[range]:
    """The pieces of each text."""
    if task.stream == "example":
        return [range(place, place + 1) for place in range(len(pieces))]
    return [range(len(pieces))]


def _stream(task: Task, engine: Engine, pieces: Sequence[Piece], places: range) -> Stream:
    text = "".join(pieces[place].text for place in places)
    if task.layout == "rows":
        text = text.removesuffix("\n\n")  # line ends stand between rows
    encoded = engine.tokenizer.encode(text, add_special_tokens=False)
    borders = np.cumsum([len(pieces[place].text) for place in places])
    starts = np.array([start for start, _ in encoded.offsets], dtype=np.int64)
    owners = np.minimum(np.searchsorted(borders, starts, side="right"), len(borders) - 1) + places.start
    ids = list(encoded.ids)
    if task.begin:
        ids, owners = [engine.endoftext, *ids], np.concatenate([[-1], owners])
    cut = strided if task.windows == "strided" else rolling
    stride = min(task.stride or engine.context, engine.context)
    return Stream(torch.tensor(ids, dtype=torch.int64), owners, cut(len(ids), context=engine.context, stride=stride))


def _example(stream: Stream, window: Window, pieces: Sequence[Piece]) -> str:
    return pieces[int(stream.owners[window.first])].example


def _score(engine: Engine, items: Sequence[tuple[Stream, Window]], places: Sequence[int]) -> list[Record]:
    records: list[Record] = [{} for _ in places]
    by_stream: dict[int, list[int]] = {}
    for here, place in enumerate(places):
        by_stream.setdefault(id(items[place][0]), []).append(here)
    for group in by_stream.values():
        stream = items[places[group[0]]][0]
        group.sort(key=lambda here: -(items[places[here]][1].end - items[places[here]][1].start))
        windows = [items[places[here]][1] for here in group]
        for here, window, logprobs in zip(group, windows, engine.windows(stream.tokens, windows), strict=True):
            owners = stream.owners[window.first : window.end + 1]
            cuts = np.flatnonzero(np.diff(owners)) + 1
            runs = np.split(logprobs.double().numpy(), cuts)
            records[here] = {
                "pieces": [
                    [int(owners[first]), -float(run.sum()), len(run)]
                    for first, run in zip([0, *cuts.tolist()], runs, strict=True)
                ]
            }
    return records


def _summarise(
    task: Task, pieces: Sequence[Piece], units: Sequence[int], records: Mapping[int, Record], without: frozenset[str]
) -> Scores:
    losses: dict[int, float] = {}
    tokens: dict[int, int] = {}
    for record in records.values():
        for piece, loss, count in record["pieces"]:
            losses[piece] = losses.get(piece, 0.0) + loss
            tokens[piece] = tokens.get(piece, 0) + count
    # A piece without a token of its own (an empty line) has its units nevertheless.
    last = max(losses, default=-1)
    stay = [place for place in range(last + 1) if pieces[place].example not in without]
    lost = [losses.get(place, 0.0) for place in stay]
    counted = [float(tokens.get(place, 0)) for place in stay]
    size = [float(len(pieces[place].published.encode("utf-8", "surrogateescape"))) for place in stay]
    found = {"token_perplexity": scores.perplexity(lost, counted), "bits_per_byte": scores.bits(lost, size)}
    if task.denominator == "tokens":
        # As transformers' page has it: each window's mean, weighted with its tokens, which without overlap is this.
        return {**found, "perplexity": found["token_perplexity"]}
    per = [float(units[place]) for place in stay]
    found[task.metric] = scores.bits(lost, per) if task.metric == "bits" else scores.perplexity(lost, per)
    return found


def _text_units(denominator: str, text: str) -> int:
    if denominator == "words and line ends":
        return len(text.split()) + text.count("\n")
    if denominator == "words":
        return len(re.split(r"\s+", text))
    if denominator == "characters":
        return len(text)
    return len(text.encode("utf-8", "surrogateescape"))
