"""overlap.json: what `overlap` leaves in a corpus, and `eval` finds there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from commands import litter
from small_corpora import words
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import UsageError
from webtext.corpus.files import read_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.stages import stage_manifest
from webtext.overlap_file import OVERLAP_NAME
from webtext.train.zeroshot.catalogue import TASKS
from webtext.train.zeroshot.results import Overlaps
from webtext.train.zeroshot.sources import find_set
from webtext.zeroshot import evaluate


@pytest.fixture
def corpus(walk: Walk, tmp_path: Path) -> Path:
    """A corpus up to its shards."""
    return Path(shutil.copytree(walk.after["tokenize"], tmp_path / "corpus"))


@pytest.fixture
def sets(corpus: Path, tmp_path: Path) -> Path:
    """LAMBADA with one passage of the corpus (the second), PTB with none."""
    text = max(read_parquet(corpus / "clean/part-00000.parquet", DOCUMENTS)["text"].to_pylist(), key=len)
    passages = [words(1, 30), " ".join(text.split()[5:35]), words(2, 30)]
    (tmp_path / "lambada").mkdir()
    lines = "".join(json.dumps({"text": passage}) + "\n" for passage in passages)
    (tmp_path / "lambada/lambada_test.jsonl").write_text(lines)
    (tmp_path / "ptb.test.txt").write_text(f" {words(3, 40)} \n")
    return tmp_path


def held(corpus: Path) -> dict[str, float]:
    found = json.loads((corpus / OVERLAP_NAME).read_text())
    assert found["clean"] == stage_manifest(corpus, Stage.CLEAN).identity  # type: ignore[union-attr]
    return {one["name"]: one["share"] for one in found["sets"]}


@pytest.mark.slow
def test_sets_measured_one_after_the_other_stand_together(corpus: Path, sets: Path) -> None:
    opened = Corpus(corpus)
    found = opened.overlap(sets / "lambada", workers=1)
    assert 0 < held(corpus)["LAMBADA"] == found.to_json()["sets"][0]["share"] < 60
    opened.overlap(sets / "ptb.test.txt", workers=1)
    assert held(corpus) == {"LAMBADA": found.to_json()["sets"][0]["share"], "PTB": 0.0}
    before = (corpus / OVERLAP_NAME).read_bytes()
    opened.overlap(sets / "ptb.test.txt", words=5, workers=1)
    opened.overlap(sets / "ptb.test.txt", stage="documents", workers=1)
    opened.overlap(sets / "ptb.test.txt", workers=1)
    assert (corpus / OVERLAP_NAME).read_bytes() == before
    read, lambada = Overlaps.read(corpus / OVERLAP_NAME), find_set(TASKS["lambada"], sets)
    assert read.share(lambada) == held(corpus)["LAMBADA"]
    assert read.examples[lambada.sha256] == {"2"}
    assert litter(corpus) == []

    (corpus / OVERLAP_NAME).write_bytes(b"")  # as a shell leaves it that was told to write there
    opened.overlap(sets / "ptb.test.txt", workers=1)
    assert held(corpus) == {"PTB": 0.0}
    opened.overlap(sets / "lambada", frequent=3, workers=1)  # another measure
    assert set(held(corpus)) == {"LAMBADA"}
    opened.dedup(threshold=0.9, redo=True, workers=1, accept_loss=True)
    opened.overlap(sets / "ptb.test.txt", workers=1)
    assert set(held(corpus)) == {"PTB"}


@pytest.mark.slow
def test_eval_tells_what_overlap_found_until_clean_changes(
    corpus: Path, sets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    opened = Corpus(corpus)
    opened.train(preset="tiny", steps=1, samples=0, device="cpu")
    opened.overlap(sets / "lambada", sets / "ptb.test.txt", workers=1)
    results, _ = evaluate(corpus, tasks=["lambada", "ptb"], data=sets, without_overlap=True, device="cpu")
    lambada, ptb = results["tasks"]["lambada"], results["tasks"]["ptb"]
    assert (lambada["overlap"], lambada["left_out"]) == (held(corpus)["LAMBADA"], 1)
    assert lambada["without_overlap"]["perplexity"]["count"] == 2
    assert (ptb["overlap"], ptb["left_out"]) == (0.0, 0)
    shown = evaluate(corpus, tasks=["lambada"], data=sets, device="cpu")[0]["tasks"]["lambada"]
    assert (shown["overlap"], shown["without_overlap"]) == (lambada["overlap"], None)

    opened.dedup(threshold=0.9, redo=True, workers=1, accept_loss=True)
    capsys.readouterr()
    results, _ = evaluate(corpus, tasks=["lambada"], data=sets, device="cpu")
    assert results["tasks"]["lambada"]["overlap"] is None
    assert "overlap.json is of an older clean/" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"older clean/\n  webtext overlap .* SET… finds it"):
        evaluate(corpus, tasks=["lambada"], data=sets, without_overlap=True, device="cpu")


def test_eval_finds_both_kinds_of_the_childrens_book_test_where_its_folder_was_named(
    corpus: Path, tmp_path: Path
) -> None:
    text = max(read_parquet(corpus / "clean/part-00000.parquet", DOCUMENTS)["text"].to_pylist(), key=len)
    known, folder = " ".join(text.split()[5:45]), tmp_path / "CBTest/data"
    folder.mkdir(parents=True)
    for name, first in (("CN_valid_2000ex", known), ("CN_test_2500ex", known), ("CN_train", known),
                        ("NE_valid_2000ex", words(4, 40)), ("P_valid_2000ex", words(5, 40))):  # fmt: skip
        sentences = [f"1 {first}\n", *(f"{number} {words(number, 9)}\n" for number in range(2, 21))]
        lines = "".join([*sentences, "21 XXXXX .\tdog\t\tcat|dog\n"])
        (folder / f"cbtest_{name}.txt").write_text(lines)
    Corpus(corpus).overlap(tmp_path / "CBTest", workers=1)
    told = json.loads((corpus / OVERLAP_NAME).read_text())["sets"]
    assert [(one["name"], one["split"]) for one in told] == [
        ("CBT-CN", "test"), ("CBT-CN", "valid"), ("CBT-NE", "valid"), ("CBT-P", "valid"),
    ]  # fmt: skip
    read = Overlaps.read(corpus / OVERLAP_NAME)
    shares = [read.share(find_set(TASKS[task], tmp_path)) for task in ("cbt-cn", "cbt-ne")]
    assert shares[0] is not None and 5 < shares[0] < 30
    assert shares[1] == 0.0


def test_forgetting_goes_on_beside_comparisons_and_takes_what_overlap_told(tmp_path: Path) -> None:
    (tmp_path / "quiz.txt").write_text(words(5, 40))
    addresses = [f"https://site.example/{number}" for number in range(3)]
    texts = [words(1, 200), words(2, 200), f"{words(3, 200)} {words(5, 40)}"]
    rows = zip(addresses, texts, strict=True)
    lines = (json.dumps({"url": url, "text": text}) + "\n" for url, text in rows)
    (tmp_path / "mine.jsonl").write_text("".join(lines))
    opened = Corpus(tmp_path / "corpus")
    opened.import_files(tmp_path / "mine.jsonl", workers=1)
    report = opened.dedup(decontaminate=[tmp_path / "quiz.txt"], workers=1)
    assert report.outcomes == {"contaminated": 1}
    opened.overlap(tmp_path / "quiz.txt", workers=1)
    opened.forget(addresses[:1], workers=1)
    assert not (opened.path / OVERLAP_NAME).exists()
    assert read_parquet(opened.path / "clean/part-00000.parquet", DOCUMENTS)["url"].to_pylist() == addresses[1:2]
