"""How fast a dump becomes judged lines, beside other ways of reading it; and the memory of readers and of deciding.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install orjson polars pyarrow zstandard
    python benchmarks/links.py speed --peers /tmp/peers/bin/python [--megabytes 100] [--rounds 3] [--folder DIR]
    python benchmarks/links.py reader            # peak PSS of a reader whose window of 2^31 is full
    python benchmarks/links.py decide 5 20 50    # peak PSS and seconds for so many million links

Each way runs in a process of its own, round after round, so that all meet the same moods of the machine; the least
processor seconds of each count. Ours are a whole scan: decompressed, split, parsed, judged, sorted, written.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent))
from links_data import LAYOUTS, records, write_dump

HERE = Path(__file__).parent


def scan(dump: Path, outcomes: str, folder: Path) -> float:
    """Processor seconds of a scan of one dump."""
    import pyarrow as pa

    from webtext.corpus.settings import LinksSettings
    from webtext.crawler.reddit.blocks import BLOCK_BYTES
    from webtext.crawler.reddit.dumps import find_sources, pieces
    from webtext.pipelines.links_scan import _Scan, _ScanPiece

    pa.array([1])  # pyarrow imports pandas at the first list: a second, once a worker
    (source,) = find_sources([dump])
    scanner = _ScanPiece(LinksSettings(outcomes=outcomes), BLOCK_BYTES, accept_loss=False)
    start = time.process_time()
    for piece in pieces(source):
        scanner(_Scan(source, piece, folder))
    return time.process_time() - start


def speed(arguments: argparse.Namespace) -> None:
    """A table: MB of JSON a processor second, and ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments.folder or scratch)
        for layout in arguments.layouts:
            dump = folder / f"{layout}-{arguments.megabytes}.zst"
            if not dump.exists():
                write_dump(dump, layout, arguments.megabytes)
            size = json_bytes(dump)
            least: dict[str, float] = {}
            for round_number in range(arguments.rounds):
                for way in ("bare", "orjson", "polars", "pyarrow", "webtext counts", "webtext all"):
                    seconds = once(way, dump, arguments.peers, Path(scratch) / f"{layout}-{round_number}-{way}")
                    least[way] = min(seconds, least.get(way, seconds))
            print(f"\n{layout}: {size / 1e6:,.0f} MB of JSON in {dump.stat().st_size / 1e6:,.1f} MB")
            for way, seconds in least.items():
                print(
                    f"  {way:<16}{size / 1e6 / seconds:7.0f} MB/s   {least['orjson'] / seconds:5.2f} x orjson   "
                    f"{least['bare'] / seconds:5.0%} of bare",
                    flush=True,
                )


