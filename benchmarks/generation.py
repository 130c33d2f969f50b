"""Writing text on the CPU: webtext's KV cache against `transformers`' generate, on the same random weights.

    python benchmarks/generation.py [--peer PYTHON] [--threads 1] [--write]

Both read the same folder, each in a process of its own, and take turns; the median of the turns counts. Greedy tokens
must be equal, or there is nothing to compare. The peer's environment needs torch of the same version and transformers:

    python -m venv peers && peers/bin/pip install torch==2.13.0 transformers
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sections import heading, write_section

PROMPT = 32  # tokens
# name: tokens written a row, turns
SHAPES = {"tiny": (96, 5), "124M": (32, 3)}
CASES = (("greedy, 1 text", 1, False), ("top-k 40, 1 text", 1, True), ("greedy, 8 texts", 8, False))


def ours(folder: Path) -> Any:
    """A function (rows, count, sampled) to the tokens written."""
    from webtext.train.folders import find_model
    from webtext.train.sampling import Rows, Sampling, random_numbers

    model = find_model(folder).model()

    def write(rows: list[list[int]], count: int, sampled: bool) -> list[list[int]]:
        sampling = Sampling(count, 1.0 if sampled else 0.0, 40)
        going = Rows(model, rows, sampling, [random_numbers(1, number) for number in range(len(rows))])
        steps = [going.step() for _ in range(count)]
        return [list(row) for row in zip(*steps, strict=True)]

    return write


def theirs(folder: Path) -> Any:
    """The same with transformers."""
    import torch
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder).eval()

    def write(rows: list[list[int]], count: int, sampled: bool) -> list[list[int]]:
        start = torch.tensor(rows)
        torch.manual_seed(1)
        found = model.generate(
            start, attention_mask=torch.ones_like(start), max_new_tokens=count, min_new_tokens=count,
            do_sample=sampled, top_k=40 if sampled else None, pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
        return [row[len(rows[0]) :] for row in found.tolist()]

    return write


def work(who: str, folder: Path) -> None:
    """A worker: reads cases from standard input, answers with seconds and tokens."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    write = (ours if who == "ours" else theirs)(folder)
    print("ready", flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        tokens = write(case["rows"], case["count"], case["sampled"])
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, tokens]), flush=True)


class Worker:
    """A process that writes on demand."""

    def __init__(self, python: str, who: str, folder: Path, threads: int) -> None:
        # A thread that waits for work in a loop would take the core from the other process.
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            [python, __file__, "--worker", who, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        assert self.process.stdout and self.process.stdout.readline() == "ready\n", f"{who} did not start"

    def write(self, rows: list[list[int]], count: int, sampled: bool) -> tuple[float, float, list[list[int]]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"rows": rows, "count": count, "sampled": sampled}) + "\n")
        self.process.stdin.flush()
        wall, cpu, tokens = json.loads(self.process.stdout.readline())
        return wall, cpu, tokens

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def save_random(name: str, folder: Path) -> int:
    """A model of a preset's shape with random weights, as a Hugging Face folder; its vocabulary."""
    from safetensors.torch import save_file

    from webtext.train.model import PRESETS, build
    from webtext.train.weights import config_to_json, to_hugging_face

    config = PRESETS[name]
    model = build(config, seed=1)
    folder.mkdir(parents=True)
    tensors = to_hugging_face(dict(model.named_parameters()))
    # Weights ten times as large: logits of a new model are nearly even, and rounding would decide.
    tensors = {key: value * 10 if value.dim() > 1 else value for key, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config_to_json(config, endoftext=config.vocab_size - 1)))
    return config.vocab_size


def measure(python: str, threads: int, shapes: dict[str, tuple[int, int]]) -> list[list[str]]:
    """Rows of the table."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (count, turns) in shapes.items():
            folder = Path(scratch) / name
            vocabulary = save_random(name, folder)
            workers = [
                Worker(sys.executable, "ours", folder, threads), Worker(python, "theirs", folder, threads)
            ]  # fmt: skip
            for label, texts, sampled in CASES:
                start = [[(row * 977 + place * 31) % vocabulary for place in range(PROMPT)] for row in range(texts)]
                for worker in workers:
                    worker.write(start, 4, sampled)
                taken: list[list[float]] = [[], []]
                used: list[list[float]] = [[], []]
                written: list[Any] = [None, None]
                for _ in range(turns):
                    for place, worker in enumerate(workers):
                        wall, cpu, written[place] = worker.write(start, count, sampled)
                        taken[place].append(wall)
                        used[place].append(cpu)
                if not sampled and written[0] != written[1]:
                    raise SystemExit(f"{name}, {label}: the greedy tokens differ")
                speeds = [texts * count / statistics.median(times) for times in used]
                wall_ratio = statistics.median(taken[1]) / statistics.median(taken[0])
                figures = (
                    f"{speeds[0]:,.0f}",
                    f"{speeds[1]:,.0f}",
                    f"{speeds[0] / speeds[1]:.2f}",
                    f"{wall_ratio:.2f}",
                )
                rows.append([name, label, *figures])
                print(" | ".join(rows[-1]), flush=True)
            for worker in workers:
                worker.close()
    return rows


def versions(python: str) -> str:
    """torch and transformers of the peer's environment."""
    code = "import torch, transformers; print('torch', torch.__version__ + ', transformers', transformers.__version__)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def table(rows: list[list[str]], python: str, threads: int) -> str:
    """The section of docs/benchmarks.md."""
    head = ["weights", "case", "webtext, tokens/CPU s", "transformers, tokens/CPU s", "ratio", "ratio of wall clock"]
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]]
    return (
        f"`benchmarks/generation.py`: random weights of two shapes, a prompt of {PROMPT} tokens, "
        f"{', '.join(f'{count} tokens a text ({name})' for name, (count, _) in SHAPES.items())}; two processes that "
        "take turns, the median of the turns, models loaded and warm. "
        "The machine was shared, so CPU seconds count; the wall clock stands beside them. "
        "The greedy tokens of both are equal.\n\n"
        f"{heading(())[:-1]}, {threads} thread{'s' if threads > 1 else ''}, "
        f"{versions(python)}.\n\n" + "\n".join(lines) + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("WEBTEXT_PEER_PYTHON", sys.executable), help="its Python")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker[0], Path(given.worker[1]))
        return
    rows = measure(given.peer, given.threads, {name: SHAPES[name] for name in given.shapes})
    section = table(rows, given.peer, given.threads)
    print(section)
    if given.write:
        write_section("Generation", section)


if __name__ == "__main__":
    main()
