"""`webtext eval` on the CPU: WikiText-2 against its forward passes alone, and every task on 200 examples.

    python benchmarks/eval.py MODEL DATA [--lines 400] [--limit 200] [--threads 1] [--write]

MODEL is a folder of a GPT-2, DATA the folder with the test sets. Forward passes alone are the model's own on the same
windows, with the logits that are scored, and nothing else; both take turns, the median of the turns counts, in
processor seconds (a shared machine's clock tells little). The whole evaluation includes reading, de-tokenizing,
encoding, hashing and writing. Sets of which DATA has a few rows or none are filled up with repetitions.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sections import heading, write_section


def wikitext(folder: Path, data: Path, lines: int, turns: int) -> tuple[float, float, int]:
    """Processor seconds of the whole task, of its forward passes alone, and the tokens scored."""
    import torch

    from webtext.train.zeroshot.batches import BATCH_TOKENS
    from webtext.train.zeroshot.catalogue import TASKS
    from webtext.train.zeroshot.engine import Engine
    from webtext.train.zeroshot.evaluation import Evaluation
    from webtext.train.zeroshot.likelihoods import HEAD_ROWS
    from webtext.train.zeroshot.windows import rolling

    engine = Engine.load(folder, device="cpu")
    task = TASKS["wikitext2"]
    tokens: list[int] = []

    def whole() -> None:
        with tempfile.TemporaryDirectory() as out:
            found, _ = Evaluation(engine, "m", "v", data, Path(out), limit=lines).run([task])
            tokens[:] = [int(found[0].facts["tokens"])]

    from webtext.train.zeroshot.detokenizers import detokenizer

    text = detokenizer("wikitext").detokenize("".join(wikitext_of(data).splitlines(keepends=True)[:lines]))
    ids = torch.tensor([engine.endoftext, *engine.encode(text)])
    windows = rolling(len(ids), context=engine.context, stride=min(task.stride, engine.context))
    size = BATCH_TOKENS // engine.context
    even = [window for window in windows if window.end - window.start == engine.context]

    @torch.inference_mode()
    def alone() -> None:
        for first in range(0, len(even), size):
            some = even[first : first + size]
            hidden = engine.model.hidden(torch.stack([ids[window.start : window.end] for window in some]))
            rows = torch.cat([row[window.first - 1 - window.start :] for row, window in zip(hidden, some, strict=True)])
            for part in torch.split(rows, HEAD_ROWS):
                engine.model.head(part)

    took: dict[str, list[float]] = {"whole": [], "alone": []}
    for _ in range(turns):
        for name, run in (("whole", whole), ("alone", alone)):
            took[name].append(_cpu(run))
    return statistics.median(took["whole"]), statistics.median(took["alone"]), tokens[0]


def wikitext_of(data: Path) -> str:
    """The text of WikiText-2's test set."""
    from webtext.train.zeroshot.catalogue import TASKS
    from webtext.train.zeroshot.sources import find_set

    return "".join(str(example.fields["text"]) for example in find_set(TASKS["wikitext2"], data).examples())


def everything(folder: Path, data: Path, limit: int, keys: Sequence[str]) -> list[tuple[str, int, float]]:
    """Items and processor seconds of each task that has data."""
    from webtext.train.zeroshot.catalogue import TASKS
    from webtext.train.zeroshot.engine import Engine
    from webtext.train.zeroshot.evaluation import Evaluation

    engine = Engine.load(folder, device="cpu")
    told = []
    with tempfile.TemporaryDirectory() as out:
        evaluation = Evaluation(engine, "m", "v", data, Path(out), limit=limit)
        for key in keys:
            started = time.process_time()
            results, missing = evaluation.run([TASKS[key]])
            if missing:
                print(f"{key}: no data")
                continue
            told.append((key, results[0].main.count, time.process_time() - started))
            print(f"{key}: {told[-1][1]:,} examples, {told[-1][2]:.1f} CPU s", flush=True)
    return told


def _cpu(run: Callable[[], None]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def filled(data: Path, folder: Path, count: int) -> list[str]:
    """Sets of `count` examples in `folder` for those of DATA that are a few rows or missing; whose they are.

    What is there is repeated until it suffices: its scores say nothing, its time is that of a whole set.
    """
    files = {path.name.lower(): path for path in sorted(data.rglob("*")) if path.is_file()}

    def repeat(name: str, lines: int = 1) -> None:
        text = files[name].read_text()
        (folder / name).write_text(
            f"{text.rstrip()}\n{chr(10) * (lines > 1)}" * -(-count * lines // len(text.splitlines()))
        )

    for kind in ("cn", "ne"):
        repeat(f"cbtest_{kind}_valid_2000ex.txt", 22)  # 21 sentences and an empty line
    repeat("ptb.test.txt")
    repeat("enwik8")
    repeat("news.en.heldout-00016-of-00050")
    tokens = wikitext_of(data)
    (folder / "wikitext-103").mkdir()
    (folder / "wikitext-103/wiki.test.tokens").write_text(tokens)
    letters = re.sub(r"[^a-z]+", " ", tokens.lower())
    (folder / "text8").write_text(letters)
    stories = folder / "cnn_stories"
    stories.mkdir()
    article = "\n\n".join(line.strip() for line in tokens.splitlines()[:40] if len(line) > 200)
    for number in range(count):
        (stories / f"{number:040x}.story").write_text(f"{article}\n\n@highlight\n\n{letters[:120]}")
    return ["cbt-cn", "cbt-ne", "ptb", "enwik8", "1bw", "wikitext103", "text8", "cnn-dm"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="renew the section of docs/benchmarks.md")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    from webtext.train.folders import find_model
    from webtext.train.zeroshot.catalogue import DEFAULT

    torch.set_num_threads(options.threads)
    shape = find_model(options.model).config
    whole, alone, tokens = wikitext(options.model, options.data, options.lines, options.turns)
    print(f"WikiText-2: {whole:.2f} CPU s, forward passes alone {alone:.2f}: {whole / alone:.2f} times")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        made = filled(options.data, Path(name), options.limit)
        rest = [key for key in DEFAULT if key not in made]
        told = everything(options.model, options.data, options.limit, rest)
        told += everything(options.model, Path(name), options.limit, made)
    wall = time.monotonic() - started
    total = sum(seconds for _, _, seconds in told)
    text = (
        f"`benchmarks/eval.py`: {heading(('torch', 'transformers'))} {options.threads} thread(s).\n"
        f"{shape.parameters:,} parameters, vocabulary {shape.vocab_size:,}, context {shape.context}; processor "
        f"seconds.\n\nWikiText-2 (first {options.lines} lines, {tokens:,} tokens, stride 32): the whole task "
        f"{whole:.2f} s, its forward passes\nalone {alone:.2f} s: **{whole / alone:.2f} times** (aim: 1.3).\n\n"
        f"All tasks of the paper, {options.limit} examples each (of running text: lines): {total:.0f} s, {wall:.0f} s "
        f"on the clock (aim: 600).\nRows of which only samples were there, repeated: {', '.join(made)}.\n\n"
        "| task | examples | CPU s |\n|---|---:|---:|\n"
    )
    text += "".join(f"| {key} | {count:,} | {seconds:.1f} |\n" for key, count, seconds in told)
    print(text)
    if options.write:
        write_section("eval", text)


if __name__ == "__main__":
    main()
