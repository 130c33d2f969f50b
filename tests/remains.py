"""What stands in a corpus, byte by byte: for tests that compare two, or look for what must be gone."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq


def bytes_of(corpus: Path, *, pages: bool = False) -> dict[str, bytes]:
    """All content files: without stage.json, whose `run` names seconds, and pages/, which are exempt as bytes."""
    return {
        str(path.relative_to(corpus)): path.read_bytes()
        for path in sorted(corpus.rglob("*"))
        if path.is_file() and path.name not in ("stage.json", "webtext.toml", "forgotten-shards.json")
        and (pages or path.relative_to(corpus).parts[0] not in ("pages", "runs"))
    }  # fmt: skip


def everything(corpus: Path) -> bytes:
    """All bytes of a corpus but its runs, unpacked."""
    found = []
    for path in sorted(corpus.rglob("*")):
        if not path.is_file() or path.relative_to(corpus).parts[0] == "runs":
            continue
        if path.suffix == ".parquet":
            found.append(json.dumps(pq.read_table(path).to_pylist(), default=str).encode())
        else:
            found.append(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return b"\n".join(found)
