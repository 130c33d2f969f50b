"""A whole small demo: every planted fact holds, a second run has nothing to do, and a third comes out the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import litter, status, webtext
from small_demo import SMALL, SmallDemo
from typer.testing import CliRunner

from webtext import cli
from webtext.corpus.errors import WebtextError
from webtext.demo import run
from webtext.demo.pages import DemoWeb
from webtext.demo.registry import Broken, Fact


def test_every_planted_fact_holds(small_demo: SmallDemo) -> None:
    assert [str(broken) for broken in small_demo.report.broken] == []
    assert small_demo.report.facts == len(small_demo.web.facts) >= 60
    assert f"{small_demo.report.facts} of {small_demo.report.facts} planted facts hold" in small_demo.printed


def test_it_shows_sample_waterfall_and_what_to_do_next(small_demo: SmallDemo) -> None:
    report = small_demo.report
    assert report.sample.startswith(run.PROMPT)
    assert run.PROMPT in small_demo.printed
    shown = status(small_demo.folder / "corpus")
    assert shown["fingerprint"] == report.fingerprint
    for name, stage in shown["stages"].items():
        (line,) = [line for line in small_demo.printed.splitlines() if line.startswith(name)]
        assert line.split()[1:3] == [f"{stage['rows_in']:,}", f"{stage['rows_out']:,}"]
    assert f"webtext status {report.corpus}" in small_demo.printed
    assert json.loads(json.dumps(report.to_json()))["documents"] == shown["stages"]["clean"]["rows_out"]


def test_nothing_is_left_behind(small_demo: SmallDemo) -> None:
    assert litter(small_demo.folder / "corpus") == []
    assert sorted(path.name for path in small_demo.folder.iterdir()) == [
        "RS_2025-01.zst", "corpus", "demo.json", "encyclopedia", "encyclopedia-pages-articles.xml.bz2", "quiz.jsonl",
        "reading-list.txt", "requests.log",
    ]  # fmt: skip


def test_a_second_run_tells_its_commands_and_has_nothing_to_do(
    small_demo: SmallDemo, capsys: pytest.CaptureFixture[str]
) -> None:
    files = written(small_demo.folder)
    again = run.run_demo(small_demo.folder, size=SMALL)
    told = capsys.readouterr()
    commands = [line.split()[2] for line in told.err.splitlines() if line.startswith("$ webtext ")]
    assert commands == [
        "init",
        "doctor",
        "forget",
        "links",
        "crawl",
        "extract",
        "wikipedia",
        "dedup",
        "tokenize",
        "train",
        "generate",
    ]
    assert told.err.count("already done, nothing to do") == 5
    assert "nothing to train" in told.err
    assert "planted facts hold" in told.out
    assert (again.fingerprint, again.sample, again.broken) == (
        small_demo.report.fingerprint, small_demo.report.sample, (),
    )  # fmt: skip
    assert written(small_demo.folder) == files


def written(folder: Path) -> dict[Path, int]:
    """Every file with its time."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_another_folder_gives_the_same_corpus(small_demo: SmallDemo, demo_web: DemoWeb, tmp_path: Path) -> None:
    demo_web.write_sources(tmp_path)
    corpus, _ = run.build_corpus(tmp_path, demo_web, SMALL)
    assert corpus.status().fingerprint == small_demo.report.fingerprint


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    told = webtext("demo", tmp_path, expect=1).stderr
    assert "holds something else than a demo" in told
    assert "name a new or empty folder" in told
    assert "is a file" in webtext("demo", tmp_path / "thesis.txt", expect=1).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_demo_of_another_web_is_refused(tmp_path: Path, demo_web: DemoWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_web", lambda size: demo_web)  # it comes out the same; test_demo_web shows it
    marker = tmp_path / "demo.json"
    marker.write_text('{"web": "made with other packages"}')
    with pytest.raises(WebtextError, match="of another web") as caught:
        run.run_demo(tmp_path, size=SMALL)
    assert f"rm -r {tmp_path}" in str(caught.value)
    assert list(tmp_path.iterdir()) == [marker]


def test_a_demo_of_other_rules_is_refused(
    small_demo: SmallDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "build_web", lambda size: small_demo.web)
    folder = shutil.copytree(small_demo.folder, tmp_path / "older")
    monkeypatch.setattr("webtext.dedup.rules.RULES", {"older": 1})
    with pytest.raises(WebtextError, match="clean was made with rules") as caught:
        run.run_demo(folder, size=SMALL)
    assert f"rm -r {folder}" in str(caught.value)


def test_a_missing_package_is_told_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_NEEDED", ("scrapy", "no_such_package"))
    with pytest.raises(WebtextError, match="the demo needs no_such_package"):
        run.run_demo(tmp_path / "new", size=SMALL)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("broken", [(), (Broken(Fact("rain is wet", (), lambda finished: ""), "it is dry"),)])
def test_the_exit_code_says_whether_all_facts_hold(
    small_demo: SmallDemo, broken: tuple[Broken, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run.DemoReport(**{**vars(small_demo.report), "broken": broken})
    monkeypatch.setattr(run, "run_demo", lambda folder, **options: report)
    done = CliRunner().invoke(cli.app, ["demo", "anywhere", "--json"])
    assert done.exit_code == (1 if broken else 0)
    assert json.loads(done.stdout)["broken"] == (["rain is wet\n    it is dry"] if broken else [])
