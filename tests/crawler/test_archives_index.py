"""Common Crawl's columnar index and WARC files on this machine: what is found in them, and what is read for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_archives import Visit, warc_record

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.settings import ArchivesSettings
from webtext.crawler.fetch.archives import local_index
from webtext.crawler.fetch.archives.asking import CommonCrawl
from webtext.crawler.fetch.archives.captures import Place, nearest, parse_timestamp
from webtext.crawler.fetch.archives.ends import DeadLink
from webtext.crawler.fetch.archives.pace import Pace
from webtext.crawler.fetch.cdxj import surt
from webtext.crawler.fetch.records import StoredResponse

POSTED = datetime(2013, 5, 1, tzinfo=UTC)
FILE = "crawl-data/CC-MAIN-2013-20/segments/1/warc/one.warc.gz"


def write_index(folder: Path, visits: list[Visit], *, rows: int = 2) -> tuple[Path, Path]:
    """A cc-index file (in row groups of two) and a WARC folder."""
    data, places = b"", []
    for visit in visits:
        record = warc_record(visit)
        places.append((len(data), len(record)))
        data += record
    warc = folder / "warcs" / FILE
    warc.parent.mkdir(parents=True)
    warc.write_bytes(data)
    entries = sorted(
        (
            surt(visit.url),
            visit.url,
            parse_timestamp(visit.when).replace(tzinfo=None),
            visit.status,
            visit.mime,
            FILE,
            *place,
        )
        for visit, place in zip(visits, places, strict=True)
    )
    names = ["url_surtkey", "url", "fetch_time", "fetch_status", "content_mime_type", "warc_filename"]
    columns = [list(column) for column in zip(*entries, strict=True)]
    table = pa.table(dict(zip([*names, "warc_record_offset", "warc_record_length"], columns, strict=True)))
    schema = table.schema
    schema = schema.set(2, pa.field("fetch_time", pa.timestamp("ms"))).set(3, pa.field("fetch_status", pa.int16()))
    path = folder / "index/crawl=CC-MAIN-2013-20/subset=warc/part-00000.gz.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table.cast(schema), path, row_group_size=rows)
    return path, warc


def test_captures_out_of_the_columnar_index(tmp_path: Path) -> None:
    visits = [Visit(f"https://www.site{n}.example/page", f"2013051{n}000000", b"<p>%d" % n) for n in range(9)]
    write_index(tmp_path, [*visits, Visit("http://site3.example/page", "20200101000000", b"<p>late")])
    files = local_index.index_files([str(tmp_path / "index")])
    wanted = ["http://site3.example/page", "http://site8.example/page", "http://none.example/", "http://zzz.example/"]
    found = local_index.find_captures(files, wanted)
    assert {url: sorted(f"{one.when:%Y%m%d}" for one in captures) for url, captures in found.items()} == {
        wanted[0]: ["20130513", "20200101"], wanted[1]: ["20130518"],
    }  # fmt: skip

    async def ask(url: str, headers: Mapping[str, str]) -> StoredResponse:
        raise AssertionError(f"a server was asked: {url}")

    async def sleep(seconds: float) -> None:
        raise AssertionError("waited")

    settings = ArchivesSettings(
        commoncrawl_index=(str(tmp_path / "index"),), commoncrawl_warcs=str(tmp_path / "warcs")
    )  # fmt: skip
    archive = CommonCrawl(settings, ask, Pace(0.0, 1, lambda: 0.0), sleep)

    async def walk() -> dict[str, bytes]:
        bodies = {}
        async for link, captures in archive.look_up([DeadLink(n, url, POSTED, True) for n, url in enumerate(wanted)]):
            best = nearest(captures or [], POSTED)
            if best is not None:
                copy = await archive.fetch(best)
                assert copy is not None
                bodies[link.url] = copy.stored.body
        return bodies

    assert asyncio.run(walk()) == {wanted[0]: b"<p>3", wanted[1]: b"<p>8"}


def test_only_row_groups_that_can_hold_an_address_are_read(tmp_path: Path) -> None:
    visits = [Visit(f"http://site{n:02}.example/", "20130510000000") for n in range(40)]
    path, _ = write_index(tmp_path, visits, rows=4)
    with pq.ParquetFile(path) as file:
        keys = sorted(surt(visit.url) for visit in visits)
        wanted = [keys[13], "example,site99)/"]
        groups = [local_index._within(file.metadata.row_group(n), wanted) for n in range(file.num_row_groups)]
    assert [n for n, found in enumerate(groups) if found] == [3]


def test_an_index_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="holds no index"):
        local_index.index_files([str(tmp_path)])
    wrong = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": ["x"]}), wrong)
    with pytest.raises(DamagedFile, match="no column url_surtkey"):
        local_index.find_captures([wrong], ["http://a.example/"])
    wrong.write_bytes(b"PAR1 and nothing")
    with pytest.raises(DamagedFile, match="no whole Parquet"):
        local_index.find_captures([wrong], ["http://a.example/"])


def test_a_file_name_in_an_index_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "warcs"
    folder.mkdir()
    assert local_index.read_local(str(folder), Place("../secret", 0, 6)) is None
    assert local_index.read_local(str(folder), Place("/etc/hostname", 0, 1)) is None
    assert local_index.read_local("", Place("a", 0, 1)) is None
    (folder / "a.warc.gz").write_bytes(b"12345")
    assert local_index.read_local(str(folder), Place("crawl-data/x/a.warc.gz", 1, 3)) == b"234"
    with pytest.raises(DamagedFile, match="ends before byte 9"):
        local_index.read_local(str(folder), Place("a.warc.gz", 1, 8))


@settings(max_examples=20, deadline=None)
@given(
    hosts=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    wanted=st.lists(st.integers(0, 40), min_size=1, max_size=20, unique=True),
    rows=st.integers(1, 20),
    held=st.integers(1, 20),
)
def test_as_many_captures_are_found_as_the_index_has(
    tmp_path_factory: pytest.TempPathFactory, hosts: list[int], wanted: list[int], rows: int, held: int
) -> None:
    """Whatever the row groups, and however much of them is held at once."""
    folder = tmp_path_factory.mktemp("index")
    path, _ = write_index(folder, [Visit(f"http://site{n}.example/", "20130510000000") for n in hosts], rows=rows)
    urls = [f"http://www.site{n}.example/" for n in wanted]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_index, "_ROWS", held)
        found = local_index.find_captures([path], urls)
    assert {url: len(captures) for url, captures in found.items()} == {
        url: hosts.count(n) for n, url in zip(wanted, urls, strict=True) if n in hosts
    }
