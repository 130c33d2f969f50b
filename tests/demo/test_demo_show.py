"""What a person sees of the demo fits into 80 columns and loses nothing."""

from __future__ import annotations

import pytest

from webtext.demo import show
from webtext.demo.registry import Broken, Fact
from webtext.reports import StageReport, Status


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def stage(name: str, rows_in: int, **outcomes: int) -> StageReport:
    named = {word.replace("_", "-"): count for word, count in outcomes.items()}
    return StageReport(name, True, rows_in, rows_in - sum(outcomes.values()), named, "", 1.0)


def test_the_waterfall_has_every_number_the_largest_first() -> None:
    links = stage("links", 1_010, karma=124, media=82, self_post=60, duplicate_url=6, private_address=6, unreadable=5)
    status = Status("c", "f", (links, stage("pages", 727, http_error=2), stage("shards", 725)), (), {}, None, None)
    assert show.waterfall(status).splitlines() == [
        "                 in     out    what became of the others",
        "links         1,010     727    124 karma, 82 media, 60 self-post,",
        "                               6 duplicate-url, 6 private-address, 5 unreadable",
        "pages           727     725    2 http-error",
        "shards          725     725",
    ]


def test_a_broken_fact_is_told_with_where_and_what() -> None:
    found = "http://c.example/: expected document, became near-duplicate (jaccard 1.000 with http://b.example/essay)"
    broken = [Broken(Fact("the first", ("http://a.example/",), lambda finished: ""), found)]
    assert show.verdict(3, broken).splitlines() == [
        "2 of 3 planted facts hold",
        "  1. the first",
        "     http://a.example/",
        "     http://c.example/: expected document, became near-duplicate (jaccard 1.000",
        "     with http://b.example/essay)",
    ]
    assert show.verdict(3, []) == "3 of 3 planted facts hold"


def test_a_sample_is_wrapped_and_its_blank_lines_are_left_out() -> None:
    shown = show.sample("The function " + "is a function " * 8 + "\n\n\nEnd.").splitlines()
    assert [line[:4] for line in shown] == ["  Th", "  fu", "  En"]
    assert max(map(len, shown)) <= 80


def test_commands_are_shown_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    show.command("generate", "my demo/corpus", "--prompt", "The function", "--top-k", 5)
    assert capsys.readouterr().err == "\n$ webtext generate 'my demo/corpus' --prompt 'The function' --top-k 5\n"
