"""`webtext eval`: data found or named as missing, results in files, resume, table, samples, tasks during training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from zeroshot_corpus import trained_corpus
from zeroshot_sets import write_sets

from webtext.api import Corpus
from webtext.cli import app
from webtext.corpus.errors import Interrupted, UsageError, WebtextError
from webtext.corpus.faults import InjectedFault, _passed
from webtext.corpus.interrupts import Stop
from webtext.train.zeroshot import table
from webtext.train.zeroshot.catalogue import DEFAULT, TASKS, chosen
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.evaluation import Evaluation
from webtext.train.zeroshot.figure import draw
from webtext.train.zeroshot.paper import ROWS
from webtext.train.zeroshot.sources import find_set
from webtext.zeroshot import evaluate


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_corpus(tmp_path_factory.mktemp("zeroshot") / "corpus")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(autouse=True)
def counts_of_fault_points() -> None:
    _passed.clear()


def test_all_tasks_of_the_paper_are_scored_and_a_second_time_is_read(corpus: Path, sets: Path) -> None:
    results, folder = evaluate(corpus, data=sets, device="cpu")
    assert folder == corpus / "runs" / "default" / "eval" / "step-000002"
    assert set(results["tasks"]) == set(DEFAULT)
    assert results["missing"] == []
    said = json.loads((folder / "results.json").read_text())
    assert said == json.loads(json.dumps(results))
    assert said["model"]["step"] == 2
    assert said["model"]["shards"] and len(said["model"]["identity"]) == 64
    lambada = said["tasks"]["lambada"]
    assert lambada["protocol"]["version"] == 1
    assert lambada["data"]["files"] == ["lambada/lambada_test.jsonl"]
    assert lambada["data"]["sha256"] == find_set(TASKS["lambada"], sets).sha256
    assert set(lambada["scores"]) == {
        "perplexity", "accuracy_last_token", "accuracy_last_word", "accuracy_last_word_no_stop_words",
    }  # fmt: skip
    assert set(said["tasks"]["cnn-dm"]["scores"]) >= {
        "tldr_rouge_1", "no_hint_rouge_2", "lede_3_rouge_l", "random_3_rouge_average",
    }  # fmt: skip
    assert set(said["tasks"]["winograd"]["scores"]) == {"accuracy_full", "accuracy_partial"}
    assert len(table.rows(results)) == sum(":" not in row.task for row in ROWS)  # each score of the paper has its own
    assert not (folder / "work").exists()
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "examples").iterdir()}
    again, _ = evaluate(corpus, data=sets, device="cpu")
    assert again == results
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "examples").iterdir()} == before


@pytest.mark.parametrize("point", ["eval.part:1", "eval.part:2", "eval.task:1"])
def test_a_stopped_evaluation_goes_on(
    corpus: Path, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    names = ["lambada", "ptb", "winograd"]
    whole, first = evaluate(corpus, tasks=names, data=sets, out=tmp_path / "whole", device="cpu")
    monkeypatch.setenv("WEBTEXT_FAULT", f"{point}:raise")
    _passed.clear()
    with pytest.raises(InjectedFault):
        evaluate(corpus, tasks=names, data=sets, out=tmp_path / "stopped", device="cpu")
    monkeypatch.delenv("WEBTEXT_FAULT")
    asked: list[str] = []
    choices, windows = Engine.choices, Engine.windows
    monkeypatch.setattr(Engine, "choices", lambda self, groups: asked.append("choices") or choices(self, groups))
    monkeypatch.setattr(Engine, "windows", lambda self, *more: asked.append("windows") or windows(self, *more))
    again, second = evaluate(corpus, tasks=names, data=sets, out=tmp_path / "stopped", device="cpu")
    assert again == whole
    assert {path.name: path.read_bytes() for path in (first / "examples").iterdir()} == {
        path.name: path.read_bytes() for path in (second / "examples").iterdir()
    }
    # LAMBADA's only part had been written; what was not is scored now.
    assert (
        asked
        == {"eval.part:1": ["windows", "choices"], "eval.part:2": ["choices"], "eval.task:1": ["windows", "choices"]}[
            point
        ]
    )


def test_a_damaged_part_or_file_is_scored_again(corpus: Path, sets: Path, tmp_path: Path) -> None:
    whole, folder = evaluate(corpus, tasks=["winograd"], data=sets, out=tmp_path, device="cpu")
    path = folder / "examples" / "winograd.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert evaluate(corpus, tasks=["winograd"], data=sets, out=tmp_path, device="cpu")[0] == whole


def test_a_request_to_stop_is_heard_between_two_parts(corpus: Path, sets: Path, tmp_path: Path) -> None:
    stop = Stop(raising=False)
    stop.requested = True
    engine = Engine.load(Corpus(corpus).checkpoint(), device="cpu")
    with pytest.raises(Interrupted, match="the same command goes on"):
        Evaluation(engine, "m", "v", sets, tmp_path, stop=stop).run(chosen(["lambada"]))


def test_missing_sets_are_named_and_the_others_are_scored(
    corpus: Path, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sets / "ptb", tmp_path / "few" / "ptb")
    results, _ = evaluate(corpus, tasks=["ptb", "coqa"], data=tmp_path / "few", out=tmp_path / "out", device="cpu")
    assert set(results["tasks"]) == {"ptb"}
    assert "CoQA is not there" in (told := capsys.readouterr().err)
    assert "coqa-dev-v1.0.json from CoQA's page" in told
    assert "coqa-dev-v1.0.json from CoQA's page" in table.terminal(results)
    with pytest.raises(WebtextError, match="holds none of the test sets asked for"):
        evaluate(corpus, tasks=["coqa"], data=tmp_path / "few", out=tmp_path / "out", device="cpu")


def test_wrong_use_is_told(corpus: Path, sets: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such task: lambda"):
        evaluate(corpus, tasks=["lambda"], data=sets)
    with pytest.raises(UsageError, match="--data DIR"):
        evaluate(corpus, tasks=["lambada"])
    with pytest.raises(WebtextError, match="there is no such folder"):
        evaluate(corpus, tasks=["lambada"], data=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--corpus CORPUS"):
        evaluate(Corpus(corpus).checkpoint(), tasks=["samples"])
    with pytest.raises(UsageError, match=r"webtext overlap .* SET… finds it"):
        evaluate(corpus, tasks=["lambada"], data=sets, without_overlap=True)
    with pytest.raises(UsageError, match="limit is 0"):
        evaluate(corpus, tasks=["lambada"], data=sets, limit=0)


def test_a_limit_takes_the_same_examples_each_time(corpus: Path, sets: Path, tmp_path: Path) -> None:
    def drawn(name: str, folder: Path) -> list[str]:
        lines = (folder / "examples" / f"{name}.jsonl").read_text().splitlines()[1:]
        return [json.loads(line)["example"] for line in lines]

    two, folder = evaluate(corpus, tasks=["lambada", "ptb"], data=sets, out=tmp_path / "two", limit=2, device="cpu")
    assert len(set(drawn("lambada", folder))) == 2
    assert two["tasks"]["ptb"]["facts"]["pieces"] == 2
    assert two["tasks"]["ptb"]["scores"]["perplexity"]["count"] == 2
    _, other = evaluate(corpus, tasks=["lambada"], data=sets, out=tmp_path / "again", limit=2, device="cpu")
    assert drawn("lambada", other) == drawn("lambada", folder)


def test_the_table_has_the_papers_numbers_beside_ones_own(corpus: Path, sets: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    common = ["eval", str(corpus), "--data", str(sets), "--out", str(tmp_path / "out"), "--device", "cpu"]
    files = ["--markdown", str(tmp_path / "table.md"), "--figure", str(tmp_path / "scores.svg")]
    done = runner.invoke(app, [*common, "--tasks", "lambada,coqa", *files], catch_exceptions=False)
    assert done.exit_code == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("LAMBADA, no stop words"))
    assert line.split()[7:12] == ["45.99", "55.48", "60.12", "63.24", "59.23"]
    assert "webtext overlap CORPUS SET" in done.stdout
    markdown = (tmp_path / "table.md").read_text()
    assert "| CoQA | F1 |" in markdown and "| — | — | — | 55.00 | 89.00 | — | 3 |" in markdown
    assert (tmp_path / "scores.svg").read_bytes().startswith(b"<?xml")
    done = runner.invoke(app, [*common, "--tasks", "lambada", "--json"], catch_exceptions=False)
    rows = {row["score"]: row for row in json.loads(done.stdout)["table"] if row["task"] == "lambada"}
    assert rows["perplexity"]["paper"] == {"117M": 35.13, "345M": 15.6, "762M": 10.87, "1542M": 8.63}
    listed = runner.invoke(app, ["eval-tasks"]).stdout
    assert all(key in listed for key in TASKS)


def test_a_figure_of_an_unknown_kind_is_refused(corpus: Path, sets: Path, tmp_path: Path) -> None:
    results, _ = evaluate(corpus, tasks=["winograd"], data=sets, out=tmp_path, device="cpu")
    draw(results, tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
    draw(results, tmp_path / "scores.svg")
    assert (tmp_path / "scores.svg").read_text().count('<g id="axes_') == 2  # full and partial, no empty panel
    with pytest.raises(WebtextError, match="matplotlib writes no such figure"):
        draw(results, tmp_path / "scores.xyz")


def test_a_folder_of_any_gpt2_is_evaluated(
    corpus: Path, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Corpus(corpus).checkpoint()
    results, out = evaluate(folder, tasks=["winograd"], data=sets, device="cpu")
    assert out.parts[0] == "webtext-eval" and out.parts[1].startswith("step-000002-")
    mine, _ = evaluate(corpus, tasks=["winograd"], data=sets, out=tmp_path / "mine", device="cpu")
    assert results["tasks"] == mine["tasks"]


def test_tasks_are_scored_while_a_model_is_trained(corpus: Path, sets: Path) -> None:
    made = Corpus(corpus)
    options: dict[str, Any] = {"preset": "tiny", "batch_tokens": 256, "samples": 0, "device": "cpu"}
    with pytest.raises(WebtextError, match="is not there"):
        made.train(run="watched", steps=2, eval_tasks=["coqa"], eval_data=corpus, **options)
    with pytest.raises(UsageError, match="--eval-data"):
        made.train(run="watched", steps=2, eval_tasks=["lambada"], **options)
    made.train(
        run="watched", steps=3, eval_tasks=["lambada", "winograd"], eval_data=sets, eval_tasks_every=2, **options
    )  # fmt: skip
    lines = [json.loads(line) for line in (corpus / "runs" / "watched" / "log.jsonl").read_text().splitlines()]
    told = {line["step"]: line for line in lines if line.get("after") == "zero-shot"}
    assert sorted(told) == [2, 3]
    results, _ = evaluate(corpus, run="watched", tasks=["lambada", "winograd"], data=sets, device="cpu")
    assert told[3]["lambada.perplexity"] == results["tasks"]["lambada"]["scores"]["perplexity"]["value"]
    assert told[3]["winograd.accuracy_partial"] == results["tasks"]["winograd"]["scores"]["accuracy_partial"]["value"]
