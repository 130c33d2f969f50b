"""Growth, end to end: one more month on a finished corpus; what a training reads meanwhile; and `webtext gc`."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commands import litter, webtext
from small_web import write_dump
from walks import TRAIN, Walk

from webtext.api import Corpus
from webtext.corpus.lock import corpus_lock


@pytest.fixture(scope="module")
def grown(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The walk's corpus without its last 10 articles, trained on, and then with them as the next month's."""
    folder = tmp_path_factory.mktemp("grown")
    import zstandard

    lines = zstandard.ZstdDecompressor().stream_reader(walk.web.dump.open("rb")).read().splitlines()
    late = [line for line in lines if any(f'articles/{n}"'.encode() in line for n in range(30, 40))]
    assert len(late) == 10
    write_dump(folder / "first.zst", [line for line in lines if line not in late])
    write_dump(folder / "next.zst", late)
    corpus = folder / "corpus"
    flags = ("--replay", walk.web.warc, "--workers", 1, "--vocab-size", 1000)
    webtext("build", corpus, folder / "first.zst", *flags)
    webtext("train", corpus, *TRAIN, "--save-every", 2, "--samples", 0)
    shutil.copytree(corpus, folder / "before")
    (folder / "first.zst").rename(folder / "away.zst")  # last month's dump is not read again: it is not there
    with pytest.MonkeyPatch.context() as patched:
        done = _counted(patched)
        made = Corpus(corpus).build(folder / "next.zst", replay=[walk.web.warc], workers=1)
    assert all(stage.made for stage in made)
    (folder / "done.json").write_text(json.dumps(done))
    (folder / "away.zst").rename(folder / "first.zst")
    yield folder


def _counted(patched: pytest.MonkeyPatch) -> Counter[str]:
    """What the work of the stages is done on, counted where it is done: pages extracted, documents signed, and those
    whose shingles are compared."""
    from webtext.crawler.text.isolate import IsolatedExtractor
    from webtext.pipelines import dedup

    done: Counter[str] = Counter()
    examine, sign, shingle_sets = IsolatedExtractor.examine, dedup.sign, dedup.shingle_sets

    def examined(self: Any, page: Any) -> Any:
        done["extracted"] += 1
        return examine(self, page)

    def signed(batch: Any, settings: Any, permutations: Any, known: Any) -> Any:
        def looked_up(*arguments: Any) -> Any:
            found = known(*arguments)
            done["asked for"] += len(found[0])
            done["signed"] += int((~found[0]).sum())
            return found

        return sign(batch, settings, permutations, looked_up)

    def collected(texts: Any, size: int) -> Any:
        found = shingle_sets(texts, size)
        done["compared"] += len(found.offsets) - 1
        return found

    patched.setattr(IsolatedExtractor, "examine", examined)
    patched.setattr(dedup, "sign", signed)
    patched.setattr(dedup, "shingle_sets", collected)
    return done


@pytest.mark.slow
def test_only_what_is_new_is_crawled_extracted_and_compared(grown: Path) -> None:
    before, after = grown / "before", grown / "corpus"
    segment = "pages/segment-00000.warc.gz"
    old, new = (before / segment).read_bytes(), (after / segment).read_bytes()
    assert new.startswith(old)  # no page was fetched again
    fetched = []
    for corpus in (before, after):
        with closing(sqlite3.connect(corpus / "pages" / "ledger.sqlite")) as db:
            fetched.append(db.execute("SELECT count(*) FROM responses").fetchone()[0])
    assert fetched[1] - fetched[0] == 10
    done = json.loads((grown / "done.json").read_bytes())
    # All are looked up, those of the 10 pages are signed; one of them resembles an older one: these two are compared.
    assert json.loads((after / "documents/stage.json").read_bytes())["run"]["extracted"] == 10
    # Some of the 10 may have been extracted in another process while the crawl went on.
    assert done.pop("extracted", 0) <= 10
    assert done == {"asked for": 48, "signed": 10, "compared": 2}


