"""The whole way over a small web, as a user walks it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from commands import command, environment, leftovers, litter, status, webtext
from small_web import write_dump
from walks import Walk

from webtext.crawler.reddit.urls import url_key

At = Callable[[str], Path]


def fates(corpus: Path) -> dict[int, str]:
    found: dict[int, str] = {}
    for path in sorted(corpus.glob("outcomes/*.parquet")):
        for row in pq.read_table(path, columns=["key", "outcome"]).to_pylist():
            if row["outcome"] != "duplicate-url":
                found[row["key"]] = row["outcome"]
    for path in sorted(corpus.glob("clean/part-*.parquet")):
        found |= dict.fromkeys(pq.read_table(path, columns=["key"])["key"].to_pylist(), "document")
    return found


def test_every_address_ends_as_it_should(walk: Walk) -> None:
    found = fates(walk.corpus)
    assert {url: found.get(url_key(url), "nothing") for url in walk.web.expected} == walk.web.expected


def test_the_waterfall_balances_from_the_lines_to_the_shards(walk: Walk) -> None:
    stages = status(walk.corpus)["stages"]
    assert list(stages) == ["links", "pages", "documents", "clean", "shards"]
    for stage in stages.values():
        assert stage["rows_in"] == stage["rows_out"] + sum(stage["outcomes"].values())
    for before, after in pairwise(STAGES_ON_DISK):
        assert stages[after]["rows_in"] == stages[before]["rows_out"]
    links = stages["links"]
    assert links["facts"]["blank_lines"] == 1
    assert links["rows_in"] == links["facts"]["lines"] - 1
    assert links["outcomes"] | {"duplicate-url": 1} == links["outcomes"]
    expected = Counter(walk.web.expected.values())
    assert stages["clean"]["rows_out"] == expected["document"] == 40
    assert stages["links"]["outcomes"]["self-post"] == 5
    assert stages["links"]["outcomes"]["media"] == 5
    assert stages["links"]["outcomes"]["unreadable"] == 4


STAGES_ON_DISK = ("links", "pages", "documents", "clean", "shards")


def test_nothing_is_left_behind(walk: Walk) -> None:
    assert litter(walk.corpus) == []
    assert leftovers() == []


def test_a_finished_corpus_is_left_alone(walk: Walk, tmp_path: Path) -> None:
    corpus = shutil.copytree(walk.corpus, tmp_path / "corpus")
    before = {path: path.stat().st_mtime_ns for path in sorted(corpus.rglob("*")) if path.is_file()}
    done = webtext("build", corpus, walk.web.dump, "--replay", walk.web.warc)
    assert done.stderr.count("already done, nothing to do") == 5
    after = {path: path.stat().st_mtime_ns for path in sorted(corpus.rglob("*")) if path.is_file()}
    assert after == before


@pytest.mark.slow
def test_build_with_other_workers_gives_the_same_fingerprint(walk: Walk, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    arguments = (walk.web.dump, "--replay", walk.web.warc, "--vocab-size", 1000, "--workers", 2)
    report = json.loads(webtext("build", corpus, *arguments, "--json").stdout)
    assert report["shards"]["made"]
    assert status(corpus)["fingerprint"] == walk.fingerprint
    assert litter(corpus) == []


@pytest.mark.parametrize(
    ("stage", "flags", "told"),
    [
        ("links", ("--min-karma", 5), "min_karma = 3, now it is 5"),
        ("extract", ("--min-words", 5), "min_words = 40, now it is 5"),
        ("dedup", ("--threshold", 0.8), "threshold = 0.7, now it is 0.8"),
        ("tokenize", ("--vocab-size", 999), "vocab_size = 1000, now it is 999"),
    ],
)
def test_a_changed_setting_is_refused_by_name(
    walk: Walk, tmp_path: Path, stage: str, flags: tuple[object, ...], told: str
) -> None:
    corpus = shutil.copytree(walk.corpus, tmp_path / "corpus")
    source = (walk.web.dump,) if stage == "links" else ()
    done = webtext(stage, corpus, *source, *flags, expect=1)
    assert told in done.stderr
    assert "--redo" in done.stderr
    assert status(corpus)["fingerprint"] == walk.fingerprint
    # What was refused is not written down: the next command still agrees with the corpus.
    assert (corpus / "webtext.toml").read_bytes() == (walk.corpus / "webtext.toml").read_bytes()
    webtext(stage, corpus, *source, *flags, "--redo", "--workers", 1)
    assert status(corpus)["fingerprint"] != walk.fingerprint
    assert "already done" in webtext(stage, corpus, *source, "--workers", 1).stderr


@pytest.mark.slow
def test_a_grown_input_goes_on_and_equals_all_at_once(walk: Walk, tmp_path: Path) -> None:
    lines = [json.dumps(line).encode() for line in _later_month(walk)]
    more = tmp_path / "later.zst"
    write_dump(more, lines)
    grown = shutil.copytree(walk.corpus, tmp_path / "grown")
    flags = ("--replay", walk.web.warc, "--vocab-size", 1000, "--workers", 1)
    report = json.loads(webtext("build", grown, more, *flags, "--json").stdout)
    assert all(stage["made"] for stage in report.values())
    assert status(grown)["stages"]["links"]["rows_in"] == status(walk.corpus)["stages"]["links"]["rows_in"] + len(lines)
    # The same tokenizer: a corpus that grows keeps the one it has.
    at_once = tmp_path / "at-once"
    tokenizer = ("--tokenizer", walk.corpus / "tokenizer")
    webtext("build", at_once, walk.web.dump, more, "--replay", walk.web.warc, *tokenizer, "--workers", 1)
    for stage in ("links", "pages", "documents", "clean"):
        assert status(grown)["stages"][stage]["identity"] == status(at_once)["stages"][stage]["identity"], stage
    shards = [{path.name: path.read_bytes() for path in (corpus / "shards").glob("*.*")} for corpus in (grown, at_once)]
    assert {name: data for name, data in shards[0].items() if name != "stage.json"} == {
        name: data for name, data in shards[1].items() if name != "stage.json"
    }
    # What a running training has pinned is still there.
    (older,) = (grown / "shards" / "older").iterdir()
    assert (older / "train-00000.arrow").read_bytes() == (walk.corpus / "shards" / "train-00000.arrow").read_bytes()
    assert litter(grown) == []


def _later_month(walk: Walk) -> list[dict[str, object]]:
    """More karma for a link that had too little, another post of one that is there, and a new link."""
    post = {"subreddit": "later", "created_utc": 1_738_400_000, "title": "later", "is_self": False, "over_18": False}
    return [
        {**post, "id": "t1", "url": "https://unloved.example/1", "score": 50},
        {**post, "id": "t2", "url": "https://site1.example/articles/1", "score": 500},
        {**post, "id": "t3", "url": "https://site2.example/articles/2?utm_source=y", "score": 1},
        {**post, "id": "t4", "url": "https://new.example/", "score": 9},
    ]


def test_a_second_command_is_refused_with_the_pid_of_the_first(at: At) -> None:
    corpus = at("extract")
    first = subprocess.Popen(command("extract", corpus), env=environment(), stderr=subprocess.DEVNULL)
    try:
        while not (corpus / "work").exists():
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)  # it does not end before the others have asked
        second = webtext("dedup", corpus, expect=1)
        assert f"process {first.pid} on " in second.stderr
        assert "webtext extract" in second.stderr
        shown = status(corpus)
        assert shown["writer"]["pid"] == first.pid
    finally:
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("crawl", signal.SIGINT),
        ("extract", signal.SIGTERM),
        pytest.param("crawl", signal.SIGTERM, marks=pytest.mark.kill),
        pytest.param("extract", signal.SIGINT, marks=pytest.mark.kill),
        pytest.param("dedup", signal.SIGINT, marks=pytest.mark.kill),
        pytest.param("tokenize", signal.SIGINT, marks=pytest.mark.kill),
    ],
)
def test_a_signal_stops_cleanly_and_says_how_to_go_on(walk: Walk, at: At, stage: str, number: signal.Signals) -> None:
    corpus = at(stage)
    running = subprocess.Popen(
        command(stage, corpus, *walk.arguments(stage)), env=environment(), stderr=subprocess.PIPE, text=True
    )
    while not (corpus / "work").exists() and running.poll() is None:
        time.sleep(0.001)
    running.send_signal(number)
    _, told = running.communicate(timeout=120)
    assert running.returncode == 1, told
    assert "the same command goes on where it was" in told
    assert "Traceback" not in told
    assert leftovers() == []
    webtext(stage, corpus, *walk.arguments(stage))
    on_disk = {"crawl": "pages", "extract": "documents", "dedup": "clean", "tokenize": "shards"}[stage]
    expected = status(walk.corpus)["stages"][on_disk]["identity"]
    assert status(corpus)["stages"][on_disk]["identity"] == expected
    assert litter(corpus) == []
