"""The peers of the benchmark of dedup, run by their own Python: `python dedup_peers.py PEER DOCUMENTS OUT`.

Each does the whole way: read the Parquet files, sign, match, write the documents that stay. Prints one line of JSON:
seconds, processor seconds, and the keys that stay. Parameters are each project's own for a threshold of .7, where it
has one; word 5-grams.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def read(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("*.parquet")))


def grams(text: str) -> set[bytes]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + 5]).encode() for at in range(len(words) - 4)}


def datasketch(folder: Path, out: Path) -> list[int]:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    table = read(folder)
    index = MinHashLSH(threshold=0.7, num_perm=128)
    texts = table["text"].to_pylist()
    kept = []
    for start in range(0, len(texts), 1_000):
        sets = [list(grams(text)) for text in texts[start : start + 1_000]]
        for number, sketch in enumerate(MinHash.bulk(sets, num_perm=128, hashfunc=xxhash.xxh32_intdigest), start):
            if not index.query(sketch):
                index.insert(number, sketch)
                kept.append(number)
    return write(table, kept, out)


def rensa(folder: Path, out: Path) -> list[int]:
    """Its bulk calls; 32 bands of 4 (they must divide 128) find what webtext finds, its own sketch verifies."""
    from rensa import RMinHash, RMinHashLSH

    table = read(folder)
    sets = []
    for text in table["text"].to_pylist():
        words = re.findall(r"\w+", text.lower())
        sets.append([" ".join(words[at : at + 5]) for at in range(len(words) - 4)])
    matrix = RMinHash.digest_matrix_from_token_sets(sets, 128, 1)
    index = RMinHashLSH(0.7, 128, 32)
    flags = RMinHashLSH(0.7, 128, 32).query_duplicate_flags_matrix_one_shot(matrix)
    kept, sketches = [], {}
    for number, flagged in enumerate(flags):
        if flagged:
            sketch = RMinHash.from_token_sets([sets[number]], 128, 1)[0]
            if any(sketch.jaccard(sketches[other]) >= 0.7 for other in index.query(sketch)):
                continue
            index.insert(number, sketch)
            sketches[number] = sketch
        kept.append(number)
    return write(table, kept, out)


def text_dedup(folder: Path, out: Path) -> list[int]:
    from text_dedup.minhash import main

    arguments = [
        "--path", "parquet", "--data_files", str(folder / "*.parquet"), "--split", "train", "--column", "text",
        "--output", str(out / "kept"), "--threshold", "0.7", "--num_perm", "128", "--ngram", "5", "--num_proc", "1",
        "--hash_func", "xxh3", "--hash_bits", "32", "--cache_dir", str(out / "cache"),
    ]  # fmt: skip
    main(arguments, standalone_mode=False)
    import datasets

    found: list[int] = datasets.load_from_disk(str(out / "kept"))["key"]
    return list(found)


def datatrove(folder: Path, out: Path, *, whitespace: bool = False) -> list[int]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.typeshelper import Languages

    config = MinhashConfig()
    language: Any = Languages.english
    if whitespace:
        from datatrove.utils.word_tokenizers import WhitespaceTokenizer

        language = WhitespaceTokenizer()
    reader = ParquetReader(str(folder), text_key="text", id_key="record_id", read_metadata=False)
    work = str(out / "work")
    stages: list[list[Any]] = [
        [reader, MinhashDedupSignature(f"{work}/signatures", config=config, language=language)],
        [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)],
        [MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)],
        [reader, MinhashDedupFilter(f"{work}/remove"), ParquetWriter(str(out / "kept"))],
    ]
    for stage, tasks in zip(stages, (1, config.num_buckets, 1, 1), strict=True):
        logs = tempfile.mkdtemp(prefix="logs-", dir=out)  # by default it logs into the current folder
        LocalPipelineExecutor(pipeline=stage, tasks=tasks, workers=1, logging_dir=logs).run()
    return [int(each, 16) for each in read(out / "kept")["id"].to_pylist()]


def write(table: pa.Table, kept: list[int], out: Path) -> list[int]:
    stays = table.take(kept)
    pq.write_table(stays, out / "kept.parquet", compression="zstd", compression_level=3)
    found: list[int] = stays["key"].to_pylist()
    return found


PEERS: dict[str, Callable[[Path, Path], list[int]]] = {
    "datasketch": datasketch,
    "rensa": rensa,
    "text-dedup": text_dedup,
    "datatrove": datatrove,
    "datatrove-whitespace": lambda folder, out: datatrove(folder, out, whitespace=True),
}


def main() -> None:
    peer, folder, answer = sys.argv[1:]
    with tempfile.TemporaryDirectory() as out:
        begun = time.monotonic()
        kept = PEERS[peer](Path(folder), Path(out))
        seconds = time.monotonic() - begun
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in usage)
    Path(answer).write_text(json.dumps({"seconds": seconds, "cpu": cpu, "kept": [int(key) for key in kept]}))


if __name__ == "__main__":
    main()
