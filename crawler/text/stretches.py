"""The plan as files: stretches of consecutive pages (by key), of which one is in memory at a time.

What a page takes from its link and where its bytes lie is half a kilobyte, and a corpus has millions of pages. In
memory of all of them stand numbers only, and of those alone that several links lead to their addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_parquet, write_parquet, write_stream
from webtext.corpus.key_ranges import SortedFiles
from webtext.corpus.schemas import LINKS
from webtext.crawler.text.plan import LINK_COLUMNS, PLAN, join_known, refuse_unknown

STRETCH_ROWS = 16_384


def write_stretches(folder: Path, pages: Iterable[pa.Table], links: Sequence[Path]) -> list[Path]:
    """Join pages with their links and write the plan (schema `PLAN`), a file a table of pages.

    Args:
        pages: tables of `ledger_content.PAGES`, by key within and across them.
        links: the files of links/, sorted by key.

    Raises:
        DamagedFile: a file of links/.
        WebtextError: pages/ holds pages of links that links/ does not have.
    """
    known = SortedFiles(links, LINKS)
    unknown = 0
    paths: list[Path] = []
    for table in pages:
        keys = table["key"]
        there = known.read(keys[0].as_py(), keys[-1].as_py(), LINK_COLUMNS)
        plan, missing = join_known(table, there)
        unknown += missing
        paths.append(folder / f"pages-{len(paths):05d}.parquet")
        if not unknown:
            write_parquet(paths[-1], plan, PLAN)
    refuse_unknown(unknown)
    return paths


def read_stretches(paths: Iterable[Path], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The stretches, one after the other."""
    for path in paths:
        yield read_parquet(path, PLAN, columns)


def refuse_lost(run_work: Path, fresh: Sequence[Path]) -> None:
    """Refuse to extract pages whose bodies were deleted (`crawl.keep_pages = until-extracted`); their addresses are
    listed in a file.

    Raises:
        WebtextError: there are such pages among the stretches `fresh`.
    """
    listed = run_work / "gone-pages.txt"
    count, first = 0, ""

    def write(file: BinaryIO) -> None:
        nonlocal count, first
        for rows in read_stretches(fresh, ["url", "length"]):
            urls = rows.filter(pc.equal(rows["length"], 0))["url"].to_pylist()
            first = first or next(iter(urls), "")
            count += len(urls)
            file.write("".join(f"{url}\n" for url in urls).encode())

    write_stream(listed, write)
    if not count:
        return
    raise WebtextError(
        f"the bodies of {count:,} pages that are to be extracted were deleted once documents were made of them "
        f"(crawl.keep_pages = until-extracted), among them {first}",
        where=listed,
        hint="leave documents/ as it is (webtext extract CORPUS without --redo, under the settings of before), or set "
        'crawl.keep_pages = "all" and fetch all pages again: webtext crawl CORPUS --refetch',
    )
