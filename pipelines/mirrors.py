"""Mirrors of Wikipedia by host: how many of a host's documents were copies.

A host most of whose documents are copies is a mirror; one with a copy among many other pages is not. Reads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import open_parquet, read_parquet
from webtext.corpus.schemas import DOCUMENTS, WIKIPEDIA
from webtext.pipelines.set_aside import host_of

EXAMPLES = 3


@dataclass(frozen=True)
class Mirror:
    """A host: how many of its `documents` were `copies`, some of them, and articles that are known by name."""

    host: str
    copies: int
    documents: int
    urls: tuple[str, ...]
    articles: tuple[str, ...]


@dataclass(frozen=True)
class Mirrors:
    """Hosts, that with most copies first."""

    hosts: tuple[Mirror, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.hosts:
            return "no copy of Wikipedia was found"
        width = max(len(mirror.host) for mirror in self.hosts)
        lines = [f"{'host':<{width}}  copies  of documents  articles"]
        for mirror in self.hosts:
            named = ", ".join(mirror.articles) or "(found by marks)"
            lines.append(f"{mirror.host:<{width}}  {mirror.copies:>6,}  {mirror.documents:>12,}  {named}")
        return "\n".join(lines)


def find_mirrors(removed: Sequence[Path], documents: Sequence[Path]) -> Mirrors:
    """The hosts of clean/wikipedia.parquet.

    Raises:
        WebtextError: copies of Wikipedia were not looked for.
    """
    if not removed:
        raise WebtextError("copies of Wikipedia were not looked for", hint="set wikipedia = true in [dedup]")
    rows = [row for path in removed for row in read_parquet(path, WIKIPEDIA).to_pylist()]
    copies = Counter(row["host"] for row in rows)
    totals: Counter[str] = Counter()
    for path in documents if copies else ():
        with open_parquet(path, DOCUMENTS) as file:
            for batch in file.iter_batches(65_536, columns=["final_url"]):
                totals.update(host for url in batch["final_url"].to_pylist() if (host := host_of(url)) in copies)
    found = []
    for host, count in sorted(copies.items(), key=lambda entry: (-entry[1], entry[0])):
        mine = [row for row in rows if row["host"] == host]
        articles = sorted({row["article"] for row in mine if row["article"]})[:EXAMPLES]
        urls = tuple(row["removed_url"] for row in mine[:EXAMPLES])
        found.append(Mirror(host, count, totals[host], urls, tuple(articles)))
    return Mirrors(tuple(found))
