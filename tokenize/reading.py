"""The documents of a row group, a few megabytes of text at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from webtext.corpus.files import open_parquet
from webtext.corpus.schemas import DOCUMENTS

TEXT_BYTES = 4_000_000
"""Of text at once, about: 1,024 pages, or eight books. A call of the fast engine costs what 0.1 MB does."""
MOST_ROWS = 1_024
_READ_BYTES = 1_000_000  # of a column, at once: all of a row group's text would be 10 MB
TEXT = DOCUMENTS.names.index("text")  # its column in a file: those before it hold one leaf each


def text_batches(path: Path, group: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of some columns of a row group, in its order, checked.

    Raises:
        DamagedFile: no file of documents; or a flipped byte has left text that is no UTF-8.
    """
    with open_parquet(path, DOCUMENTS, buffer_size=_READ_BYTES) as file:
        about = file.metadata.row_group(group)
        rows = TEXT_BYTES * about.num_rows // max(1, about.column(TEXT).total_uncompressed_size)
        rows = max(1, min(MOST_ROWS, rows))
        for batch in file.iter_batches(rows, [group], list(columns), use_threads=False):
            batch.validate(full=True)
            yield batch
