"""Encoding, BPE training and loading against their peers, in one interleaved run, in CPU seconds of one core.

Peers: tiktoken and tokenizers (dependencies of webtext, same environment) for encoding, tokenizers for training,
nanoGPT's `get_batch` (its lines, written out below) for loading. Run it alone on a quiet machine:

    OMP_NUM_THREADS=1 python benchmarks/tokens.py --gpt2 FOLDER --write

Text: the Python sources of this installation, 6 kB a document, or the files of --text FOLDER. With --write the table
goes into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import pyarrow as pa
from sections import heading, write_section

from webtext.corpus.config import shaping
from webtext.corpus.files import write_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import DOCUMENTS
from webtext.corpus.settings import TokenizeSettings
from webtext.corpus.stages import StageRun
from webtext.pipelines.engine import Engine
from webtext.pipelines.tokenize import RULES, make_shards, tokenize_inputs
from webtext.tokenize.encoding import Encoder
from webtext.tokenize.fast import FastEncoder
from webtext.tokenize.files import read_vocabulary, vocabulary_files, write_vocabulary
from webtext.tokenize.shards import Shard
from webtext.tokenize.training import train_vocabulary
from webtext.tokenize.vocabulary import Vocabulary
from webtext.train.loader import Windows

DOCUMENT = 6_000  # characters
CONTEXT = 1_024
BATCH = 64  # windows
Row = tuple[str, str, float, str]  # what, who, figure, unit


def texts_of(folder: Path, size: int) -> list[str]:
    """About `size` characters of the text files below `folder`, cut into documents and shuffled."""
    chance = random.Random(1)
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".txt", ".md", ".rst"})
    chance.shuffle(files)
    found: list[str] = []
    total = 0
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [text[start : start + DOCUMENT] for start in range(0, len(text), DOCUMENT)]
        total += len(text)
        if total >= size:
            break
    chance.shuffle(found)
    return found


def interleaved(rivals: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median CPU seconds of each rival, all of them in turn, `rounds` times."""
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, work in rivals.items():
            start = time.process_time()
            work()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def encoding(texts: Sequence[str], vocabulary: Vocabulary, rounds: int) -> list[Row]:
    """Encoders alone, texts in memory."""
    import tokenizers

    column = pa.array(texts, pa.large_string())
    fast, exact = FastEncoder(vocabulary), Encoder(vocabulary)
    theirs = tokenizers.Tokenizer.from_str(vocabulary_files(vocabulary)["tokenizer.json"].decode())
    fast.encode_column(column[:1])  # imports
    few = list(texts[: len(texts) // 8])
    share = sum(map(len, few)) / sum(map(len, texts))
    seconds = interleaved(
        {
            "webtext with gigatoken": lambda: fast.encode_column(column),
            "tiktoken": lambda: exact.encode_column(column),
            "tokenizers": lambda: theirs.encode_batch_fast(few, add_special_tokens=False),
        },
        rounds,
    )
    seconds["tokenizers"] /= share
    size = column.nbytes / 1e6
    return [("encoding", name, size / taken, "MB/CPU s") for name, taken in seconds.items()]


def whole_step(texts: Sequence[str], vocabulary: Vocabulary, folder: Path, rounds: int) -> list[Row]:
    """From Parquet to published shards: two corpora, one twice as large, whose difference leaves the start out; and the
    quarter by itself, with the start (vocabulary, proof of the engine, pipelines)."""
    write_vocabulary(folder / "tokenizer", vocabulary)
    parts = {"warm": 400, "eighth": 8, "quarter": 4, "half": 2, "whole": 1}
    corpora = {name: texts[: len(texts) // part] for name, part in parts.items()}
    paths = {name: _clean(folder / name, mine) for name, mine in corpora.items()}

    def run(name: str, engine: str) -> None:
        settings = TokenizeSettings(tokenizer=str(folder / "tokenizer"), engine=engine)
        begun = StageRun.begin(
            folder / name, Stage.SHARDS, settings=shaping(settings), rules=RULES, inputs=tokenize_inputs("x"), redo=True
        )
        make_shards(begun, folder / name, [paths[name]], settings, clean_identity="x", engine=Engine(1), retrain=True)

    run("warm", "auto")  # imports
    pairs = {"auto": ("half", "whole"), "tiktoken": ("eighth", "quarter")}
    rivals = {
        f"{engine} {name}": partial(run, name, engine)
        for engine, pair in {**pairs, "auto": ("quarter", "half", "whole")}.items() for name in pair
    }  # fmt: skip
    seconds = interleaved(rivals, rounds)
    named = {"auto": "webtext with gigatoken", "tiktoken": "webtext with tiktoken"}
    rows: list[Row] = []
    for engine, (small, large) in pairs.items():
        size = sum(len(text.encode()) for text in corpora[large][len(corpora[small]) :]) / 1e6
        taken = seconds[f"{engine} {large}"] - seconds[f"{engine} {small}"]
        rows.append(("Parquet to shards", named[engine], size / taken, "MB/CPU s"))
    size = sum(len(text.encode()) for text in corpora["quarter"]) / 1e6
    small = f"the same with its start, {size:.0f} MB"
    return rows + [(small, named[engine], size / seconds[f"{engine} quarter"], "MB/CPU s") for engine in pairs]


def _clean(corpus: Path, texts: Sequence[str]) -> Path:
    day = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    count = len(texts)
    urls = [f"https://site-{number % 997}.example/{number}" for number in range(count)]
    columns = {
        "key": np.arange(1, count + 1, dtype=np.uint64), "url": urls, "final_url": urls, "canonical": [None] * count,
        "domain": ["example"] * count, "title": [""] * count, "text": list(texts), "language": ["en"] * count,
        "language_score": np.ones(count, np.float32), "karma": np.full(count, 3), "first_posted": [day] * count,
        "fetched": [day] * count, "source": ["crawl"] * count, "record_id": [""] * count,
        "characters": [len(text) for text in texts], "words": [1] * count,
    }  # fmt: skip
    nothing = [None] * count  # measures, further columns
    table = pa.table([pa.array(columns.get(f.name, nothing), f.type) for f in DOCUMENTS], schema=DOCUMENTS)
    write_parquet(corpus / "clean" / "part-00000.parquet", table, DOCUMENTS)
    return corpus / "clean" / "part-00000.parquet"


def training(texts: Sequence[str], size: int, rounds: int) -> list[Row]:
    """A BPE of `size` tokens."""
    import tokenizers
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    def theirs() -> None:
        tokenizer = tokenizers.Tokenizer(BPE())
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=True)
        trainer = BpeTrainer(
            vocab_size=size - 1, min_frequency=2, initial_alphabet=ByteLevel.alphabet(), show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)

    seconds = interleaved({"webtext": lambda: train_vocabulary(texts, size), "tokenizers": theirs}, rounds)
    millions = sum(len(text.encode()) for text in texts) / 1e6
    return [
        (f"BPE training, {size:,} tokens, {millions:.0f} MB", name, taken, "CPU s") for name, taken in seconds.items()
    ]


def loading(folder: Path, rounds: int) -> list[Row]:
    """Batches of 64 windows of 1,024 tokens, in CPU memory, inputs and targets as int64."""
    import torch

    torch.set_num_threads(1)
    shards = [Shard.open(path) for path in sorted((folder / "whole" / "shards").glob("train-*.arrow"))]
    path = folder / "train.bin"
    np.concatenate([shard.tokens for shard in shards]).tofile(path)
    windows = Windows(shards, CONTEXT)
    position = 0

    def ours() -> None:
        nonlocal position
        for _ in range(100):
            inputs, targets = windows.batch(position, BATCH, seed=1)
            torch.from_numpy(inputs), torch.from_numpy(targets)
            position += BATCH

    def nanogpt(kept: np.ndarray | None = None) -> None:  # type: ignore[type-arg]
        for _ in range(100):  # karpathy/nanoGPT, train.py, get_batch: a new memmap each time, against a memory leak
            data = np.memmap(path, dtype=np.uint16, mode="r") if kept is None else kept
            places = torch.randint(len(data) - CONTEXT, (BATCH,))
            torch.stack([torch.from_numpy(data[i : i + CONTEXT].astype(np.int64)) for i in places])
            torch.stack([torch.from_numpy(data[i + 1 : i + 1 + CONTEXT].astype(np.int64)) for i in places])

    opened = np.memmap(path, dtype=np.uint16, mode="r")
    rivals = {
        "webtext, Feistel order": ours,
        "nanoGPT's get_batch": nanogpt,
        "the same, memmap kept open": lambda: nanogpt(opened),
    }
    seconds = interleaved(rivals, rounds)
    return [("loading", name, 100 * BATCH * CONTEXT / taken / 1e6, "M tokens/CPU s") for name, taken in seconds.items()]


def small_windows(folder: Path, rounds: int) -> list[Row]:
    """Micro-batches of windows of 128 tokens as a trainer gets them, read ahead by one thread."""
    import torch

    from webtext.train.prefetch import Prefetcher, Reading

    shards = [Shard.open(path) for path in sorted((folder / "whole" / "shards").glob("train-*.arrow"))]
    windows = Windows(shards, 128)
    rows: list[Row] = []
    for micro in (64, 16, 4, 1):
        with Prefetcher(windows, Reading(512, micro, 1), 0, device=torch.device("cpu")) as batches:
            count = 100_000 // micro

            def read(batches: Prefetcher = batches, count: int = count) -> None:
                for _ in range(count):
                    next(batches)

            read()
            (taken,) = interleaved({"webtext": read}, rounds).values()
        what = "loading windows of 128 tokens"
        rows.append((what, f"webtext, {micro} at a time", count * micro * 128 / taken / 1e6, "M tokens/CPU s"))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, each with its ratio to the first of its kind."""
    lines = ["| what | who | | ratio |", "|---|---|---:|---:|"]
    for what, who, figure, unit in rows:
        first = next(row for row in rows if row[0] == what)
        ratio = figure / first[2] if unit == "CPU s" else first[2] / figure
        lines.append(f"| {what} | {who} | {figure:,.1f} {unit} | {ratio:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Run all of it and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--text", type=Path, default=Path(np.__file__).parent.parent)
    options.add_argument("--megabytes", type=int, default=100)
    options.add_argument("--gpt2", type=Path, help="folder of OpenAI's vocabulary; without it one is trained")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = options.parse_args()
    texts = texts_of(given.text, given.megabytes * 1_000_000)
    vocabulary = read_vocabulary(given.gpt2) if given.gpt2 else train_vocabulary(texts[:500], 20_000)
    part = texts[: len(texts) // 4]
    with tempfile.TemporaryDirectory() as name:
        rows = encoding(part, vocabulary, given.rounds)
        rows += whole_step(texts, vocabulary, Path(name), min(given.rounds, 3))
        rows += [row for size in (8_192, 50_257) for row in training(part, size, 1)]
        rows += loading(Path(name), given.rounds)
        rows += small_windows(Path(name), given.rounds)
    size = sum(len(text.encode()) for text in texts) / 1e6
    text = (
        f"`benchmarks/tokens.py`, one core: {heading(('gigatoken', 'tiktoken', 'tokenizers', 'numpy', 'torch'))}\n"
        f"{size:.0f} MB of Python sources, 6 kB a document, vocabulary of {vocabulary.size:,}. CPU seconds, so that a\n"
        "shared machine may run it; the ratio says how many times webtext's first line is faster.\n\n"
        f"{table(rows)}"
    )
    print(text)
    if given.write:
        write_section("tokens", text)


if __name__ == "__main__":
    main()
