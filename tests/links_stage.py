"""The stage links on small dumps of its own: what its tests share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

from webtext.corpus.config import shaping
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import LinksSettings
from webtext.corpus.stages import StageRun, stage_manifest
from webtext.crawler.reddit.dumps import find_sources
from webtext.pipelines.engine import Engine
from webtext.pipelines.links import RULES, links_inputs, make_links

DEFAULTS = LinksSettings()
SMALL = 2_000  # bytes a block: a few lines


def begin(
    corpus: Path,
    dumps: Sequence[Path],
    settings: LinksSettings = DEFAULTS,
    *,
    redo: bool = False,
    accept_loss: bool = False,
) -> tuple[StageRun, list[Any]]:
    corpus.mkdir(exist_ok=True)
    sources = find_sources(dumps, accept_loss=accept_loss)
    previous = None if redo else stage_manifest(corpus, Stage.LINKS)
    inputs = links_inputs(sources, previous)
    return StageRun.begin(
        corpus, Stage.LINKS, settings=shaping(settings), rules=RULES, inputs=inputs, redo=redo
    ), sources


def make(
    corpus: Path,
    dumps: Sequence[Path],
    settings: LinksSettings = DEFAULTS,
    *,
    workers: int = 1,
    redo: bool = False,
    block_bytes: int = SMALL,
    accept_loss: bool = True,
) -> Manifest:
    run, sources = begin(corpus, dumps, settings, redo=redo, accept_loss=accept_loss)
    assert not run.done
    return make_links(
        run, sources, settings, engine=Engine(workers), accept_loss=accept_loss, redo=redo, block_bytes=block_bytes
    )


def write_dump(path: Path, records: Sequence[dict[str, Any] | bytes]) -> Path:
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(data) if path.suffix == ".zst" else data)
    return path


def record(number: int, url: str, score: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "id": f"p{number}", "url": url, "score": score, "created_utc": 1_000 + number, "subreddit": "news",
        "is_self": False, "over_18": False, **more,
    }  # fmt: skip


def month(first: int) -> list[dict[str, Any] | bytes]:
    """60 lines; neighbouring months share links."""
    records: list[dict[str, Any] | bytes] = []
    for number in range(first, first + 50):
        records.append(record(number, f"http://site{number % 37}.example/a", number % 7))
    return [
        *records,
        record(first + 50, "http://site1.example/b", is_self=True),
        record(first + 51, "https://i.redd.it/x.jpg"),
        record(first + 52, "http://site1.example/c", over_18=True),
        record(first + 53, "http://site1.example/d", removed_by_category="moderator"),
        record(first + 54, "ftp://site1.example/e"),
        record(first + 55, "http://127.0.0.1/"),
        record(first + 56, "https://de.m.wikipedia.org/wiki/A"),
        record(first + 57, "https://www.reddit.com/r/a/"),
        b"[]",
        b"",
    ]


def contents(corpus: Path) -> dict[str, bytes]:
    return {str(path.relative_to(corpus)): path.read_bytes() for path in sorted(corpus.rglob("*")) if path.is_file()}


def published(corpus: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(corpus).items() if not name.endswith("stage.json")}
