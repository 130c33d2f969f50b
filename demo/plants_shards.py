"""Facts about the whole way: the balance of all stages, the shards, and that the model has learned."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from webtext.corpus.outcomes import Stage
from webtext.demo.finished import Finished
from webtext.demo.pages import DemoWeb
from webtext.tokenize.exporting import export_shards
from webtext.tokenize.files import read_vocabulary
from webtext.tokenize.shard_index import SPLITS, open_shards
from webtext.tokenize.verifying import verify_shards

_LEARNED = 1.0
"""Nats by which the loss falls at least."""
_ENOUGH = 100
"""Steps from which that can be asked for."""


def plant(web: DemoWeb, *, steps: int) -> None:
    """All of them, for a training of so many steps."""
    web.expect("no link is lost on the way, and none counted twice", _balance)
    web.expect("every document that stays is in exactly one shard", _once_each)
    web.expect("every byte of the shards and their tokenizer is as it was written", _verified)
    web.expect("the shards hold the text of their documents, to the letter", _same_text)
    web.expect("nanoGPT reads the stream of the shards from an export", _exported)

    def whole(finished: Finished) -> str:
        return "" if len(finished.losses) == steps else f"{len(finished.losses)} steps of {steps}"

    def learned(finished: Finished) -> str:
        # The logits of a new model are almost even: its first loss is that of a guess.
        guess, last = finished.losses[0], sum(finished.losses[-10:]) / 10
        return "" if last < guess - _LEARNED else f"a loss of {last:.2f} nats, it began with {guess:.2f}"

    web.expect(f"the training took its {steps} steps", whole)
    web.expect("the last checkpoint is whole and names its corpus", _checkpoint)
    web.expect("what a training step read leads back to the posts on Reddit", _traced)
    if steps >= _ENOUGH:
        web.expect("the model has learned to predict the next token", learned)


def _balance(finished: Finished) -> str:
    for stage, manifest in finished.manifests.items():
        lost = manifest.rows_in - manifest.rows_out - sum(manifest.outcomes.values())
        if lost:
            return f"{stage}: {lost} rows are missing"
    for before, after in pairwise(Stage):
        out, into = finished.manifests[before].rows_out, finished.manifests[after].rows_in
        if out != into:
            return f"{before} gave {out} rows, {after} took {into}"
    return ""


def _checkpoint(finished: Finished) -> str:
    from webtext.corpus.manifests import fingerprint
    from webtext.train.checkpoints import read_latest

    found = read_latest(finished.corpus / "runs" / "default")
    if found is None:
        return "there is none"
    wanted = fingerprint(finished.manifests)
    if found.state.fingerprint != wanted:
        return f"it names {found.state.fingerprint[:16]}, the corpus is {str(wanted)[:16]}"
    losses = len(finished.losses)
    return "" if found.state.step == losses else f"it is of step {found.state.step}, the log has {losses}"


def _traced(finished: Finished) -> str:
    from webtext.train.tracing import trace_step

    for document in trace_step(finished.corpus, step=1).documents:
        if int(document.key, 16) not in finished.texts:
            return f"{document.url} is no document"
        link = finished.link(document.url)
        posted = [] if link is None else [row["id"] for row in link["submissions"]]
        if not posted or [submission.id for submission in document.submissions] != posted:
            return f"{document.url}: {len(document.submissions)} posts, links/ has {len(posted)}"
    return ""


def _verified(finished: Finished) -> str:
    corpus = finished.corpus
    report = verify_shards(corpus / "shards", finished.manifests[Stage.SHARDS].files, corpus / "tokenizer")
    return "; ".join(map(str, report.problems))


def _same_text(finished: Finished) -> str:
    tokens = (*read_vocabulary(finished.corpus / "tokenizer").tokens, b"<|endoftext|>")
    for split in SPLITS:
        for shard in open_shards(finished.corpus / "shards", split):
            for row, key in enumerate(shard.keys.tolist()):
                first, *ids = shard.document(row).tolist()
                text = b"".join([tokens[number] for number in ids]).decode()
                if first != len(tokens) - 1 or text != finished.texts[key]:
                    return f"{shard.urls[row].as_py()}: {text[:40]!r}, not {finished.texts[key][:40]!r}"
    return ""


def _exported(finished: Finished) -> str:
    source = finished.corpus / "shards"
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "nanogpt"
        export_shards(source, target, "nanogpt", read_vocabulary(finished.corpus / "tokenizer"))
        # as nanoGPT's train.py opens it
        found = np.memmap(target / "train.bin", dtype=np.uint16, mode="r")
        meant = np.concatenate([shard.tokens for shard in open_shards(source, "train")])
        return "" if np.array_equal(found, meant) else f"{len(found):,} tokens, not the {len(meant):,} of the shards"


def _once_each(finished: Finished) -> str:
    held = [key for keys in finished.shards.values() for key in keys]
    if len(held) != len(set(held)):
        return f"{len(held) - len(set(held))} documents are there twice"
    return (
        "" if set(held) == set(finished.texts) else f"{len(held)} documents in the shards, {len(finished.texts)} stay"
    )
