"""`webtext shards verify` and `export`, as their user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from commands import litter, webtext
from walks import Walk


def test_verify_says_good_or_which_file_is_not(walk: Walk, tmp_path: Path) -> None:
    corpus = shutil.copytree(walk.corpus, tmp_path / "corpus")
    assert webtext("shards", "verify", corpus).stdout.startswith("good: ")
    report = json.loads(webtext("shards", "verify", corpus, "--json").stdout)
    assert report["problems"] == []
    assert report["documents"] == sum(
        json.loads((corpus / "shards" / "stage.json").read_text())["facts"]["documents"].values()
    )
    path = corpus / "shards" / "train-00000.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(data)
    found = webtext("shards", "verify", corpus, expect=1)
    assert f"{path}: has other bytes than when it was written" in found.stdout
    assert "Traceback" not in found.stderr
    assert litter(corpus) == []


def test_export_writes_what_nanogpt_reads_once(walk: Walk, tmp_path: Path) -> None:
    first = webtext("shards", "export", walk.corpus, tmp_path / "out", "--to", "nanogpt")
    assert "(" in first.stdout and " new)" in first.stdout
    again = json.loads(webtext("shards", "export", walk.corpus, tmp_path / "out", "--to", "nanogpt", "--json").stdout)
    assert again["made"] == 0
    stream = np.memmap(tmp_path / "out" / "train.bin", dtype=np.uint16, mode="r")
    assert len(stream) == again["files"]["train.bin"]["tokens"]
    refused = webtext("shards", "export", walk.corpus, tmp_path / "out", "--to", "jsonl", expect=2)
    assert "holds another export" in refused.stderr
    missing = webtext("shards", "export", tmp_path / "nowhere", tmp_path / "x", "--to", "jsonl", expect=1)
    assert "no corpus here" in missing.stderr
