"""Overlap beside nothing but reading and splitting the same text. Writes the section `overlap` of docs/benchmarks.md.

    python benchmarks/overlap.py --work FOLDER [--documents 60000] [--rounds 3]

In one interleaved run, a child process each: reading the text of Parquet files; the same and splitting it with Python
at white space (`str.lower().split()`), into the words that the paper counts (a regular expression), and with numpy (as
all of webtext does); and `webtext overlap` with test sets of a thousand, a hundred thousand and a million 8-grams. What
overlap takes without any document (hashing the sets) is told apart: it does not grow with the corpus. Processor
seconds, without the start of Python; memory is the peak of PSS.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from dedup_corpus import Planted, store
from generated_text import Writer
from measuring import cpu_seconds, watched
from sections import BENCHMARKS, heading, write_section

SPLIT = "read, letters and digits by re"
KINDS = (
    "read", "read, str.lower().split()", SPLIT, "read, words by numpy", "overlap, 10^3", "overlap, 10^5",
    "overlap, 10^6",
)  # fmt: skip


def main() -> None:
    """Run what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the corpus: 2 kB a document")
    parser.add_argument("--documents", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--docs", type=Path, default=BENCHMARKS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(child(flags.work, flags.child)))
        return
    size = make(flags.work, flags.documents)
    best: dict[str, dict[str, Any]] = {}
    for _ in range(flags.rounds):
        for kind in KINDS:
            found = run(flags.work, kind)
            if kind not in best or found["cpu"] < best[kind]["cpu"]:
                best[kind] = {**found, "pss": max(found["pss"], best.get(kind, found)["pss"])}
    text = "\n".join([heading() + "\n", *told(best, flags.documents, size)]) + "\n"
    print(text)
    write_section("overlap", text, flags.docs)


def told(best: dict[str, dict[str, Any]], documents: int, size: int) -> list[str]:
    """The table."""
    base, bare = best[SPLIT]["cpu"], best["read, str.lower().split()"]["cpu"]
    lines = [
        f"{documents:,} documents, {size / 1e6:,.0f} MB of text, one process; best of the rounds.",
        "",
        "| | CPU seconds | sets alone | MB a second | of reading and splitting | of split() | 40 GB, one core | PSS |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, found in best.items():
        minutes = (40e9 / size * found["cpu"] + found.get("fixed", 0)) / 60
        alone = f"{found['fixed']:.2f}" if "fixed" in found else ""
        lines.append(
            f"| {kind} | {found['cpu']:.2f} | {alone} | {size / 1e6 / found['cpu']:.0f} | {found['cpu'] / base:.2f} "
            f"| {found['cpu'] / bare:.2f} | {minutes:.0f} min | {found['pss']:.0f} MB |"
        )
    lines += [
        "",
        "The minutes are extrapolated from these rates. One n-gram in twenty is found, as planted; of a corpus where "
        "fewer are, overlap takes less.",
    ]
    return lines


def make(work: Path, documents: int) -> int:
    """The corpus and the test sets, made where they are not there yet; gives the bytes of text."""
    marker = work / f"made-{documents}.json"
    if not marker.exists():
        shutil.rmtree(work, ignore_errors=True)
        writer = Writer(1)
        made = Planted([writer.text(680) for _ in range(documents)], list(range(documents)))
        store(made, work, 2)
        for power in (3, 5, 6):
            other, lines, left = Writer(power), [], 10**power
            while left > 0:
                # Every twentieth example is a piece of the corpus: 5 % of the n-grams are found.
                number = len(lines)
                words = made.texts[number].split()[:107] if number % 20 == 0 else other.words(107)
                lines.append(" ".join(words))
                left -= 100
            (work / f"set-{power}.txt").write_text("\n".join(lines) + "\n")
        marker.write_text(json.dumps(sum(len(text.encode()) for text in made.texts)))
    return int(json.loads(marker.read_text()))


def run(work: Path, kind: str) -> dict[str, Any]:
    """One measure in a child process, its memory watched."""
    command = [sys.executable, __file__, "--work", str(work), "--child", kind]
    printed, peak = watched(command)
    found = {**json.loads(printed), "pss": peak}
    print(kind, found, file=sys.stderr, flush=True)
    return found


def child(work: Path, kind: str) -> dict[str, Any]:
    """In the child."""
    from webtext.corpus.testsets.sets import read_set
    from webtext.dedup.shingles import words_of
    from webtext.dedup.utf8 import Texts, fold
    from webtext.pipelines.engine import Engine
    from webtext.pipelines.overlap import measure_overlap
    from webtext.pipelines.pieces import cut

    documents = sorted((work / "documents").glob("*.parquet"))
    if kind.startswith("overlap"):
        found = read_set(work / f"set-{kind[-1]}.txt")
        measure_overlap(work / "work", documents[:0], [found], words=8, frequent=10, engine=Engine(1))  # imports
        begun = cpu_seconds()
        measure_overlap(work / "work", documents[:0], [found], words=8, frequent=10, engine=Engine(1))
        fixed = cpu_seconds() - begun
        begun = cpu_seconds()
        _, (told,) = measure_overlap(work / "work", documents, [found], words=8, frequent=10, engine=Engine(1))
        used = cpu_seconds() - begun - fixed
        planted = -(-told.examples_total // 20) / told.examples_total
        assert abs(told.share / 100 - planted) < 0.001, told.share
        return {"cpu": used, "fixed": fixed, "share": told.share}
    pattern = re.compile(r"[^\W_]+")
    begun = cpu_seconds()
    count = 0
    for piece in cut(documents):
        for batch in piece.batches(["text"]):
            if kind == "read":
                count += batch["text"].nbytes
            elif kind == SPLIT:
                count += sum(len(pattern.findall(text.lower())) for text in batch["text"].to_pylist())
            elif "split" in kind:
                count += sum(len(text.lower().split()) for text in batch["text"].to_pylist())
            else:
                texts = Texts.of(batch["text"])
                count += sum(len(words_of(fold(texts[part])).hashes) for part in texts.blocks())
    return {"cpu": cpu_seconds() - begun, "count": count}


if __name__ == "__main__":
    main()