@pytest.mark.slow
def test_it_equals_one_build_over_the_same_pages(grown: Path, walk: Walk, tmp_path: Path) -> None:
    at_once = tmp_path / "at-once"
    tokenizer = ("--tokenizer", grown / "before" / "tokenizer")
    dumps = (grown / "first.zst", grown / "next.zst")
    webtext("build", at_once, *dumps, "--replay", walk.web.warc, *tokenizer, "--workers", 1)
    for folder in ("links", "documents", "clean", "outcomes", "shards"):
        mine, theirs = (
            {
                str(path.relative_to(corpus)): path.read_bytes()
                for path in sorted((corpus / folder).rglob("*"))
                if path.is_file() and path.name != "stage.json" and "older" not in path.parts
            }
            for corpus in (grown / "corpus", at_once)
        )
        assert mine == theirs, folder
    stages = {stage.stage: stage.identity for stage in Corpus(at_once).status().stages}
    for stage in Corpus(grown / "corpus").status().stages[:4]:
        assert stages[stage.stage] == stage.identity


@pytest.mark.slow
def test_a_training_goes_on_with_the_shards_it_began_with_until_gc(grown: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(grown / "corpus", tmp_path / "corpus")
    assert Corpus(corpus).status().run_notes["default"].startswith("trained on an older generation of the shards (")
    before = {path.name: path.read_bytes() for path in (grown / "before" / "shards").glob("*.arrow")}
    (older,) = (corpus / "shards" / "older").iterdir()
    assert {path.name: path.read_bytes() for path in older.glob("*.arrow")} == before
    went_on = webtext("train", corpus, "--steps", 8, "--samples", 0)
    assert "goes on with the shards it began with" in went_on.stderr
    run = json.loads((corpus / "runs/default/run.json").read_bytes())
    assert run["shards"][:16] == older.name
    freed = Corpus(corpus).collect_garbage()
    assert [garbage.name for garbage in freed.freed] == [f"shards/older/{older.name}"]
    assert not (corpus / "shards" / "older").exists()
    gone = webtext("train", corpus, "--steps", 10, "--samples", 0, expect=1)
    assert "the shards this run began with" in gone.stderr and "are gone" in gone.stderr


# -- gc, without a build -----------------------------------------------------------------------------------------------


@pytest.fixture
def corpus(walk: Walk, tmp_path: Path) -> Path:
    """The walk's corpus with two older generations; one of them has a run that is not finished."""
    path: Path = shutil.copytree(walk.corpus, tmp_path / "corpus")
    for name in ("a" * 16, "b" * 16):
        folder = path / "shards" / "older" / name
        folder.mkdir(parents=True)
        for file in (path / "shards").glob("*.*"):
            shutil.copy(file, folder)
    run = path / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"shards": "a" * 64, "decay_steps": 10}))
    (run / "log.jsonl").write_text(json.dumps({"step": 3, "loss": 2.5}) + "\n")
    return path


def test_a_dry_run_says_what_would_go_and_removes_nothing(corpus: Path) -> None:
    (corpus / "clean" / "part-00007.parquet").write_bytes(b"left behind")
    report = Corpus(corpus).collect_garbage(dry_run=True)
    assert [garbage.name for garbage in report.freed] == [f"shards/older/{'b' * 16}", "clean/part-00007.parquet"]
    assert [garbage.name for garbage in report.kept] == [f"shards/older/{'a' * 16}"]
    assert "run mine is not finished (--all frees them, too)" in str(report)
    assert (corpus / "shards/older" / ("b" * 16)).exists()
    assert report.bytes == sum(garbage.bytes for garbage in report.freed) > 11


def test_it_frees_what_nothing_needs_and_keeps_what_a_run_needs(corpus: Path) -> None:
    before = Corpus(corpus).status().fingerprint
    Corpus(corpus).collect_garbage()
    assert [path.name for path in (corpus / "shards/older").iterdir()] == ["a" * 16]
    with corpus_lock(corpus / "runs" / "mine", "train"):
        kept = Corpus(corpus).collect_garbage(everything=True).kept
        assert [garbage.why for garbage in kept] == ["run mine is training on them"]
    Corpus(corpus).collect_garbage(everything=True)
    assert not (corpus / "shards" / "older").exists()
    assert str(Corpus(corpus).collect_garbage()) == "nothing to free"
    assert Corpus(corpus).status().fingerprint == before
    assert Corpus(corpus).verify_shards().problems == ()
    assert litter(corpus) == []


@pytest.mark.kill
def test_killed_while_freeing(corpus: Path) -> None:
    killed = webtext("gc", corpus, "--all", fault="gc.removed:1", expect=None)
    assert killed.returncode == -signal.SIGKILL
    webtext("gc", corpus, "--all")
    assert not (corpus / "shards" / "older").exists()
    assert litter(corpus) == []
