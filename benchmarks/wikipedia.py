"""Wikipedia by content: the index, the pass, memory. Writes the section `wikipedia` of docs/benchmarks.md.

    python -m venv PEERS && PEERS/bin/pip install mwparserfromhell==0.7.2
    python benchmarks/wikipedia.py --work FOLDER [--articles 20000,80000] [--documents 40000]
        [--dump FILE --peers PEERS/bin/python]

The articles are generated (700 words each, random words as frequent as words are); `--dump` measures reading on a real
one besides, against mwparserfromhell. 7 million articles are extrapolated from the rates of the generated ones; what
must not grow with their number, memory, is measured on one table and one sample of the size that they have then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from dedup_corpus import Planted, store
from generated_text import Writer
from measuring import cpu_seconds, pss, watched
from sections import BENCHMARKS, heading, write_section

ALL = 7_000_000  # articles of the English Wikipedia
WORDS = 700


def main() -> None:
    """Run what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--articles", default="20000,80000")
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dump", type=Path)
    parser.add_argument("--peers", type=Path, help="the Python of an environment with mwparserfromhell")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--docs", type=Path, default=BENCHMARKS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(child(flags.work, *flags.child)))
        return
    counts = [int(count) for count in flags.articles.split(",")]
    flags.work.mkdir(parents=True, exist_ok=True)
    lines = [heading() + "\n", *build(flags.work, counts), "", *full_size(flags.work), ""]
    lines += speed(flags.work, counts[-1], flags.documents, flags.rounds)
    if flags.dump:
        lines += ["", *reading(flags.work, flags.dump, flags.peers)]
    text = "\n".join(lines) + "\n"
    print(text)
    write_section("wikipedia", text, flags.docs)


def build(work: Path, counts: list[int]) -> list[str]:
    """Indexes of several sizes."""
    lines = ["| articles | CPU us an article | peak PSS, one process | bytes an article |", "|---:|---:|---:|---:|"]
    for count in counts:
        dump(work, count)
        found = run(work, "build", str(count))
        size = sum(path.stat().st_size for path in (work / f"index-{count}").rglob("*.arrow"))
        lines.append(f"| {count:,} | {found['cpu'] / count * 1e6:.0f} | {found['pss']:.0f} MB | {size / count:,.0f} |")
    hours = found["cpu"] / count * ALL / 3600
    lines += [
        "",
        f"{ALL:,} articles at these rates: {hours:.1f} hours on one core (and the decompression of the dump), "
        f"{size / count * ALL / 1e9:.0f} GB; once.",
    ]
    return lines


def full_size(work: Path) -> list[str]:
    """One table of an index of 7 million articles: made, and asked by the sample of 100,000 documents."""
    found = run(work, "table", str(ALL))
    return [
        f"One of the {found['tables']:,} tables of {ALL:,} articles ({found['entries']:,} entries in "
        f"{found['files']:,} files): made with {found['made_pss']:.0f} MB; peak PSS of making it and asking it "
        f"{found['asked']:,} n-grams (those of 8 million documents of 4 kB for it) {found['pss']:.0f} MB, "
        f"{found['cpu']:.1f} CPU seconds. Tables are handled one at a time in each process."
    ]


def speed(work: Path, articles: int, documents: int, rounds: int) -> list[str]:
    """Dedup with and without the index, taking turns."""
    corpus(work, articles, documents)
    best: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for kind in ("without", "with"):
            found = run(work, kind, str(articles))
            if kind not in best or found["cpu"] < best[kind]["cpu"]:
                best[kind] = found
    without, more = best["without"]["cpu"], best["with"]["cpu"] - best["without"]["cpu"]
    return [
        f"{documents:,} documents of 4 kB, a twentieth copies of articles and as many with a tenth of one, "
        f"{articles:,} articles: dedup without the index {without:.1f} CPU seconds, with it {without + more:.1f}: "
        f"the pass takes {more / without:.2f} times what near-duplicates take ({more / documents * 1e6:.0f} us a "
        f"document), peak PSS {best['with']['pss']:.0f} MB against {best['without']['pss']:.0f}. "
        f"Copies found: {best['with']['found']:,} of {documents // 20:,}; others removed: {best['with']['wrong']:,}."
    ]


