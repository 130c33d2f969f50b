"""What dedup knows of a document without its text: order, exact hash, sketch, band hashes. One row a document.

A signature table is all that matching needs; texts are read again only for documents that share a bucket.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webtext.corpus.config import DedupSettings
from webtext.corpus.errors import UsageError
from webtext.dedup.bands import band_count, band_hashes
from webtext.dedup.exact import digests, sites
from webtext.dedup.minhash import Permutations, signatures
from webtext.dedup.parts import matrix
from webtext.dedup.shingles import blocks, shingles
from webtext.dedup.verify import sketches
from webtext.dedup.wikipedia import wikipedia_mark

COLUMNS = ("key", "url", "final_url", "canonical", "title", "text", "karma", "first_posted", "domain")
"""The columns of documents/ that a signature is made of."""

NEVER = np.iinfo(np.int64).max
"""When a document without a date was posted: after all others."""


def check_settings(settings: DedupSettings) -> None:
    """Refuse a banding without a single band: it would find no copy and say nothing.

    Raises:
        UsageError: more rows a band than permutations.
    """
    if settings.band_rows > settings.permutations:
        raise UsageError(
            f"dedup.band_rows is {settings.band_rows}, more than dedup.permutations ({settings.permutations}): no band "
            "fits into a signature",
            hint="make band_rows smaller (6 is the default)",
        )


def band_column(band: int) -> str:
    """The name of the column that holds a band's hashes."""
    return f"band_{band}"


def sign(documents: pa.Table, settings: DedupSettings) -> pa.Table:
    """The signatures of documents.

    Args:
        documents: at least `COLUMNS`, as `webtext.corpus.schemas.DOCUMENTS` has them.

    Returns:
        One row a document, in the same order: key, url, karma, length (characters), posted (`schemas.TIME` as a
        number, `NEVER` where null), site (uint64), exact (2 uint64), wikipedia (the mark, or empty), shingles (how
        many), sketch (uint8, one a permutation), band_0 ... (uint64).
    """
    texts: list[str] = documents["text"].to_pylist()
    sizes, sketch, bands = _sketch(texts, settings)
    posted = pc.fill_null(documents["first_posted"].cast(pa.int64()), NEVER)
    columns = {
        "key": documents["key"],
        "url": documents["url"],
        "karma": documents["karma"],
        "length": np.fromiter(map(len, texts), np.int64, len(texts)),
        "posted": posted,
        "site": sites(documents["domain"].to_pylist()),
        "exact": matrix(digests(texts)),
        "wikipedia": pa.array(_marks(documents, texts) if settings.wikipedia else [""] * len(texts), pa.string()),
        "shingles": sizes,
        "sketch": matrix(sketch),
        **{band_column(band): row for band, row in enumerate(bands)},
    }
    return pa.table(columns)


def _sketch(
    texts: Sequence[str], settings: DedupSettings
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint64]]:
    """Shingles a document, sketches, and band hashes of shape (bands, documents)."""
    permutations = Permutations.of(settings.permutations, settings.seed)
    sizes = np.zeros(len(texts), np.int64)
    sketch = np.empty((len(texts), settings.permutations), np.uint8)
    bands = np.empty((band_count(settings.permutations, settings.band_rows), len(texts)), np.uint64)
    for part in blocks(texts):
        found = shingles(texts[part], settings.shingle_words)
        upper = (found.hashes >> np.uint64(32)).astype(np.uint32)
        signed = signatures(upper, found.offsets, permutations)
        sizes[part] = np.diff(found.offsets)
        sketch[part] = sketches(signed)
        bands[:, part] = band_hashes(signed, settings.band_rows)
    return sizes, sketch, bands


def _marks(documents: pa.Table, texts: Sequence[str]) -> list[str]:
    names = ("url", "final_url", "canonical", "title")
    rows = zip(*(documents[name].to_pylist() for name in names), texts, strict=True)
    return [
        wikipedia_mark(url=url, final_url=final_url, canonical=canonical, title=title, text=text)
        for url, final_url, canonical, title, text in rows
    ]
