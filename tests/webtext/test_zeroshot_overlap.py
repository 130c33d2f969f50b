"""What a corpus shares with test sets, beside the scores: a column of the table, and scores without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from zeroshot_corpus import trained_corpus
from zeroshot_sets import write_sets

from webtext.api import Corpus
from webtext.corpus.errors import DamagedFile
from webtext.corpus.testsets.sets import read_set
from webtext.train.zeroshot import table
from webtext.train.zeroshot.catalogue import TASKS
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.results import Overlaps
from webtext.train.zeroshot.sources import find_set
from webtext.zeroshot import evaluate


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_corpus(tmp_path_factory.mktemp("zeroshot") / "corpus")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


def test_without_overlap_scores_the_rest(corpus: Path, sets: Path, tmp_path: Path) -> None:
    found = find_set(TASKS["lambada"], sets)
    report = {
        "sets": [{"name": "LAMBADA", "split": "test", "sha256": found.sha256, "share": 12.5, "examples": [{"id": "2"}]}]
    }
    (tmp_path / "overlap.json").write_text(json.dumps(report))
    results, folder = evaluate(
        corpus, tasks=["lambada", "ptb"], data=sets, out=tmp_path / "out", overlap=tmp_path / "overlap.json",
        without_overlap=True, device="cpu",
    )  # fmt: skip
    lambada = results["tasks"]["lambada"]
    assert (lambada["overlap"], lambada["left_out"]) == (12.5, 1)
    assert lambada["scores"]["perplexity"]["count"] == 5
    lines = (folder / "examples" / "lambada.jsonl").read_text().splitlines()[1:]
    logprobs = {json.loads(line)["example"]: json.loads(line)["record"]["logprob"] for line in lines}
    kept = [-value for name, value in logprobs.items() if name != "2"]
    assert lambada["without_overlap"]["perplexity"]["count"] == 4
    assert lambada["without_overlap"]["perplexity"]["value"] == pytest.approx(
        float(torch.tensor(sum(kept) / 4).exp()), rel=1e-5
    )
    assert results["tasks"]["ptb"]["without_overlap"] is None  # nothing is known of it
    assert "LAMBADA [1 left out]" in table.terminal(results)
    with pytest.raises(DamagedFile, match="is no result of webtext overlap"):
        Overlaps.read(Corpus(corpus).checkpoint() / "config.json")


def test_the_articles_of_a_running_text_can_be_left_out(corpus: Path, sets: Path) -> None:
    engine = Engine.load(Corpus(corpus).checkpoint(), device="cpu")
    from webtext.train.zeroshot.jobs import make_job

    job = make_job(TASKS["wikitext2"], find_set(TASKS["wikitext2"], sets), engine)
    records = {item: record for part in job.parts for item, record in zip(part, job.score(part), strict=True)}
    whole, first, second = (job.summarise(records, frozenset(without)) for without in ([], ["1"], ["0"]))
    size = [len(example.fields["text"]) for example in read_set(sets / "wikitext-2" / "wiki.test.tokens").examples()]
    share = size[0] / sum(size)
    mixed = share * first["bits_per_byte"].value + (1 - share) * second["bits_per_byte"].value
    assert whole["bits_per_byte"].value == pytest.approx(mixed)