def reading(work: Path, path: Path, peers: Path | None) -> list[str]:
    """A real dump: decompression, markup, hashing; and a parser beside ours."""
    found = run(work, "reading", str(path))
    lines = [
        f"A real dump ({found['articles']:,} articles, {found['bytes'] / 1e6:.1f} MB of wikitext): decompressing and "
        f"cutting into pages {found['pages'] * 1e3:.2f} ms an article, markup {found['markup'] * 1e3:.2f} ms, hashing "
        f"{found['hashing'] * 1e3:.2f} ms."
    ]
    if peers is not None:
        script = (
            "import json, sys, time, mwparserfromhell\n"
            "texts = json.load(sys.stdin)\nbegun = time.process_time()\n"
            "for text in texts: mwparserfromhell.parse(text).strip_code()\n"
            "print((time.process_time() - begun) / len(texts))\n"
        )
        texts = (work / "first.json").read_text()
        done = subprocess.run([peers, "-c", script], input=texts, capture_output=True, text=True, check=True)
        theirs = float(done.stdout)
        lines.append(
            f"mwparserfromhell's strip_code on the first 20 of them: {theirs * 1e3:.1f} ms, "
            f"{theirs / found['markup_first']:.0f} times ours."
        )
    return lines


def dump(work: Path, count: int) -> Path:
    """A dump of generated articles, uncompressed."""
    path = work / f"articles-{count}.xml"
    if not path.exists():
        writer = Writer(11)
        with (work / "aside").open("w") as file:
            file.write("<mediawiki>\n")
            for number in range(count):
                file.write(f"<page><title>Article {number}</title><ns>0</ns><revision><text>{writer.text(WORDS)}")
                file.write("</text></revision></page>\n")
            file.write("</mediawiki>\n")
        (work / "aside").rename(path)
    return path


def corpus(work: Path, articles: int, documents: int) -> None:
    """Documents, of which a twentieth are copies and a twentieth quote."""
    marker = work / f"corpus-{articles}-{documents}.json"
    if marker.exists():
        return
    shutil.rmtree(work / "documents", ignore_errors=True)
    writer, source = Writer(12), Writer(11)
    texts, copies = [], []
    for number in range(documents):
        if number % 20 == 0:  # an article, a few of its words changed
            words = source.text(WORDS).split()
            for place in range(0, len(words), 97):
                words[place] = "changed"
            copies.append(number)
            texts.append(" ".join(words))
        elif number % 20 == 10:
            texts.append(f"{writer.text(600)} {' '.join(source.text(WORDS).split()[:70])}")
        else:
            texts.append(writer.text(680))
    keys = store(Planted(texts, list(range(documents))), work, 3)
    marker.write_text(json.dumps([keys[number] for number in copies]))


def run(work: Path, kind: str, what: str) -> dict[str, Any]:
    """One measure in a child process, its memory watched."""
    command = [sys.executable, __file__, "--work", str(work), "--child", kind, what]
    printed, peak = watched(command, quiet=True)
    found = {**json.loads(printed), "pss": peak}
    print(kind, what, found, file=sys.stderr, flush=True)
    return found


def child(work: Path, kind: str, what: str) -> dict[str, Any]:
    """In the child."""
    if kind == "build":
        from webtext.pipelines.article_index import make_index
        from webtext.pipelines.engine import Engine

        folder = work / f"index-{what}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        begun = cpu_seconds()
        make_index(folder, [work / f"articles-{what}.xml"], words=5, engine=Engine(1), redo=True)
        return {"cpu": cpu_seconds() - begun}
    if kind == "table":
        return one_table(work, int(what))
    if kind == "reading":
        return read_dump(work, Path(what))
    return deduplicate(work, int(what), kind == "with")


