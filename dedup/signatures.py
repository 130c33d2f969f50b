"""What dedup knows of a document without its text: order, exact hash, sketch. One row a document.

A signature table is all that matching needs; texts are read again only for documents that share a bucket.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webtext.corpus.errors import UsageError
from webtext.corpus.settings import DedupSettings
from webtext.dedup.exact import digests, sites
from webtext.dedup.minhash import Permutations, signatures
from webtext.dedup.parts import column, matrix
from webtext.dedup.shingles import shingles
from webtext.dedup.utf8 import Texts
from webtext.dedup.verify import sketches
from webtext.dedup.wikipedia import possible_marks, wikipedia_mark

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


Known = Callable[
    [NDArray[np.uint64], NDArray[np.uint64]], tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.uint8]]
]
"""Looks up signatures by key and exact hash (`index.known_signatures`)."""


def sign(
    documents: pa.Table, settings: DedupSettings, permutations: Permutations, known: Known | None = None
) -> pa.Table:
    """The signatures of documents.

    Args:
        documents: at least `COLUMNS`, as `webtext.corpus.schemas.DOCUMENTS` has them.
        permutations: `Permutations.of` the settings; made once, as datasketch takes 0.4 s and 40 MB to import.
        known: gives those that need not be made again.

    Returns:
        One row a document, in the same order: key, url, karma, length (characters), posted (`schemas.TIME` as a
        number, `NEVER` where null), site (uint64), exact (2 uint64), wikipedia (the mark, or empty), shingles (how
        many, repeats included), sketch (uint8, one a permutation).
    """
    texts = Texts.of(documents["text"])
    exact = digests(texts)
    if known is None:
        sizes, sketch = _signed(texts, settings.shingle_words, permutations)
    else:
        found, sizes, sketch = known(column(documents, "key"), exact)
        new = np.flatnonzero(~found)
        sizes[new], sketch[new] = _signed(
            Texts.of(documents["text"].take(pa.array(new))), settings.shingle_words, permutations
        )
    return pa.table(
        {
            "key": documents["key"],
            "url": documents["url"],
            "karma": documents["karma"],
            "length": pc.utf8_length(documents["text"]).cast(pa.int64()),
            "posted": pc.fill_null(documents["first_posted"].cast(pa.int64()), NEVER),
            "site": sites(documents["domain"].to_pylist()),
            "exact": matrix(exact),
            "wikipedia": pa.array(_marks(documents) if settings.wikipedia else [""] * len(texts), pa.string()),
            "shingles": sizes,
            "sketch": matrix(sketch),
        }
    )


def _signed(texts: Texts, size: int, permutations: Permutations) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Shingles a document, and sketches."""
    sizes = np.zeros(len(texts), np.int32)
    sketch = np.empty((len(texts), len(permutations.a)), np.uint8)
    for part in texts.blocks():
        found = shingles(texts[part], size)
        upper = (found.hashes >> np.uint64(32)).astype(np.uint32)
        sizes[part] = np.diff(found.offsets)
        sketch[part] = sketches(signatures(upper, found.offsets, permutations))
    return sizes, sketch


def _marks(documents: pa.Table) -> list[str]:
    marks = [""] * len(documents)
    rows = np.flatnonzero(possible_marks(documents))
    few = documents.select(["url", "final_url", "canonical", "title", "text"]).take(pa.array(rows)).to_pylist()
    for row, document in zip(rows.tolist(), few, strict=True):
        marks[row] = wikipedia_mark(**document)
    return marks
