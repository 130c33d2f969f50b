"""Looking dead links up in Common Crawl's columnar index on disk. Writes the section `archive index`.

    python benchmarks/archive_index.py --work FOLDER [--rows 4000000] [--links 20000] [--rounds 3]

The index is made: files with the columns and the order of `cc-index-table` (by `url_surtkey`, through all files),
gzip, some 30 bytes a row. Half of the links are in it. In one interleaved run, a child process each: webtext with
all links at once, with a tenth of them 500 at a time (as archives on the network are asked), and the same question put
to DuckDB and to a pyarrow dataset. Processor seconds without the start of Python; memory is the peak of PSS.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measuring import cpu_seconds, watched
from sections import BENCHMARKS, heading, write_section

KINDS = ("webtext", "webtext, 500 at a time", "DuckDB", "pyarrow.dataset")
FILES = 4
GROUP = 500_000  # rows: some 128 MB of values, as Spark cuts them
PAGES = 40  # of a host, on average


def main() -> None:
    """Run what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the index: 30 bytes a row")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--links", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--docs", type=Path, default=BENCHMARKS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(child(flags.work, flags.child)))
        return
    size = make(flags.work, flags.rows, flags.links)
    best: dict[str, dict[str, Any]] = {}
    for number in range(flags.rounds):
        for kind in KINDS:
            if kind == KINDS[1] and number:
                continue
            found = run(flags.work, kind)
            print(number, kind, found, flush=True)
            if kind not in best or found["cpu"] < best[kind]["cpu"]:
                best[kind] = {**found, "pss": max(found["pss"], best.get(kind, found)["pss"])}
    text = "\n".join([heading() + "\n", *told(best, flags, size)]) + "\n"
    print(text)
    write_section("archive index", text, flags.docs)


def told(best: dict[str, dict[str, Any]], flags: argparse.Namespace, size: int) -> list[str]:
    """The table."""
    ours = best[KINDS[0]]
    assert len({found["captures"] for kind, found in best.items() if kind != KINDS[1]}) == 1, best
    rows = [
        f"| {kind} | {found['links']:,} | {found['cpu']:.1f} | {found['links'] / found['cpu']:,.0f} | "
        f"{found['links'] / found['cpu'] / (flags.links / ours['cpu']):.2f} | {found['pss']:,.0f} |"
        for kind, found in best.items()
    ]
    files = flags.work.rglob("*.parquet")
    return [
        f"Of {flags.links:,} links {ours['captures']:,} have a capture in an index of {flags.rows:,} rows in {FILES} "
        f"files ({size / 1e6:,.0f} MB, row groups of {GROUP:,}, {len(pq.read_schema(next(files)).names)} columns). All "
        "find the same.",
        "",
        "| | links | processor seconds | links a second | ratio | peak MB (PSS) |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "The time is that of reading the keys: it grows with the index, hardly with the links, of which webtext looks "
        f"200,000 up at once. A whole crawl of 3 billion rows is {3e9 / flags.rows * ours['cpu'] / 60:,.0f} minutes of "
        "one core, extrapolated.",
    ]


