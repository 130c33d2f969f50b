"""Bad input of every kind, at every stage: one clear message, nothing half-written, nothing lost."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from commands import command, environment, litter, webtext
from walks import BEFORE, TRAIN, Walk

At = Callable[[str], Path]

# The file of the corpus each command reads first, and the stage folder that holds it.
READS = {
    "crawl": "links/part-00000.parquet",
    "extract": "pages/segment-00000.warc.gz",
    "dedup": "documents/part-00000.parquet",
    "tokenize": "clean/part-00000.parquet",
    "train": "shards/train-00000.arrow",
}
WRITES = {
    "links": "links",
    "crawl": "pages",
    "extract": "documents",
    "dedup": "clean",
    "tokenize": "shards",
    "train": "runs/default/checkpoints",
}


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "foreign":
        path.write_bytes(b"PK\x03\x04 this is another program's file\n" * 50)
    elif how == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :])
    else:
        raise ValueError(how)


def contents(corpus: Path) -> dict[str, str]:
    """All files at rest (parts below work/ are a stage's own business, and flags are written into webtext.toml)."""
    return {
        str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(corpus.rglob("*"))
        if path.is_file() and path.relative_to(corpus).parts[0] not in {"work", "lock", "webtext.toml"}
    }


def assert_told(done: subprocess.CompletedProcess[str], *, code: int = 1, names: str = "") -> None:
    """One message for a person: what, where, what to do."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("webtext: ") <= 1, done.stderr
    assert names in done.stderr
    message = done.stderr[done.stderr.index("webtext: ") :] if "webtext: " in done.stderr else done.stderr
    assert len(message.splitlines()) <= 4, message


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "foreign", "flipped"])
@pytest.mark.parametrize("stage", READS)
def test_a_spoilt_file_of_the_corpus(walk: Walk, at: At, stage: str, how: str) -> None:
    corpus = at(stage)
    path = corpus / READS[stage]
    spoil(path, how)
    before = contents(corpus)
    done = webtext(stage, corpus, *walk.arguments(stage), expect=None)
    assert_told(done, names=path.name)
    after = contents(corpus)
    assert {name: after.get(name) for name in before} == before
    assert not (corpus / WRITES[stage] / "stage.json").exists()
    assert not [name for name in litter(corpus) if not name.startswith("work")]


@pytest.mark.parametrize("stage", READS)
def test_a_stage_written_by_a_newer_webtext(walk: Walk, at: At, stage: str) -> None:
    corpus = at(stage)
    manifest = (corpus / READS[stage]).parent / "stage.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99}))
    done = webtext(stage, corpus, *walk.arguments(stage), expect=None)
    assert_told(done, names="schema version 99")


@pytest.mark.parametrize("stage", READS)
def test_a_stage_whose_source_is_not_finished(walk: Walk, at: At, stage: str) -> None:
    corpus = at(stage)
    source = (corpus / READS[stage]).parent
    (source / "stage.json").unlink()
    done = webtext(stage, corpus, *walk.arguments(stage), expect=None)
    assert_told(done, names=f"run webtext {BEFORE[stage]} first")


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        *((".zst", how) for how in ("missing", "empty")),  # found before the format matters
        *((suffix, "truncated") for suffix in (".zst", ".gz", ".bz2", ".xz")),  # a cut text is one unreadable line
        *((suffix, "foreign") for suffix in (".zst", ".gz", ".bz2", ".xz", ".ndjson")),
    ],
)
def test_a_spoilt_dump(walk: Walk, tmp_path: Path, suffix: str, how: str) -> None:
    plain = zstandard.ZstdDecompressor().stream_reader(walk.web.dump.open("rb")).read()
    compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".ndjson": bytes}
    dump = tmp_path / f"RS_2025-01{suffix}"
    dump.write_bytes(walk.web.dump.read_bytes() if suffix == ".zst" else compress[suffix](plain))
    spoil(dump, how)
    corpus = tmp_path / "corpus"
    assert_told(webtext("links", corpus, dump, expect=None), names=dump.name)
    assert not (corpus / "links" / "stage.json").exists()
    if (suffix, how) == (".zst", "truncated"):  # the corpus is not the worse for it
        webtext("links", corpus, walk.web.dump, "--workers", 1)
        assert contents(corpus).keys() == contents(walk.after["links"]).keys()
        assert litter(corpus) == []


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "foreign", "flipped"])
def test_a_spoilt_archive(walk: Walk, at: At, tmp_path: Path, how: str) -> None:
    corpus = at("crawl")
    archive = Path(shutil.copy(walk.web.warc, tmp_path / "archive.warc.gz"))
    spoil(archive, how)
    assert_told(webtext("crawl", corpus, "--replay", archive, expect=None), names=archive.name)
    if how == "flipped":  # the corpus is not the worse for it
        webtext("crawl", corpus, *walk.arguments("crawl"))


@pytest.mark.parametrize("how", ["empty", "truncated", "foreign", "flipped"])
def test_a_spoilt_ledger(at: At, how: str) -> None:
    corpus = at("extract")
    spoil(corpus / "pages" / "ledger.sqlite", how)
    assert_told(webtext("extract", corpus, expect=None), names="ledger.sqlite")


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "foreign", "flipped"])
@pytest.mark.parametrize("name", ["shards/index.json", "tokenizer/tokenizer.json"])
def test_spoilt_companions_of_the_shards(at: At, name: str, how: str) -> None:
    corpus = at("train")
    spoil(corpus / name, how)
    assert_told(webtext("train", corpus, *TRAIN, expect=None), names=Path(name).name)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("crawl", "{corpus}", "--concurrency", 0), "crawl.concurrency is 0"),
        (("links", "{corpus}", "{dump}", "--min-karma", "three"), "--min-karma"),
        (("links", "{corpus}", "{dump}", "--karma-policy", "mean"), "one of max, sum, first"),
        (("links", "{corpus}", "{dump}", "--workers", 0), "--workers"),
        (("links", "{corpus}"), "SOURCE"),
        (("extract", "{corpus}", "--min-words", -1), "extract.min_words is -1"),
        (("dedup", "{corpus}", "--threshold", 2), "dedup.threshold is 2.0"),
        (("tokenize", "{corpus}", "--vocab-size", 70_000), "tokenize.vocab_size is 70000"),
        (("train", "{corpus}", "--preset", "huge"), "huge"),
        (("train", "{corpus}", "--steps", 0), "steps"),
        (("train", "{corpus}", "--device", "abacus"), "abacus"),
        (("train", "{corpus}", "--run", "../x"), "no name for a run"),
        (("generate", "{corpus}", "--max-tokens", 0), "--max-tokens"),
        (("crwl", "{corpus}"), "No such command"),
        (("links", "{corpus}", "{dump}", "--min-kamra", 3), "No such option"),
        (("status",), "CORPUS"),
    ],
)
def test_wrong_use_is_exit_code_2(walk: Walk, at: At, arguments: tuple[object, ...], told: str) -> None:
    corpus = at("train")
    before = contents(corpus)
    filled = [str(part).format(corpus=corpus, dump=walk.web.dump) for part in arguments]
    done = webtext(*filled, expect=2)
    assert "Traceback" not in done.stderr
    assert told in " ".join(done.stderr.split())
    assert contents(corpus) == before


@pytest.mark.parametrize("name", [*WRITES, "status", "generate", "build"])
def test_a_wrong_setting_is_told_by_every_command(walk: Walk, at: At, name: str) -> None:
    corpus = at("train")
    with (corpus / "webtext.toml").open("a") as file:
        file.write("\n[linkz]\nmin_karma = 3\n")
    arguments = (walk.web.dump,) if name == "links" else ()
    done = webtext(name, corpus, *arguments, expect=2)
    assert "did you mean links?" in done.stderr
    assert "webtext.toml" in done.stderr


def test_a_folder_that_is_no_corpus(walk: Walk, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for name in ("status", "crawl", "build"):
        assert_told(webtext(name, tmp_path, expect=1), names="is no corpus")
    assert_told(webtext("links", tmp_path / "letter.txt", walk.web.dump, expect=1), names="letter.txt")
    assert_told(webtext("extract", tmp_path / "nowhere", expect=1), names="webtext init")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_generating_without_a_run(at: At) -> None:
    assert_told(webtext("generate", at("train"), expect=1), names="webtext train")


def test_an_unknown_fault_point_is_told(walk: Walk, tmp_path: Path) -> None:
    done = webtext("links", tmp_path / "corpus", walk.web.dump, fault="files.writen:1", expect=2)
    assert "names no fault point" in done.stderr


@pytest.mark.parametrize("stage", WRITES)
def test_a_full_disk(walk: Walk, at: At, tmp_path: Path, stage: str) -> None:
    """On a file system of its own that has room for the corpus as it is, and hardly more."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system (unshare -rm)")
    source = at(stage) if BEFORE[stage] else None
    small = tmp_path / "small"
    small.mkdir()
    used = sum((path.stat().st_size // 4096 + 2) * 4 for path in source.rglob("*")) if source else 4
    script = (
        f"mount -t tmpfs -o size={used + 24}k tmpfs {small} && "
        + (f"cp -a {source} {small}/corpus && " if source else "")
        + f"{{ {' '.join(command(stage, small / 'corpus', *walk.arguments(stage)))}; code=$?; "
        + f"find {small} -name '*.tmp-*' -o -path '*/{WRITES[stage]}/stage.json'; exit $code; }}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], env=environment(), capture_output=True, text=True, check=False
    )
    assert_told(done, names="no space left")
    assert done.stdout == ""


@pytest.mark.parametrize("stage", WRITES)
def test_no_permission(walk: Walk, at: At, stage: str) -> None:
    corpus = at(stage)
    corpus.mkdir(exist_ok=True)
    if not BEFORE[stage]:
        webtext("init", corpus)
    prefix: list[str] = []
    if os.geteuid() == 0:
        # Root may write anywhere: give that right up.
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to give up its rights")
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    folders = [corpus, *(path for path in corpus.rglob("*") if path.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o555)
        done = subprocess.run(
            [*prefix, *command(stage, corpus, *walk.arguments(stage))],
            env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert_told(done, names="no permission")
