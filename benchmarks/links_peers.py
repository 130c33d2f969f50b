"""What other ways of reading a dump cost: run by `benchmarks/links.py`, in the peers' own environment.

    python benchmarks/links_peers.py bare|orjson|polars|pyarrow DUMP

Prints the processor seconds it took (all threads), and the lines or records that it saw.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import time
from pathlib import Path

import zstandard

BLOCK = 16 << 20


def lines(path: str) -> io.BufferedReader:
    """The dump's lines, as fast as Python gives them."""
    file = Path(path).open("rb")  # noqa: SIM115 - it ends with the process
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
    return io.BufferedReader(reader, 1 << 20)


def blocks(path: str):
    """Blocks of whole lines."""
    reader, rest = lines(path), b""
    while data := reader.read(BLOCK):
        cut = data.rfind(b"\n") + 1
        yield rest + data[:cut]
        rest = data[cut:]
    if rest:
        yield rest


def bare(path: str) -> int:
    """Decompress and split."""
    number = 0
    for _ in lines(path):
        number += 1
    return number


def orjson_lines(path: str) -> int:
    """One dictionary a line, and one look into it."""
    import orjson

    number = kept = 0
    for line in lines(path):
        kept += orjson.loads(line).get("score", 0) >= 3
        number += 1
    return number


FIELDS = ("id", "url", "subreddit", "score", "created_utc", "is_self", "over_18")


def polars_blocks(path: str) -> int:
    """Seven columns of a block."""
    import polars

    kinds = dict.fromkeys(FIELDS, polars.String) | {"score": polars.Int64, "created_utc": polars.Int64}
    kinds |= {"is_self": polars.Boolean, "over_18": polars.Boolean}
    return sum(len(polars.read_ndjson(io.BytesIO(block), schema=kinds)) for block in blocks(path))


def pyarrow_blocks(path: str) -> int:
    """Seven columns of a block."""
    import pyarrow as pa
    import pyarrow.json as paj

    kinds = dict.fromkeys(FIELDS, pa.string()) | {"score": pa.int64(), "created_utc": pa.int64()}
    schema = pa.schema(list((kinds | {"is_self": pa.bool_(), "over_18": pa.bool_()}).items()))
    parse = paj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    read = paj.ReadOptions(use_threads=False, block_size=4 << 20)
    return sum(len(paj.read_json(io.BytesIO(block), read, parse)) for block in blocks(path))


WAYS = {"bare": bare, "orjson": orjson_lines, "polars": polars_blocks, "pyarrow": pyarrow_blocks}


if __name__ == "__main__":
    way, dump = sys.argv[1:]
    if way in ("orjson", "polars", "pyarrow"):
        importlib.import_module("pyarrow.json" if way == "pyarrow" else way)
    start = time.process_time()
    seen = WAYS[way](dump)
    print(json.dumps({"seconds": time.process_time() - start, "lines": seen}))