def make(folder: Path, rows: int, links: int) -> int:
    """The index and the links, where they are not there yet; bytes of the index."""
    done = folder / "links.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng(1)
        hosts = np.sort(chance.integers(0, rows // PAGES, rows))
        first = np.searchsorted(hosts, hosts, side="left")
        pages = np.arange(rows) - first  # of its host
        for number, part in enumerate(np.array_split(np.arange(rows), FILES)):
            path = folder / f"crawl=CC-MAIN-2013-20/subset=warc/part-{number:05d}.gz.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                table(hosts[part], pages[part], chance), path, row_group_size=GROUP, compression="gzip",
                compression_level=6,
                use_dictionary=["fetch_status", "content_mime_type", "warc_filename", "url_host_tld", "warc_segment"],
            )  # fmt: skip
        there = chance.choice(rows, links // 2, replace=False)
        wanted = [address(int(hosts[row]), int(pages[row])) for row in there]
        wanted += [address(int(host), 10**6) for host in chance.integers(0, rows // PAGES, links - len(wanted))]
        done.write_text(json.dumps(wanted))
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def address(host: int, page: int) -> str:
    """A page's address."""
    return f"http://www.site{host:09d}.com/articles/{page:07d}/a-title-of-some-words"


def table(hosts: np.ndarray, pages: np.ndarray, chance: np.random.Generator) -> pa.Table:
    """Rows as cc-index-table has them, sorted by key."""

    def join(*parts: object) -> pa.Array:
        return pc.binary_join_element_wise(*parts, "")

    count = len(hosts)
    host = pc.utf8_lpad(pa.array(hosts).cast(pa.string()), 9, "0")
    page = pc.utf8_lpad(pa.array(pages).cast(pa.string()), 7, "0")
    path = join("/articles/", page, "/a-title-of-some-words")
    name, domain = join("www.site", host, ".com"), join("site", host, ".com")
    none = pa.nulls(count, pa.string())
    seconds = 1_368_000_000 + chance.integers(0, 1_200_000, count)
    digest = pa.array(chance.integers(0, 2**62, count)).cast(pa.string())
    segment = pa.array(np.char.add("13687", chance.integers(10_000_000, 10_000_100, count).astype(str)))
    file = join(
        "crawl-data/CC-MAIN-2013-20/segments/", segment, "/warc/CC-MAIN-20130516-00000-ip-10-60-113-184.warc.gz"
    )
    columns = {
        "url_surtkey": join("com,site", host, ")", path), "url": join("http://", name, path), "url_host_name": name,
        "url_host_tld": pa.array(["com"] * count), "url_host_2nd_last_part": join("site", host),
        "url_host_3rd_last_part": none, "url_host_4th_last_part": none, "url_host_5th_last_part": none,
        "url_host_registry_suffix": pa.array(["com"] * count), "url_host_registered_domain": domain,
        "url_host_private_suffix": pa.array(["com"] * count), "url_host_private_domain": domain,
        "url_host_name_reversed": join("com.site", host, ".www"), "url_protocol": pa.array(["http"] * count),
        "url_port": pa.nulls(count, pa.int32()), "url_path": path, "url_query": none,
        "fetch_time": pa.array(seconds * 1_000, pa.timestamp("ms")),
        "fetch_status": pa.array([200] * count, pa.int16()),
        "fetch_redirect": none, "content_digest": digest, "content_mime_type": pa.array(["text/html"] * count),
        "content_mime_detected": pa.array(["text/html"] * count), "content_charset": none,
        "content_languages": none, "content_truncated": none, "warc_filename": file,
        "warc_record_offset": pa.array(chance.integers(0, 10**9, count), pa.int32()),
        "warc_record_length": pa.array(chance.integers(500, 50_000, count), pa.int32()), "warc_segment": segment,
    }  # fmt: skip
    return pa.table(columns)


def run(folder: Path, kind: str) -> dict[str, Any]:
    """One child, watched."""
    command = [sys.executable, __file__, "--work", str(folder), "--child", kind]
    printed, peak = watched(command)
    return {**json.loads(printed), "pss": peak}


def child(folder: Path, kind: str) -> dict[str, Any]:
    """One way of looking all links up."""
    from webtext.crawler.fetch.archives.local_index import find_captures, index_files
    from webtext.crawler.fetch.cdxj import surt

    pa.set_cpu_count(1)
    wanted = json.loads((folder / "links.json").read_text())
    files = index_files([str(folder)])
    used, begun = cpu_seconds(), time.monotonic()
    if kind.startswith("webtext"):
        wanted = wanted if kind == KINDS[0] else wanted[:: len(wanted) // 2_000]
        batch = len(wanted) if kind == KINDS[0] else 500
        found = sum(
            len(captures)
            for start in range(0, len(wanted), batch)
            for captures in find_captures(files, wanted[start : start + batch]).values()
        )
    else:
        keys = pa.array([surt(url) for url in wanted])
        names = [
            "url_surtkey", "url", "fetch_time", "fetch_status", "content_mime_type", "warc_filename",
            "warc_record_offset", "warc_record_length", "content_truncated",
        ]  # fmt: skip
        if kind == "DuckDB":
            import duckdb

            db = duckdb.connect(config={"threads": 1})
            db.register("wanted", pa.table({"url_surtkey": keys}))
            query = f"SELECT {', '.join(names)} FROM read_parquet($files) SEMI JOIN wanted USING (url_surtkey)"
            found = len(db.execute(query, {"files": [str(path) for path in files]}).fetchall())
        else:
            import pyarrow.dataset

            dataset = pyarrow.dataset.dataset([str(path) for path in files])
            field = pyarrow.dataset.field("url_surtkey")
            found = len(dataset.to_table(names, filter=field.isin(keys), use_threads=False).to_pylist())
    return {"cpu": cpu_seconds() - used, "wall": time.monotonic() - begun, "captures": found, "links": len(wanted)}


if __name__ == "__main__":
    main()
