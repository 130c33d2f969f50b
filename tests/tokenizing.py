"""Small clean documents in any layout of files, and the tokenize stage over them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from webtext.corpus.config import shaping
from webtext.corpus.files import file_sha256
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.settings import TokenizeSettings
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine
from webtext.pipelines.tokenize import RULES, make_shards, tokenize_inputs

SETTINGS = TokenizeSettings(vocab_size=300, validation=0.1, shard_tokens=1_000, engine="tiktoken")
"""By the exact engine: to prove the fast one takes longer than to encode so little."""
WORDS = ("the", "cat", "sat", "on", "a", "mat", "its", "naïve", "owner's", "1999", "hats,", "<|endoftext|>", "fell.")
Document = Mapping[str, object]


def _document(number: int) -> Document:
    url = f"https://site-{number % 7}.example/page/{number}"
    text = "\n".join(" ".join(WORDS[(number * 7 + line * place) % len(WORDS)] for place in range(1, 9 + number % 5))
                     for line in range(1, 3 + number % 3))  # fmt: skip
    day = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    return {
        "key": xxhash.xxh3_64_intdigest(url.encode()), "url": url, "final_url": url, "canonical": None,
        "domain": "example", "title": "", "text": text, "language": "en", "language_score": 1.0, "karma": 3,
        "first_posted": day, "fetched": day, "source": "crawl", "record_id": "",
        "characters": len(text), "words": len(text.split()),
    }  # fmt: skip


def documents(count: int) -> list[Document]:
    return sorted((_document(number) for number in range(count)), key=lambda document: int(str(document["key"])))


def write_clean(corpus: Path, rows: Sequence[Document], *, files: int = 1, group: int = 8_192) -> list[Path]:
    """Write clean/ in any layout of files and row groups."""
    (corpus / "clean").mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        mine = list(rows[len(rows) * number // files : len(rows) * (number + 1) // files])
        path = corpus / "clean" / f"part-{number:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(mine, schema=DOCUMENTS), path, row_group_size=group)
        paths.append(path)
    return paths


def tokenize_documents(
    corpus: Path, clean: Sequence[Path], settings: TokenizeSettings = SETTINGS, *, identity: str = "one",
    workers: int = 1, retrain: bool = False, redo: bool = False,
) -> Manifest:  # fmt: skip
    run = StageRun.begin(corpus, Stage.SHARDS, settings=shaping(settings), rules=RULES,
                         inputs=tokenize_inputs(identity), redo=redo or retrain)  # fmt: skip
    assert not run.done
    return make_shards(run, corpus, clean, settings, clean_identity=identity, engine=Engine(workers=workers),
                       accept_loss=False, retrain=retrain)  # fmt: skip


def made_bytes(corpus: Path) -> dict[str, str]:
    """The sha256 of all that tokenize made."""
    found = [path for folder in ("tokenizer", "shards") for path in (corpus / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(corpus)): file_sha256(path) for path in sorted(found) if path.name != "stage.json"}
