"""Any moment: killed at every fault point and at random, the same command again gives the same corpus."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import command, environment, leftovers, litter, status, webtext
from walks import TRAIN, Walk

from webtext.corpus.faults import POINTS
from webtext.corpus.files import file_sha256

At = Callable[[str], Path]

# Which commands pass which points; the first passing and a later one, where there is one.
COMMANDS_OF = {
    "files": ("links", "crawl", "extract", "dedup", "tokenize"),
    "stage": ("links", "crawl", "extract", "dedup", "tokenize"),
    "links": ("links",),
    "crawl": ("crawl",),
    "extract": ("extract",),
    "dedup": ("dedup",),
    "tokenize": ("tokenize",),
}
# Passed where dedup is asked for more than copies; killed at in test_comparisons and beside their pipelines' tests.
ASKED_FOR = {"dedup.searched", "dedup.sampled", "dedup.looked-up", "dedup.judged"}
# These have kill tests of their own.
OTHERS = (
    "train.", "listing.", "export.", "eval.", "overlap.", "wikipedia.", "import.", "forget.", "gc.", "merge.",
    "archives.", "release.",
)  # fmt: skip
CASES = [
    (point, stage)
    for point in POINTS
    if not point.startswith(OTHERS) and point not in ASKED_FOR
    for stage in COMMANDS_OF[point.split(".")[0]]
]


def settled() -> None:
    """No process of a killed command is left (its workers notice within a second)."""
    for _ in range(600):
        if not leftovers():
            return
        time.sleep(0.1)
    assert leftovers() == []


def identities(corpus: Path) -> dict[str, str]:
    return {name: stage["identity"] for name, stage in status(corpus)["stages"].items()}


@pytest.mark.kill
@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize(("point", "stage"), CASES)
def test_killed_at_a_fault_point(walk: Walk, at: At, point: str, stage: str, turn: int) -> None:
    corpus = at(stage)
    workers = () if stage == "crawl" else ("--workers", turn)
    killed = webtext(stage, corpus, *walk.arguments(stage), *workers, fault=f"{point}:{turn}", expect=None)
    if turn == 1:
        assert killed.returncode != 0, f"{stage} never passes {point}"
    settled()
    # Also with another number of workers than the run that was killed.
    workers = () if stage == "crawl" else ("--workers", 3 - turn)
    webtext(stage, corpus, *walk.arguments(stage), *workers)
    assert identities(corpus) == identities(walk.after[stage])
    assert litter(corpus) == []
    assert leftovers() == []


@pytest.mark.kill
@pytest.mark.parametrize("to", ["nanogpt", "parquet", "jsonl"])
@pytest.mark.parametrize(
    ("point", "turn"),
    [
        (point, turn)
        for point in POINTS
        if point.startswith(("export.", "files."))
        for turn in (1, 2, 3)
        if point != "export.written" or turn < 3  # the walk's corpus is exported as two files
    ],
)
def test_killed_while_exporting(walk: Walk, tmp_path: Path, to: str, point: str, turn: int) -> None:
    for folder, fault in (("whole", None), ("killed", f"{point}:{turn}")):
        done = webtext("shards", "export", walk.corpus, tmp_path / folder, "--to", to, fault=fault, expect=None)
        assert done.returncode == (0 if fault is None else -signal.SIGKILL), done.stderr
    webtext("shards", "export", walk.corpus, tmp_path / "killed", "--to", to)
    whole, killed = ({path.name: file_sha256(path) for path in (tmp_path / folder).iterdir()}
                     for folder in ("whole", "killed"))  # fmt: skip
    assert killed == whole
    assert "train.bin" in whole or f"train-00000.{to}" in whole


@pytest.mark.kill
def test_killed_at_random_moments(walk: Walk, tmp_path: Path) -> None:
    """Twenty kills, spread over as many whole builds as it takes."""
    chance = random.Random(20)
    kills = 0
    while kills < 20:
        corpus = tmp_path / f"corpus-{kills}"
        while True:
            arguments = (walk.web.dump, "--replay", walk.web.warc, "--vocab-size", 1000)
            workers = ("--workers", chance.choice([1, 2]))
            running = subprocess.Popen(
                command("build", corpus, *arguments, *workers), env=environment(), stderr=subprocess.PIPE, text=True
            )
            try:
                _, told = running.communicate(timeout=chance.uniform(0.3, 6.0) if kills < 20 else None)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.communicate()
                kills += 1
                settled()
                continue
            assert running.returncode == 0, told
            break
        assert status(corpus)["fingerprint"] == walk.fingerprint
        assert litter(corpus) == []
        shutil.rmtree(corpus)


@pytest.mark.kill
@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith(("train.", "files."))])
@pytest.mark.parametrize("turn", [1, 2, 4])
def test_killed_while_training(at: At, point: str, turn: int, trained: dict[str, object]) -> None:
    corpus = at("train")
    flags = (*TRAIN, "--save-every", 2)
    killed = webtext("train", corpus, *flags, fault=f"{point}:{turn}", expect=None)
    if turn == 1:
        assert killed.returncode != 0, f"train never passes {point}"
    webtext("train", corpus, *flags)
    assert run_of(corpus) == trained
    assert litter(corpus) == []


def run_of(corpus: Path) -> dict[str, object]:
    """What a run must come to whatever stopped it: the last checkpoint's weights and the losses of every step."""

    run = corpus / "runs" / "default"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    newest = sorted((run / "checkpoints").iterdir())[-1]
    return {
        "checkpoint": newest.name,
        "weights": file_sha256(newest / "model.safetensors"),
        "losses": [(line["step"], line["loss"]) for line in lines if "loss" in line],
    }


@pytest.fixture(scope="module")
def trained(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    corpus = tmp_path_factory.mktemp("trained") / "corpus"
    shutil.copytree(walk.corpus, corpus)
    webtext("train", corpus, *TRAIN, "--save-every", 2)
    found = run_of(corpus)
    assert len(found["losses"]) == 6  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("stage", ["links", "tokenize"])
def test_killed_while_publishing(walk: Walk, at: At, stage: str) -> None:
    """The quick form of the above, for every run of the tests: where most could be lost."""
    corpus = at(stage)
    workers = () if stage == "crawl" else ("--workers", 1)
    killed = webtext(stage, corpus, *walk.arguments(stage), *workers, fault="stage.moved:1", expect=None)
    assert killed.returncode == -signal.SIGKILL
    again = webtext(stage, corpus, *walk.arguments(stage), *workers)
    assert "nothing to do" in again.stderr  # it had been decided: rolled forward, not made again
    assert identities(corpus) == identities(walk.after[stage])
    assert litter(corpus) == []
