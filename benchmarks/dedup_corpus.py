"""Corpora for the benchmark of dedup: real sentences, seeded, with copies of known similarity; nothing is stored here.

The sentences are those of the documentation in the standard library and the installed packages of the Python that runs
this (docstrings, comments, METADATA, .rst, .md). A document is a seeded choice of them, about 4 kB; a copy is one in
which a run of words is replaced by words from elsewhere, so that its 5-gram Jaccard similarity is what was asked for.
"""

from __future__ import annotations

import random
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from webtext.corpus.files import write_parquet
from webtext.corpus.schemas import DOCUMENTS
from webtext.dedup.utf8 import fold_character

ROWS_PER_FILE = 50_000
COPIES = 0.2  # of the documents
TEMPLATES = (0.2, 0.65)  # share of a page that is its host's template
HOSTS = (10, 50_000)  # pages a host


def sentences(limit_characters: int = 60_000_000) -> list[str]:
    """Distinct real sentences of 40 to 400 characters, in a fixed random order."""
    roots = [Path(sysconfig.get_paths()["stdlib"]), Path(np.__file__).parents[1]]
    found: set[str] = set()
    size = 0
    for path in (path for root in roots for path in sorted(root.rglob("*"))):
        if size >= limit_characters:
            break
        if path.suffix not in (".py", ".pyi", ".md", ".rst", ".txt") and path.name != "METADATA":
            continue
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError):
            continue
        parts = re.findall(r'"""(.*?)"""', text, re.S) if path.suffix in (".py", ".pyi") else [text]
        for part in parts:
            for sentence in re.split(r"(?<=[.!?])\s+", " ".join(part.split())):
                if 40 <= len(sentence) <= 400 and sentence.count(" ") >= 6 and sentence not in found:
                    found.add(sentence)
                    size += len(sentence)
    ordered = sorted(found)
    random.Random(1).shuffle(ordered)
    return ordered


@dataclass
class Planted:
    """Texts, their hosts, and the planted pairs (copy, original, similarity asked for) by number."""

    texts: list[str] = field(default_factory=list)
    hosts: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int, float]] = field(default_factory=list)


def plain(pool: list[str], count: int, seed: int) -> Planted:
    """`count` documents of about 4 kB; a fifth are copies, at .5 to .98."""
    choice = random.Random(seed)
    made = Planted()
    while len(made.texts) < count:
        if made.texts and choice.random() < COPIES:
            original = choice.randrange(len(made.texts))
            similarity = choice.uniform(0.5, 0.98)
            made.pairs.append((len(made.texts), original, similarity))
            made.texts.append(_copy(made.texts[original], similarity, _text(pool, choice, 2_500), 0, choice))
        else:
            made.texts.append(_text(pool, choice, 4_000))
        made.hosts.append(choice.randrange(count))
    return made


def templates(pool: list[str], count: int, seed: int, size: int = 2_000) -> Planted:
    """`count` pages of hosts with a template each; a twentieth are copies of pages of the same host, at .7 to .98."""
    choice = random.Random(seed)
    made = Planted()
    host = 0
    while len(made.texts) < count:
        host += 1
        share = choice.uniform(*TEMPLATES)
        head, foot = (_text(pool, choice, int(size * share / 2)) for _ in range(2))
        pages = int(HOSTS[0] * (HOSTS[1] / HOSTS[0]) ** choice.random())
        first = len(made.texts)
        for page in range(min(pages, count - first)):
            if page and choice.random() < COPIES / 4:
                original = choice.randrange(first, len(made.texts))
                similarity = choice.uniform(0.7, 0.98)
                made.pairs.append((len(made.texts), original, similarity))
                other = _text(pool, choice, size)
                made.texts.append(_copy(made.texts[original], similarity, other, head.count(" ") + 1, choice))
            else:
                made.texts.append(f"{head}\n{_text(pool, choice, int(size * (1 - share)))}\n{foot}")
            made.hosts.append(host)
    return made


def store(made: Planted, folder: Path, seed: int) -> list[int]:
    """Write documents/ under random keys and karma; give the key of each text by its number."""
    random_numbers = np.random.default_rng(seed)
    keys = random_numbers.permutation(np.unique(random_numbers.integers(0, 2**64, len(made.texts), np.uint64)))
    karma = random_numbers.integers(3, 1_000, len(keys))
    order = np.argsort(keys)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number, low in enumerate(range(0, len(order), ROWS_PER_FILE)):
        rows = order[low : low + ROWS_PER_FILE].tolist()
        count = len(rows)
        texts = [made.texts[row] for row in rows]
        domains = [f"site{made.hosts[row]}.example" for row in rows]
        urls = [f"https://{domain}/{key:016x}" for domain, key in zip(domains, keys[rows].tolist(), strict=True)]
        table = {
            "key": keys[rows], "url": urls, "final_url": urls, "canonical": [None] * count, "domain": domains,
            "title": [text[:40] for text in texts], "text": pa.array(texts, pa.large_string()),
            "language": ["en"] * count, "language_score": np.ones(count, np.float32), "karma": karma[rows],
            "first_posted": [start] * count, "fetched": [start] * count, "source": ["crawl"] * count,
            "record_id": [f"{key:032x}" for key in keys[rows].tolist()],
            "characters": np.fromiter(map(len, texts), np.int32, count),
            "words": np.fromiter((text.count(" ") + 1 for text in texts), np.int32, count),
            "quality": pa.nulls(count, DOCUMENTS.field("quality").type), "extra": pa.nulls(count, pa.string()),
        }  # fmt: skip
        write_parquet(folder / f"documents/part-{number:05d}.parquet", pa.table(table), DOCUMENTS)
    found: list[int] = keys.tolist()
    return found


def jaccard(one: str, other: str) -> float:
    """The exact similarity, from nothing but Python's own `re` and sets of words."""
    first, second = _grams(one), _grams(other)
    return len(first & second) / len(first | second) if first and second else 0.0


def _grams(text: str) -> set[tuple[str, ...]]:
    # Character by character: the lower case of some (İ, a final Σ) is otherwise another number of letters or another.
    words = re.findall(r"\w+", text.lower() if text.isascii() else "".join(map(fold_character, text)))
    return set(_windows(words))


def _windows(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)


def _text(pool: list[str], choice: random.Random, size: int) -> str:
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(pool[int(choice.random() * len(pool))])
        length += len(parts[-1]) + 1
    return " ".join(parts)


def _copy(text: str, similarity: float, other: str, start: int, choice: random.Random) -> str:
    """`text` with one run of words replaced; of n shingles n (1 - J) / (1 + J) change, four more than words."""
    words = text.split(" ")
    count = max(1, round(len(words) * (1 - similarity) / (1 + similarity)) - 4)
    at = min(start + choice.randrange(max(1, len(words) // 10)), max(0, len(words) - count))
    return " ".join([*words[:at], *other.split(" ")[:count], *words[at + count :]])
