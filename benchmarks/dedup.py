"""Dedup against its peers: quality, speed, memory, growth. Writes the section `dedup` of docs/benchmarks.md.

    python -m venv PEERS && PEERS/bin/pip install datasketch==2.0.0 rensa==0.5.0 text-dedup==0.4.0 datatrove==0.10.1 \\
        spacy tokenizers 'xxhash<4' pyarrow==25.0.1
    python benchmarks/dedup.py --peers PEERS/bin/python --work FOLDER [--counts 100000,400000,1600000] [--templates N]

Everything runs in child processes, taking turns; times are wall clock and processor seconds of the whole way (read,
sign, match, verify, rewrite), without the start of Python. Memory is the peak of PSS over the process tree, looked at
four times a second. The peers have 10,000 documents; their figures for more are extrapolated and say so.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from dedup_corpus import Planted, jaccard, plain, sentences, store, templates
from measuring import cpu_seconds, watched
from sections import BENCHMARKS, heading, write_section

PEER_DOCUMENTS = 10_000
THRESHOLD = 0.7


def main() -> None:
    """Run what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    parser.add_argument("--work", type=Path, required=True, help="a folder for corpora: 2 kB a document, twice")
    parser.add_argument("--counts", default="100000", help="documents of the plain corpora; the first is also checked")
    parser.add_argument("--templates", type=int, default=0, help="template-heavy pages")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", nargs=3, metavar=("FOLDER", "WORKERS", "GENERATION"), help=argparse.SUPPRESS)
    parser.add_argument("--docs", type=Path, default=BENCHMARKS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(child(Path(flags.child[0]), int(flags.child[1]), flags.child[2])))
        return
    counts = [int(count) for count in flags.counts.split(",") if count]
    lines = [heading() + "\n"]
    lines += speed(flags.work, counts, flags.rounds, flags.peers)
    if flags.templates:
        corpus = make(flags.work, "templates", flags.templates)
        result = run(corpus, 1)
        lines += ["", f"**{flags.templates:,} template-heavy pages of 2 kB:** {said(result)}; {quality(corpus)}"]
    text = "\n".join(lines) + "\n"
    print(text)
    write_section("dedup", text, flags.docs)


def speed(work: Path, counts: list[int], rounds: int, peers: Path | None) -> list[str]:
    """Times of webtext and its peers, taking turns."""
    lines = [
        "| | documents | seconds | documents/s | CPU us a document | peak PSS | found |",
        "|---|---|---|---|---|---|---|",
    ]
    small = make(work, "plain", PEER_DOCUMENTS) if peers else None
    names = ("datasketch", "rensa", "text-dedup", "datatrove-whitespace", "datatrove")
    best: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for count in counts:
            corpus = make(work, "plain", count)
            for workers in (1, 2):
                keep(best, f"webtext, {workers} process{'es' if workers > 1 else ''}|{count}", run(corpus, workers))
        if number == 0 and counts:
            growth_line = growth(make(work, "plain", counts[0]))
            checked = quality(make(work, "plain", counts[0]))
        if small is not None and (number == 0 or rounds > 1):
            keep(best, f"webtext, 1 process|{PEER_DOCUMENTS}", run(small, 1))
            for name in names if number == 0 else names[:2]:
                keep(best, f"{name}|{PEER_DOCUMENTS}", peer(peers, name, small))
    base = {count: best[f"webtext, 1 process|{count}"] for count in [*counts, *([PEER_DOCUMENTS] if small else [])]}
    for label, result in best.items():
        name, count = label.split("|")
        found = result.get("found", "")
        lines.append(
            f"| {name} | {int(count):,} | {result['seconds']:.1f} | {int(count) / result['seconds']:,.0f} "
            f"| {result['cpu'] / int(count) * 1e6:.0f} | {result.get('pss', 0):.0f} MB | {found} |"
        )
    if counts:
        lines += ["", f"{counts[0]:,} documents, a fifth of them copies at .5 to .98: {checked}. {growth_line}"]
    if small is not None and counts:
        ours = base[counts[0]]["cpu"] / counts[0]
        ratios = (f"{name} {best[f'{name}|{PEER_DOCUMENTS}']['cpu'] / PEER_DOCUMENTS / ours:.1f}" for name in names)
        lines.append(
            f"Processor time a document, peers on {PEER_DOCUMENTS:,} documents (so, in proportion, extrapolated) over "
            f"webtext on {counts[0]:,}: {', '.join(ratios)}."
        )
    return lines


def keep(best: dict[str, dict[str, Any]], label: str, result: dict[str, Any]) -> None:
    """The faster of the rounds, by wall clock; processor time and memory of the same round."""
    if label not in best or result["seconds"] < best[label]["seconds"]:
        best[label] = result
    print(label, {name: value for name, value in result.items() if name != "kept"}, file=sys.stderr, flush=True)


def make(work: Path, kind: str, count: int) -> Path:
    """The corpus of this kind and size, made where it is not there yet."""
    folder = work / f"{kind}-{count}"
    if not (folder / "truth.json").exists():
        made: Planted = {"plain": plain, "templates": templates}[kind](sentences(), count, 1)
        keys = store(made, folder, 2)
        (folder / "truth.json").write_text(json.dumps({"keys": keys, "pairs": made.pairs}))
    return folder


def run(corpus: Path, workers: int, generation: str = "all") -> dict[str, Any]:
    """Make clean/ in a child process, and watch its memory."""
    command = [sys.executable, __file__, "--work", str(corpus), "--child", str(corpus), str(workers), generation]
    printed, peak = watched(command, quiet=True, every=0.25)
    return {**json.loads(printed), "pss": peak}


