from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import write_parquet
from webtext.corpus.schemas import LINKS
from webtext.tokenize.shard_index import open_shards
from webtext.train.log import read_log
from webtext.train.permutation import window_at
from webtext.train.tracing import trace_step
from webtext.train.trainer import train

MakeCorpus = Callable[..., Path]


def run(corpus: Path, **options: Any) -> None:
    train(corpus, **{"preset": "tiny", "batch_tokens": 512, "samples": 0, "device": "cpu", **options})


def submission(key: int, number: int) -> dict[str, Any]:
    created = datetime(2025, 1, key, tzinfo=UTC)
    return {"id": f"s{key}{number}", "subreddit": "science", "score": 3 + key, "created": created}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, corpus_writer: MakeCorpus) -> Path:
    """Ten documents, keys 1 to 10; those of even keys were posted twice, 9 is in no links file. Not to be changed."""
    corpus = corpus_writer(tmp_path_factory.mktemp("traced"), documents=10)
    rows = [
        {
            "key": key, "url": f"https://example.org/{key}", "domain": "example.org", "karma": 3 + key,
            "submissions": [submission(key, number) for number in range(2 - key % 2)],
            "first_posted": datetime(2025, 1, key, tzinfo=UTC),
        }
        for key in range(1, 13) if key != 9
    ]  # fmt: skip
    for part, some in enumerate((rows[:4], rows[4:])):
        write_parquet(corpus / "links" / f"part-{part:05d}.parquet", pa.Table.from_pylist(some, LINKS), LINKS)
    run(corpus, steps=3)
    return corpus


def slow_keys(corpus: Path, step: int) -> list[list[int]]:
    """The definition: window by window, token by token."""
    tokens = []
    for shard in open_shards(corpus / "shards", "train"):
        owners = [int(shard.keys[number]) for number in range(len(shard)) for _ in shard.document(number)]
        tokens += [owners[start : start + 129] for start in range(0, len(owners) - 128, 128)]
    places = range((step - 1) * 4, step * 4)
    return [tokens[window_at(place, seed=1, size=len(tokens))] for place in places]


@pytest.mark.parametrize("step", [1, 2, 3, 9])
def test_a_step_names_the_documents_it_read(corpus: Path, step: int) -> None:
    found = trace_step(corpus, step=step)
    wanted = slow_keys(corpus, step)
    assert [[int(key, 16) for key in window.documents] for window in found.windows] == [
        list(dict.fromkeys(keys)) for keys in wanted
    ]
    read = [key for keys in wanted for key in keys]
    assert {int(document.key, 16): document.tokens for document in found.documents} == {
        key: read.count(key) for key in read
    }
    assert all(document.url == f"https://example.org/{int(document.key, 16)}" for document in found.documents)
    assert found.position == (step - 1) * 4


def test_a_step_leads_back_to_the_submissions(corpus: Path) -> None:
    documents = {int(document.key, 16): document for step in range(1, 6)
                 for document in trace_step(corpus, step=step).documents}  # fmt: skip
    assert set(documents) == set(range(1, 11))
    assert [len(documents[key].submissions) for key in range(1, 11)] == [1, 2, 1, 2, 1, 2, 1, 2, 0, 2]
    assert vars(documents[4].submissions[1]) == {
        "id": "s41", "subreddit": "science", "score": 7, "created": "2025-01-04T00:00:00Z"
    }  # fmt: skip


def test_it_is_read_by_people_and_programs(corpus: Path) -> None:
    found = trace_step(corpus, step=2)
    loss = next(line for line in read_log(corpus / "runs" / "default" / "log.jsonl") if line["step"] == 2)["loss"]
    assert (found.taken, found.loss) == (True, loss)
    text = str(found)
    first = found.documents[0]
    assert text.startswith(f"step 2 of run default (loss {loss:.4f}): 4 windows from position 4, ")
    assert f"{first.key}  {first.url}  ({first.tokens:,} tokens in {first.windows} window" in text
    submitted = next(document for document in found.documents if document.submissions)
    assert f"\n  {submitted.submissions[0].id}  r/science  score " in text
    value = json.loads(json.dumps(found.to_json()))
    assert value["documents"][0]["key"] == first.key
    assert len(value["windows"]) == 4
    assert "(not taken yet)" in str(trace_step(corpus, step=4))


def test_the_batch_that_is_read_again_and_again_is_the_first(corpus: Path) -> None:
    run(corpus, run="again", steps=1, overfit_one_batch=True)
    first, third = (trace_step(corpus, run="again", step=step) for step in (1, 3))
    assert (first.windows, first.documents) == (third.windows, third.documents)


def test_a_run_is_traced_in_the_shards_it_began_with(corpus: Path, corpus_writer: MakeCorpus, tmp_path: Path) -> None:
    before = trace_step(corpus, step=2)
    corpus = shutil.copytree(corpus, tmp_path / "grown")
    (corpus / "shards").rename(tmp_path / "before")
    corpus_writer(corpus, documents=16, salt="grown")
    with pytest.raises(WebtextError, match=rf"the shards this run began with \({before.shards[:16]}\) are gone"):
        trace_step(corpus, step=2)
    older = corpus / "shards" / "older" / before.shards[:16]
    older.parent.mkdir()
    (tmp_path / "before").rename(older)
    assert trace_step(corpus, step=2) == before


def test_a_folder_of_shards_alone_is_traced_without_submissions(corpus: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(corpus / "shards", tmp_path / "alone")
    shutil.copytree(corpus / "tokenizer", alone / "tokenizer")
    run(alone, steps=1)
    found = trace_step(alone, step=1)
    assert found.windows == trace_step(corpus, step=1).windows
    assert "no submission is known" in str(found)


def test_what_cannot_be_traced_is_said(corpus: Path) -> None:
    with pytest.raises(UsageError, match="step is 0"):
        trace_step(corpus, step=0)
    with pytest.raises(WebtextError, match="there is no such run"):
        trace_step(corpus, run="other", step=1)
    with pytest.raises(UsageError, match="no name for a run"):
        trace_step(corpus, run="../x", step=1)
