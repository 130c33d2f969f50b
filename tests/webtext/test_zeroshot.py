"""`webtext eval`: data found or named as missing, results in files, resume, table, samples, tasks during training."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner
from zeroshot_sets import cbt_text, write_sets

from webtext.api import Corpus
from webtext.cli import app
from webtext.copied_runs import copied
from webtext.corpus.config import Settings, render_settings
from webtext.corpus.errors import DamagedFile, Interrupted, UsageError, WebtextError
from webtext.corpus.faults import InjectedFault, _passed
from webtext.corpus.interrupts import Stop
from webtext.corpus.testsets.sets import read_set
from webtext.train.zeroshot import table
from webtext.train.zeroshot.catalogue import DEFAULT, TASKS, chosen
from webtext.train.zeroshot.engine import Engine
from webtext.train.zeroshot.evaluation import Evaluation
from webtext.train.zeroshot.figure import draw
from webtext.train.zeroshot.hub import REMOTES, Place, fetch
from webtext.train.zeroshot.results import Overlaps
from webtext.train.zeroshot.sources import SOURCES, MissingSet, find_set
from webtext.zeroshot import evaluate


def _small_corpora() -> ModuleType:
    place = Path(__file__).parent.parent / "train" / "conftest.py"
    spec = importlib.util.spec_from_file_location("trained_corpora", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with a run of two steps."""
    torch.set_num_threads(1)
    made = _small_corpora()
    folder = tmp_path_factory.mktemp("zeroshot") / "corpus"
    folder.mkdir()
    (folder / "webtext.toml").write_text(render_settings(Settings()))
    texts = [made.made_up_text(number, 200) for number in range(14)]
    made.write_corpus(folder, train=[texts[:6], texts[6:12]], val=[texts[12:]])
    Corpus(folder).train(preset="tiny", steps=2, batch_tokens=256, samples=0, device="cpu")
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(autouse=True)
def counts_of_fault_points() -> None:
    _passed.clear()


def test_every_set_is_found_in_its_publishers_layout(sets: Path) -> None:
    assert {key: (found.name, found.split) for key, task in TASKS.items() if (found := find_set(task, sets))} == {
        "lambada": ("LAMBADA", "test"),
        "lambada:hf": ("LAMBADA", "test"),
        "lambada:lm-eval": ("LAMBADA", "test"),
        "cbt-cn": ("CBT-CN", "valid"),
        "cbt-ne": ("CBT-NE", "valid"),
        "wikitext2": ("WikiText-2", "test"),
        "wikitext2:hf": ("WikiText-2", "test"),
        "wikitext2:lm-eval": ("WikiText-2", "test"),
        "wikitext103": ("WikiText-103", "test"),
        "wikitext103:hf": ("WikiText-103", "test"),
        "wikitext103:lm-eval": ("WikiText-103", "test"),
        "ptb": ("PTB", "test"),
        "enwik8": ("enwik8", "test"),
        "text8": ("text8", "test"),
        "1bw": ("1BW", "test"),
        "winograd": ("WSC273", "test"),
        "hellaswag": ("HellaSwag", "valid"),
        "coqa": ("CoQA", "valid"),
        "cnn-dm": ("CNN/DM", "test"),
        "wmt14-en-fr": ("WMT14", "test"),
        "wmt14-fr-en": ("WMT14", "test"),
        "nq": ("NQ-open", "valid"),
    }
    assert find_set(TASKS["wikitext2"], sets).files[0].name == "wiki.test.tokens"
    assert find_set(TASKS["wikitext2:hf"], sets).files[0].name == "wiki.test.raw"


def test_the_real_sets_are_found(data: Path) -> None:
    missing = set()
    for key in DEFAULT:
        try:
            found = find_set(TASKS[key], data / "eval")
        except MissingSet:
            missing.add(key)
            continue
        assert next(found.examples()).fields
    assert missing == {"wikitext103", "text8"}
    assert find_set(TASKS["coqa"], data / "eval").split == "test"  # not the paper's: the table says so


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


