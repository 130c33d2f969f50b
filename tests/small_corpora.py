"""Documents that tests make themselves, as the stage documents/ would leave them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from webtext.corpus.files import write_parquet
from webtext.corpus.schemas import DOCUMENTS


def document(name: str, text: str, **changed: Any) -> dict[str, Any]:
    """A row of documents/; its key is the hash of its name."""
    url, day = f"https://site.example/{name}", datetime(2025, 1, 1, tzinfo=UTC)
    row = {
        "key": xxhash.xxh3_64_intdigest(name.encode()), "url": url, "final_url": url, "canonical": None,
        "domain": "site.example", "title": name, "text": text, "language": "en", "language_score": 1.0, "karma": 3,
        "first_posted": day, "fetched": day, "source": "crawl", "record_id": name, "characters": len(text),
        "words": len(text.split()),
    }  # fmt: skip
    return {**row, **changed}


def words(seed: int, count: int) -> str:
    choice = random.Random(seed)
    return " ".join(f"word{choice.randrange(5_000)}" for _ in range(count))


def reworded(text: str) -> str:
    """`text` with another word in its middle."""
    parts = text.split()
    return " ".join([*parts[: len(parts) // 2], "another", *parts[len(parts) // 2 + 1 :]])


def store_documents(corpus: Path, rows: Sequence[Mapping[str, Any]], cuts: Sequence[int] = ()) -> list[Path]:
    """Write documents/ by key, cut into files at `cuts`."""
    table = pa.Table.from_pylist(sorted(map(dict, rows), key=lambda row: row["key"]), DOCUMENTS)
    paths = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(table)], strict=True)):
        path = corpus / f"documents/part-{number:05d}.parquet"
        write_parquet(path, table.slice(start, stop - start), DOCUMENTS)
        paths.append(path)
    return paths