def child(folder: Path, workers: int, generation: str) -> dict[str, Any]:
    """In the child: make clean/ of all of documents/, or of what `generation` names."""
    from webtext.corpus.config import shaping
    from webtext.corpus.outcomes import Stage
    from webtext.corpus.settings import DedupSettings
    from webtext.corpus.stages import StageRun
    from webtext.dedup.rules import RULES
    from webtext.pipelines.dedup import make_clean
    from webtext.pipelines.engine import Engine

    if generation != "grown":
        for name in ("clean", "work", "outcomes"):
            shutil.rmtree(folder / name, ignore_errors=True)
    documents = sorted((folder / ("older" if generation == "older" else "documents")).glob("*.parquet"))
    settings = DedupSettings()
    inputs = {"documents": generation}
    begun, used = time.monotonic(), cpu_seconds()
    stage = StageRun.begin(folder, Stage.CLEAN, settings=shaping(settings), rules=RULES, inputs=inputs)
    manifest = make_clean(stage, folder, documents, settings, engine=Engine(workers), accept_loss=True)
    files = {name: value for name, value in manifest.files.items() if not name.endswith("stage.json")}
    return {"seconds": time.monotonic() - begun, "cpu": cpu_seconds() - used, "rows": manifest.rows_out, "files": files}


def quality(corpus: Path) -> str:
    """Recall of the planted pairs, and the exact similarity of every removed document with its keeper."""
    truth = json.loads((corpus / "truth.json").read_text())
    texts = read_texts(corpus)
    removed = pq.read_table(corpus / "clean/duplicates.parquet")
    gone = set(removed["removed"].to_pylist())
    keys = truth["keys"]
    hits: dict[str, list[bool]] = {"J >= .8": [], "J >= .7": [], "J < .7": []}
    pairs = truth["pairs"] if len(truth["pairs"]) <= 25_000 else random.Random(1).sample(truth["pairs"], 25_000)
    for copy, original, _ in pairs:
        one, other = keys[copy], keys[original]
        similarity = jaccard(texts[one], texts[other])
        hit = one in gone or other in gone
        for name, holds in (
            ("J >= .8", similarity >= 0.8),
            ("J >= .7", similarity >= 0.7),
            ("J < .7", similarity < 0.7),
        ):
            if holds:
                hits[name].append(hit)
    rows = list(zip(*(removed[name].to_pylist() for name in ("removed", "keeper", "jaccard")), strict=True))
    rows = rows if len(rows) <= 25_000 else random.Random(2).sample(rows, 25_000)
    exact = [(jaccard(texts[one], texts[keeper]), said) for one, keeper, said in rows]
    below = sum(similarity < THRESHOLD for similarity, _ in exact)
    wrong = sum(abs(similarity - said) > 1e-9 for similarity, said in exact)
    recall = ", ".join(
        f"{sum(hits[name]) / len(hits[name]):.4f} of {len(hits[name]):,} pairs at {name}" for name in hits
    )
    return (
        f"no longer both there {recall}; of {len(rows):,} removals checked {below} below .7, "
        f"{wrong} with another similarity than stated"
    )


def read_texts(corpus: Path) -> dict[int, str]:
    """All texts by key."""
    found: dict[int, str] = {}
    for path in sorted((corpus / "documents").glob("*.parquet")):
        table = pq.read_table(path, columns=["key", "text"])
        found.update(zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True))
    return found


def growth(corpus: Path) -> str:
    """All at once, against nine tenths first and the rest later."""
    from webtext.corpus.files import write_parquet
    from webtext.corpus.schemas import DOCUMENTS

    at_once = run(corpus, 1)
    for path in sorted((corpus / "documents").glob("*.parquet")):
        table = pq.read_table(path)
        keep_rows = [key % 10 != 0 for key in table["key"].to_pylist()]
        write_parquet(corpus / "older" / path.name, table.filter(keep_rows), DOCUMENTS)
    run(corpus, 1, "older")
    grown = run(corpus, 1, "grown")
    same = "the same bytes" if grown["files"] == at_once["files"] else "OTHER BYTES"
    return f"A tenth added later: {grown['cpu']:.1f} processor seconds, all at once {at_once['cpu']:.1f}; {same}."


def peer(python: Path | None, name: str, corpus: Path) -> dict[str, Any]:
    """One peer on the documents of `corpus`."""
    answer = corpus / f"{name}.json"
    answer.unlink(missing_ok=True)
    script = str(Path(__file__).with_name("dedup_peers.py"))
    command = [str(python), script, name, str(corpus / "documents"), str(answer)]
    _, peak = watched(command, quiet=True, every=0.25)
    result = json.loads(answer.read_text())
    truth = json.loads((corpus / "truth.json").read_text())
    texts, kept, keys = read_texts(corpus), set(result["kept"]), truth["keys"]
    hits: dict[float, list[bool]] = {0.8: [], 0.7: []}
    merged = 0
    for copy, original, _ in truth["pairs"]:
        similarity = jaccard(texts[keys[copy]], texts[keys[original]])
        hit = keys[copy] not in kept or keys[original] not in kept
        merged += hit and similarity < THRESHOLD
        for least, values in hits.items():
            if similarity >= least:
                values.append(hit)
    found = " / ".join(f"{sum(values) / len(values):.3f}" for values in hits.values())
    return {"seconds": result["seconds"], "cpu": result["cpu"], "pss": peak, "found": f"{found}, {merged} below .7"}


def said(result: dict[str, Any]) -> str:
    """Seconds and memory in words."""
    return f"{result['seconds']:.0f} s, {result['cpu']:.0f} processor seconds, peak PSS {result['pss']:.0f} MB"


if __name__ == "__main__":
    main()
