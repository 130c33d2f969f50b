"""`webtext eval` where something is wrong: damaged sets, no model, a narrow terminal, no place to write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner
from zeroshot_corpus import trained_corpus
from zeroshot_sets import write_sets

from webtext.cli import app
from webtext.corpus.errors import WebtextError
from webtext.train.zeroshot import table
from webtext.zeroshot import evaluate

DAMAGE = {
    "cut": (lambda data: data[: len(data) // 2], "line 2: is no JSON"),
    "foreign": (lambda data: b"\xff\xfe\x00\x80" * 50, "line 1: is no UTF-8"),
    "empty": (lambda data: b"", "is empty"),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_corpus(tmp_path_factory.mktemp("zeroshot") / "corpus")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_set_is_named_and_the_others_are_scored(
    corpus: Path, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    change, told = DAMAGE[how]
    data = Path(shutil.copytree(sets, tmp_path / "sets"))
    path = data / "lambada" / "lambada_test.jsonl"
    path.write_bytes(change(path.read_bytes()))
    results, folder = evaluate(
        corpus, tasks=["lambada", "ptb", "winograd"], data=data, out=tmp_path / "out", device="cpu"
    )
    assert set(results["tasks"]) == {"ptb", "winograd"}
    assert told in (said := capsys.readouterr().err) and "not scored: " in said
    (missing,) = json.loads((folder / "results.json").read_text())["missing"]
    assert str(path) in missing["what"] and told in missing["what"]
    assert str(path) in table.terminal(results)
    with pytest.raises(WebtextError, match=r"lambada_test\.jsonl"):
        evaluate(corpus, tasks=["lambada"], data=data, out=tmp_path / "alone", device="cpu")
    # With a whole file in its place the same command scores what was left out.
    shutil.copy(sets / "lambada" / "lambada_test.jsonl", path)
    again, _ = evaluate(corpus, tasks=["lambada", "ptb"], data=data, out=tmp_path / "out", device="cpu")
    assert set(again["tasks"]) == {"lambada", "ptb", "winograd"}
    assert again["missing"] == []


def test_a_folder_that_is_not_there_is_no_corpus_to_be_made(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="there is no such folder\n  name a corpus with a run, or a folder of a"):
        evaluate(tmp_path / "modle", tasks=["lambada"], data=sets)
    done = CliRunner().invoke(app, ["generate", str(tmp_path / "modle"), "--prompt", "The"])
    assert "there is no such folder" in str(done.exception)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal(corpus: Path, sets: Path, tmp_path: Path, width: int) -> None:
    results, _ = evaluate(corpus, tasks=["lambada", "coqa"], data=sets, limit=2, out=tmp_path, device="cpu")
    whole = table.terminal(results).splitlines()
    shown = table.terminal(results, width=width).splitlines()
    assert max(map(len, shown)) <= max(width, 72)  # what is never dropped takes 72
    assert shown[0].split()[:2] == ["unit", "yours"]
    assert ("345M" in shown[0]) == (width == 120)
    assert "117M" in shown[0] and "1542M" in shown[0]
    assert any("not shown, for want of room: 345M" in line for line in shown) == (width < 120)
    rows = [line.split()[0] for line in whole[1:] if line]
    assert [line.split()[0] for line in shown[1:6]] == rows[:5]


def test_the_table_is_shown_before_a_file_that_cannot_be_written(corpus: Path, sets: Path, tmp_path: Path) -> None:
    common = ["eval", str(corpus), "--data", str(sets), "--tasks", "winograd", "--out", str(tmp_path / "out")]
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, [*common, "--markdown", str(tmp_path / "file" / "table.md"), "--device", "cpu"])
    assert done.exit_code == 1
    assert "Winograd, partial" in done.stdout
    done = CliRunner().invoke(app, [*common, "--figure", str(tmp_path / "scores.xyz"), "--device", "cpu"])
    assert done.exit_code == 1
    assert "Winograd, partial" in done.stdout