def once(way: str, dump: Path, peers: str, folder: Path) -> float:
    """Processor seconds of one way, in a process of its own."""
    if way.startswith("webtext"):
        command = [sys.executable, __file__, "scan", str(dump), way.split()[1], str(folder)]
    else:
        command = [peers, str(HERE / "links_peers.py"), way, str(dump)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return float(json.loads(done.stdout)["seconds"])


def json_bytes(dump: Path) -> int:
    import zstandard

    size = 0
    with dump.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
        while data := reader.read(1 << 20):
            size += len(data)
    return size


def reader(arguments: argparse.Namespace) -> None:
    """A scan of a dump that fills its window of 2^31 bytes."""
    import zstandard

    with tempfile.TemporaryDirectory() as scratch:
        dump = Path(scratch) / "RS.zst"
        parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=31, enable_ldm=True)
        body = bytearray()
        for record in records("2024", 1):
            body += json.dumps(record).encode() + b"\n"
            if len(body) > 30_000_000:
                break
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        with dump.open("wb") as file, compressor.stream_writer(file) as writer:
            for _ in range(2_400_000_000 // len(body)):
                writer.write(body)
        peak = measured(lambda: once("webtext counts", dump, "", Path(scratch) / "runs"), children_only=True)[0]
    print(f"reader: peak PSS {peak / 2**20:,.0f} MB, {(peak - 2**31) / 2**20:,.0f} MB over its window of 2,048 MB")


def decide(arguments: argparse.Namespace) -> None:
    """Runs of made-up lines, gathered, decided and written by two workers."""
    for millions in arguments.millions:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
            peak, seconds = measured(lambda scratch=scratch, millions=millions: decided(Path(scratch), millions))
        print(
            f"{millions:>3} million links: peak PSS {peak / 2**20:,.0f} MB, {seconds:,.0f} s on {os.cpu_count()} cores"
        )


def decided(corpus: Path, millions: int) -> None:
    """What the stage does after its scan, for lines of which a third repeat others' links."""
    from webtext.corpus.config import shaping
    from webtext.corpus.outcomes import Stage
    from webtext.corpus.schemas import LINKS
    from webtext.corpus.settings import LinksSettings
    from webtext.corpus.stages import StageRun
    from webtext.crawler.reddit.blocks import Source
    from webtext.crawler.reddit.counts import Counts
    from webtext.pipelines.engine import Engine
    from webtext.pipelines.links import RULES
    from webtext.pipelines.links_decide import cut_by_rows, decide
    from webtext.pipelines.links_gather import gather_lines
    from webtext.pipelines.links_scan import Run, Scanned

    settings, engine = LinksSettings(outcomes="counts"), Engine(os.cpu_count() or 1, corpus)
    run = StageRun.begin(corpus, Stage.LINKS, settings=shaping(settings), rules=RULES, inputs={"sources": []})
    scanned = []
    for number in range(max(1, millions // 5)):
        runs = [Run(path, 0) for path in made_runs(corpus / f"runs-{number}", min(millions, 5) * 5, seed=number)]
        source = Source(corpus, f"{number:064x}", 0, 0)
        scanned.append(Scanned(source, Counts(), tuple(runs), len(runs) * 200_000))
    lines = [file for files in gather_lines(run, scanned, settings, engine=engine) for _, file in sorted(files.items())]
    found = decide(run, lines, settings, outcomes=False, engine=engine)
    links = cut_by_rows(
        engine, run, "links: write", found.links, LINKS, pattern="links/part-{:05d}.parquet", rows=1_000_000
    )
    print(f"  {links.rows:,} links, {dict(found.counts)}", file=sys.stderr)


def made_runs(folder: Path, number: int, *, seed: int) -> list[Path]:
    """Runs of 200,000 lines."""
    import pyarrow as pa
    import xxhash

    from webtext.crawler.reddit.lines import SCHEMA, sorted_by_key
    from webtext.pipelines.key_files import write_run

    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    paths = []
    for place in range(number):
        pages = chance.integers(0, 60_000_000, 200_000)
        urls = [
            f"http://www.site{page % 50_021}.example/{page:x}/some-words-of-a-title-{page % 977}.html" for page in pages
        ]
        rows = len(urls)
        table = pa.table(
            [
                pa.array([xxhash.xxh3_64_intdigest(url.encode()) for url in urls], pa.uint64()), pa.array(urls),
                pa.repeat("", rows), pa.repeat("", rows), pa.array([f"{n:x}" for n in chance.integers(0, 2**40, rows)]),
                pa.array([f"subreddit{n}" for n in chance.integers(0, 5_000, rows)]),
                pa.array(chance.geometric(0.3, rows)), pa.array(chance.integers(1_100_000_000, 1_700_000_000, rows)),
            ],
            schema=SCHEMA,
        )  # fmt: skip
        paths.append(folder / f"{place:06d}.arrow")
        write_run(paths[-1], sorted_by_key(table))
    return paths


def measured(work: Callable[[], object], *, children_only: bool = False) -> tuple[int, float]:
    """The peak PSS (bytes) over this process and all below it while `work` runs, and the seconds it took."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.5):
            total = 0
            below = psutil.Process().children(recursive=True)
            for process in below if children_only else [psutil.Process(), *below]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.monotonic()
    work()
    done.set()
    watcher.join()
    return peak, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("speed")
    part.add_argument("--peers", required=True)
    part.add_argument("--megabytes", type=int, default=100)
    part.add_argument("--rounds", type=int, default=3)
    part.add_argument("--folder")
    part.add_argument("--layouts", nargs="+", default=list(LAYOUTS))
    part.set_defaults(run=speed)
    parts.add_parser("reader").set_defaults(run=reader)
    part = parts.add_parser("decide")
    part.add_argument("millions", nargs="+", type=int)
    part.add_argument("--folder")
    part.set_defaults(run=decide)
    part = parts.add_parser("scan")
    part.add_argument("dump", type=Path)
    part.add_argument("outcomes")
    part.add_argument("work", type=Path)
    part.set_defaults(run=lambda given: print(json.dumps({"seconds": scan(given.dump, given.outcomes, given.work)})))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