def one_table(work: Path, articles: int) -> dict[str, Any]:
    """Make and ask the first table of an index of so many articles: all its entries, in as many files."""
    import pyarrow as pa

    from webtext.dedup.article_index import look_up, table_count
    from webtext.dedup.parts import column, read_part, write_part
    from webtext.pipelines.article_index import ARTICLES_A_FILE, _Table

    folder = work / "table"
    shutil.rmtree(folder, ignore_errors=True)
    numbers = np.random.default_rng(5)
    files = articles // ARTICLES_A_FILE
    tables = table_count(articles * (WORDS - 4) // 8)
    entries = articles * (WORDS - 4) // 8 // tables
    samples = [folder / f"sample-{number:06d}.arrow" for number in range(files)]
    for path in samples:
        hashes = np.sort(numbers.integers(0, 2**64 // tables, entries // files, np.uint64))
        owners = numbers.integers(0, ARTICLES_A_FILE, len(hashes)).astype(np.uint32)
        write_part(path, pa.table({"hash": hashes, "article": owners}))
    starts = tuple(range(0, files * ARTICLES_A_FILE, ARTICLES_A_FILE))
    begun = cpu_seconds()
    maker = _Table(tuple(samples), starts, tables, folder)
    maker(0)
    made = pss(os.getpid())
    table = read_part(maker.path(0))
    asked = 0
    for _ in range(900):  # a piece of 8,192 documents of 680 words asks each table so many
        hashes = np.sort(numbers.integers(0, 2**64 // tables, 8_192 * 676 // 8 // tables, np.uint64))
        look_up(table, hashes)
        asked += len(hashes)
    used = cpu_seconds() - begun
    known = len(column(table, "hash"))
    shutil.rmtree(folder)
    return {"tables": tables, "entries": known, "files": files, "made_pss": made, "asked": asked, "cpu": used}


def deduplicate(work: Path, articles: int, with_index: bool) -> dict[str, Any]:
    """clean/ of the corpus, with or without the index."""
    import pyarrow.parquet as pq

    from webtext.corpus.config import shaping
    from webtext.corpus.outcomes import Stage
    from webtext.corpus.settings import DedupSettings
    from webtext.corpus.stages import StageRun
    from webtext.dedup.article_index import ArticleIndex
    from webtext.dedup.rules import RULES
    from webtext.pipelines.dedup import make_clean
    from webtext.pipelines.engine import Engine

    for name in ("clean", "work", "outcomes"):
        shutil.rmtree(work / name, ignore_errors=True)
    settings = DedupSettings()
    documents = sorted((work / "documents").glob("*.parquet"))
    begun = cpu_seconds()
    stage = StageRun.begin(work, Stage.CLEAN, settings=shaping(settings), rules=RULES, inputs={})
    index = ArticleIndex.open(work / f"index-{articles}") if with_index else None
    make_clean(stage, work, documents, settings, engine=Engine(1), accept_loss=True, articles=index)
    used = cpu_seconds() - begun
    (marker,) = work.glob("corpus-*.json")
    copies = set(json.loads(marker.read_text()))
    removed = set(pq.read_table(work / "clean/wikipedia.parquet")["removed"].to_pylist())
    return {"cpu": used, "found": len(removed & copies), "wrong": len(removed - copies)}


def read_dump(work: Path, path: Path) -> dict[str, Any]:
    """Seconds an article of each step, and the markup of the first twenty."""
    from webtext.dedup.mediawiki_dump import cut_dump, pages, spaces_of
    from webtext.dedup.shingles import shingle_sets
    from webtext.dedup.utf8 import Texts
    from webtext.dedup.wikitext import plain_text

    spaces = spaces_of(path)
    times = [time.process_time()]
    found = [page for piece in cut_dump(path) for page in pages(piece, spaces)]
    times.append(time.process_time())
    texts = [plain_text(page.wikitext, spaces.hidden) for page in found]
    times.append(time.process_time())
    shingle_sets(Texts.of(texts), 5)
    times.append(time.process_time())
    first = [page.wikitext for page in found[:20]]
    begun = time.process_time()
    for text in first:
        plain_text(text, spaces.hidden)
    markup_first = (time.process_time() - begun) / len(first)
    (work / "first.json").write_text(json.dumps(first))
    steps = np.diff(times) / len(found)
    names = ("pages", "markup", "hashing")
    size = sum(len(page.wikitext.encode()) for page in found)
    return {
        **dict(zip(names, steps.tolist(), strict=True)),
        "articles": len(found),
        "bytes": size,
        "markup_first": markup_first,
    }


if __name__ == "__main__":
    main()
