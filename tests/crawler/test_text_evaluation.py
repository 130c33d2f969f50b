"""Extraction against reviewed texts, and the gate on real ones."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from webtext.corpus.errors import WebtextError
from webtext.crawler.text.evaluation import OWN, Score, baseline_of, below_baseline, evaluate, read_gold
from webtext.crawler.text.gate import run_evaluation

# Recorded on the 409 reviewed pages with trafilatura 2.3.1: by source F1, precision and recall of 4-grams.
BASELINE = {
    "all": {"f1": 0.8429, "precision": 0.8465, "recall": 0.8683},
    "aeb": {"f1": 0.9441, "precision": 0.9306, "recall": 0.9759},
    "wcxb": {"f1": 0.8143, "precision": 0.8227, "recall": 0.8379},
}

TEXTS = {
    "mine-1": "The lighthouse stands on the northern cape, where the two currents meet and the fog is thickest.",
    "mine-2": "Its keeper climbed the two hundred steps every evening, in summer and in winter, for thirty years.",
    "yours-1": "When the lamp was made electric, he stayed on as a guide and told visitors about the storms.",
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    gold = {name: {"url": f"https://example.org/{name}", "text": text} for name, text in TEXTS.items()}
    (tmp_path / "gold.json").write_text(json.dumps(gold))
    with (tmp_path / "pages.warc.gz").open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for name, text in TEXTS.items():
            body = f"<html><body><article><p>{text}</p></article></body></html>".encode()
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                f"https://example.org/{name}", "response", payload=io.BytesIO(body), http_headers=headers
            )
            writer.write_record(record)
    return tmp_path / "gold.json", tmp_path / "pages.warc.gz"


def test_scores_are_means_by_source(files: tuple[Path, Path]) -> None:
    pages = read_gold(files[0], [files[1]])
    assert [page.source for page in pages] == ["mine", "mine", "yours"]
    half = {"webtext": lambda html, url: TEXTS["mine-1"] if url.endswith("mine-1") else ""}
    scores = {score.source: score for score in evaluate(pages, extractors=half)}
    assert {source: (score.pages, score.f1) for source, score in scores.items()} == {
        "all": (3, pytest.approx(1 / 3)), "mine": (2, 0.5), "yours": (1, 0.0),
    }  # fmt: skip


def test_own_extraction_and_trafilaturas_find_plain_articles(files: tuple[Path, Path]) -> None:
    scores = evaluate(read_gold(files[0], [files[1]]))
    assert {score.extractor for score in scores} == set(OWN)
    assert {score.f1 for score in scores if score.extractor == "webtext"} == {1.0}


@pytest.mark.parametrize("measure", ["f1", "precision", "recall"])
def test_a_score_below_its_baseline_is_told(measure: str) -> None:
    scores = [Score("webtext", "all", 3, 0.9, 0.9, 0.9, 1.0), Score("other", "all", 3, 0.1, 0.1, 0.1, 1.0)]
    baseline = baseline_of(scores)
    assert below_baseline(scores, baseline) == []
    raised = {"all": {**baseline["all"], measure: 0.901}}
    assert below_baseline(scores, raised) == [f"all: {measure} is 0.9000, its baseline 0.9010"]
    assert below_baseline(scores, {"new": baseline["all"]}) == ["new: no such pages"]


def test_a_baseline_is_written_and_held_against(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert run_evaluation(files[0], [files[1]], record=path).missed == ()
    assert run_evaluation(files[0], [files[1]], baseline=path).missed == ()
    path.write_text(json.dumps({"mine": {"f1": 1.1}}))
    report = run_evaluation(files[0], [files[1]], baseline=path)
    assert report.missed == ("mine: f1 is 1.0000, its baseline 1.1000",)
    assert "below the baseline: mine: f1" in str(report)


def test_files_that_are_not_there_or_of_another_form_are_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="3 pages are in no archive"):
        read_gold(files[0], [])
    bad = tmp_path / "bad.json"
    bad.write_text("[1, 2]")
    with pytest.raises(WebtextError, match="is no file of reviewed texts"):
        read_gold(bad, [files[1]])
    with pytest.raises(WebtextError, match="is no baseline"):
        run_evaluation(files[0], [files[1]], baseline=bad)
    with pytest.raises(WebtextError, match="none of the peers") as found:
        evaluate([], peers=Path(sys.executable))
    assert found.value.hint is not None


@pytest.mark.slow
def test_extraction_does_not_fall_below_its_baseline_on_real_pages(data: Path) -> None:
    pages = read_gold(data / "web/gold.json", [data / "web/web.warc.gz"])
    assert len(pages) == 409
    scores = evaluate(pages, extractors={name: OWN[name] for name in ("webtext", "trafilatura")})
    assert below_baseline(scores, BASELINE) == []
    whole = {score.extractor: score for score in scores if score.source == "all"}
    assert whole["webtext"].f1 > whole["trafilatura"].f1