def test_samples_are_compared_with_the_corpus(corpus: Path, tmp_path: Path) -> None:
    results, _ = evaluate(corpus, tasks=["samples"], out=tmp_path, device="cpu")
    scores = results["tasks"]["samples"]["scores"]
    assert scores["found_written"]["count"] == scores["found_held_out"]["count"] == 2
    # A ring of words with a draw between two goes on as in the corpus often enough.
    assert scores["found_held_out"]["value"] > 5
    run = scores["longest_held_out"]
    assert run["url"].startswith("https://example.org/") and len(run["words"].split()) == run["length"] >= 8
    assert "samples: the corpus holds" in table.terminal(results)


def test_the_longest_run_is_found_with_its_source() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    texts = [" ".join(words), "nothing " * 9, " ".join(words[:9]) + " other words that nobody wrote before us", "short"]
    documents = [
        ("https://a.example/", "x " + " ".join(words[:8]) + " y"),
        ("https://b.example/", "Z. " + ", ".join(words[1:11]).upper() + " end"),
        ("https://c.example/", "Nothing to see in this document, which has words enough."),
    ]
    found = copied(texts, documents)
    assert found.grams == (5, 2, 9, 0)
    assert found.found == (4, 0, 2, 0)
    assert [(run.text, run.length, run.url, run.words) for run in found.runs] == [
        (0, 10, "https://b.example/", " ".join(words[1:11])),
        (2, 8, "https://a.example/", " ".join(words[:8])),
    ]
    assert copied(["few words"], documents).runs == ()


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


def test_sets_of_the_hub_become_their_publishers_files(tmp_path: Path) -> None:
    """From local copies of what the hub stores; nothing is fetched."""
    story = "0" * 40
    stored: dict[str, list[dict[str, Any]]] = {
        "Salesforce/wikitext": [{"text": " = A = \n"}, {"text": ""}, {"text": " Text . \n"}],
        "Rowan/hellaswag": [{"ind": 7, "ctx": "A", "activity_label": "B", "endings": list("abcd"), "label": "3"}],
        "abisee/cnn_dailymail": [{"id": story, "article": "An article.", "highlights": "One .\nTwo ."}],
        "wmt/wmt14": [{"translation": {"en": "Dog.", "fr": "Chien."}}],
        "google-research-datasets/nq_open": [{"question": "who", "answer": ["me"]}],
        "cam-cst/cbt": [
            {"sentences": [f"Sentence {n} ." for n in range(20)], "question": "The XXXXX .", "answer": "a",
             "options": list("abcdefghij")}
        ],
    }  # fmt: skip
    asked: list[str] = []

    def download(place: Place) -> Path:
        asked.append(str(place))
        local = tmp_path / "downloads" / f"{len(asked)}"
        local.parent.mkdir(exist_ok=True)
        if place.repository == "EleutherAI/lambada_openai":
            local.write_text('{"text": "a b"}\n')
        else:
            pq.write_table(pa.Table.from_pylist(stored[place.repository]), local)
        return local

    folder = tmp_path / "data"
    for data, remotes in REMOTES.items():
        if remotes[0].place.repository:
            assert fetch(data, folder, download)
    from_hub = [task for task in TASKS.values() if task.data in REMOTES and REMOTES[task.data][0].place.repository]
    fields = {task.data: next(find_set(task, folder).examples()).fields for task in from_hub}
    assert fields["lambada"] == {"text": "a b"}
    assert fields["wikitext-103"]["text"] == " = A = \n \n Text . \n"
    assert fields["cbt-ne"]["choices"] == list("abcdefghij")
    assert fields["hellaswag"]["label"] == "3"
    assert fields["cnn_dailymail"]["highlights"] == ["One .", "Two ."]
    assert fields["wmt14"] == {"en": "Dog.", "fr": "Chien."}
    assert fields["nq-open"] == {"question": "who", "answer": ["me"]}
    assert not fetch("lm1b", folder, download)
    assert set(SOURCES) - set(REMOTES) == {"lm1b"}
    stored["wmt/wmt14"] = [{"other": "x"}]
    with pytest.raises(WebtextError, match="holds something else than wmt14"):
        fetch("wmt14", folder, download)


def test_the_made_up_book_test_is_one(tmp_path: Path) -> None:
    path = tmp_path / "cbtest_CN_valid_2000ex.txt"
    path.write_text(cbt_text())
    assert len(list(read_set(path).examples())) == 2
