"""Training on the CPU in one interleaved run: webtext, transformers, a nanoGPT-style loop.

    OMP_NUM_THREADS=1 python benchmarks/train.py --peer PEER/bin/python --write

Every contender is a process of its own that trains the same shape on the same random tokens with the same threads and
the same fused AdamW: `transformers`' GPT2LMHeadModel and the compact model below (written after the manner of
karpathy/nanoGPT: one projection for queries, keys and values, all logits at once) in plain loops, webtext by the step
that its trainer takes, loader included. They take turns; warm-up is left out; medians. The peer's environment needs
torch and transformers (python -m venv PEER; PEER/bin/pip install torch==2.13.0 transformers numpy).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sections import heading, write_section

SHAPES = {
    # vocabulary, context, layers, heads, width, windows a step
    "tiny's width": (8_192, 128, 4, 4, 128, 16),
    "124M's width, 2 layers": (50_257, 1_024, 2, 12, 768, 1),
}
CONTENDERS = {
    "webtext, fp32 (the CPU's default)": ("webtext", "fp32"),
    "webtext, --precision bf16": ("webtext", "bf16"),
    "transformers, fp32": ("transformers", "fp32"),
    "nanoGPT-style, fp32": ("nanogpt", "fp32"),
}
Step = Callable[[], float]


def webtext_step(shape: tuple[int, ...], precision: str) -> Step:
    """A step of the trainer."""
    import numpy as np
    import torch

    from webtext.train.device import PRECISIONS, Numerics
    from webtext.train.loader import Windows
    from webtext.train.loss import LossOfModel
    from webtext.train.model import GPTConfig, build
    from webtext.train.optimizer import make_optimizer
    from webtext.train.prefetch import Prefetcher, Reading
    from webtext.train.ranks import Ranks
    from webtext.train.recipe import recipe_for
    from webtext.train.step import Learner, take_step

    vocabulary, context, layers, heads, width, windows = shape

    class Shard:
        tokens = np.random.default_rng(1).integers(0, vocabulary, 400 * context + 1).astype(np.uint16)
        offsets = np.array([0, 400 * context + 1])
        keys = np.array([1], dtype=np.uint64)
        urls = ("",)

    device = torch.device("cpu")
    model = build(GPTConfig(vocabulary, context, layers, heads, width), seed=1)
    trained = LossOfModel(model)
    learner = Learner(
        model,
        trained,
        make_optimizer(model, recipe_for("tiny")),
        Numerics(device, PRECISIONS[precision]),
        Ranks(device),
    )
    batches = Prefetcher(Windows([Shard()], context), Reading(windows, windows, 1), 0, device=device)

    def step() -> float:
        return take_step(
            learner, batches, counts=(1, 1), tokens=windows * context, clip=1.0, judge=lambda loss, norm: None
        ).loss

    return step


def plain_loop(model: Any, loss_of: Callable[[Any, Any], Any], shape: tuple[int, ...]) -> Step:
    """What a plain loop does."""
    import torch

    vocabulary, context, *_, windows = shape
    tokens = torch.randint(0, vocabulary, (windows, context + 1), generator=torch.Generator().manual_seed(1))
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step() -> float:
        loss = loss_of(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    return step


def transformers_step(shape: tuple[int, ...], precision: str) -> Step:
    """`transformers`' model in a plain loop."""
    from torch.nn import functional
    from transformers import GPT2Config, GPT2LMHeadModel

    vocabulary, context, layers, heads, width, _ = shape
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary, n_positions=context, n_embd=width, n_layer=layers, n_head=heads, resid_pdrop=0.0,
            embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None,
        )
    )  # fmt: skip
    model.train()

    def loss_of(inputs: Any, targets: Any) -> Any:
        logits = model(input_ids=inputs, use_cache=False).logits
        return functional.cross_entropy(logits.view(-1, vocabulary), targets.view(-1))

    return plain_loop(model, loss_of, shape)


def nanogpt_step(shape: tuple[int, ...], precision: str) -> Step:
    """A compact GPT-2 as nanoGPT writes it, in a plain loop."""
    import torch
    from torch import nn
    from torch.nn import functional

    vocabulary, context, layers, heads, width, _ = shape

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attend, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            query, key, value = (
                part.view(batch, length, heads, -1).transpose(1, 2)
                for part in self.attend(self.before(x)).split(width, dim=2)
            )
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.mix(mixed.transpose(1, 2).contiguous().view(batch, length, width))
            return x + self.down(functional.gelu(self.up(self.between(x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.last = nn.LayerNorm(width)
            for parameter in self.parameters():
                if parameter.dim() > 1:
                    nn.init.normal_(parameter, std=0.02)

        def forward(self, inputs: Any) -> Any:
            x = self.tokens(inputs) + self.places(torch.arange(inputs.shape[1]))
            return functional.linear(self.last(self.blocks(x)), self.tokens.weight)

    model = Model()

    def loss_of(inputs: Any, targets: Any) -> Any:
        return functional.cross_entropy(model(inputs).view(-1, vocabulary), targets.view(-1))

    return plain_loop(model, loss_of, shape)


def kept() -> AbstractContextManager[None]:
    """What the trainer has around its loop."""
    from webtext.train.allocator import kept_memory

    return kept_memory("cpu")


def work(who: str, precision: str, shape: tuple[int, ...], threads: int) -> None:
    """A contender: for each line of standard input a number of steps, and the seconds that they took."""
    import torch

    torch.set_num_threads(threads)
    makers = {"webtext": webtext_step, "transformers": transformers_step, "nanogpt": nanogpt_step}
    with kept() if who == "webtext" else nullcontext():
        step = makers[who](shape, precision)
        for line in sys.stdin:
            wall, cpu, loss = time.perf_counter(), time.process_time(), 0.0
            for _ in range(int(line)):
                loss = step()
            print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, loss]), flush=True)
    os._exit(0)  # the loader's thread is still reading ahead


def measure(peer: str, threads: int, rounds: int, seconds: float, shapes: list[str]) -> list[list[str]]:
    """Rows of the table."""
    rows = []
    for name in shapes:
        shape = SHAPES[name]
        tokens = shape[1] * shape[5]
        workers = {}
        for label, (who, precision) in CONTENDERS.items():
            python = sys.executable if who == "webtext" else peer
            command = [python, "-W", "ignore", __file__, "--worker", who, precision, json.dumps(shape), str(threads)]
            workers[label] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )  # fmt: skip

        def steps(label: str, count: int, workers: dict[str, Any] = workers) -> tuple[float, float, float]:
            process = workers[label]
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            wall, cpu, loss = json.loads(process.stdout.readline())
            return wall / count, cpu / count, loss

        taken: dict[str, list[tuple[float, float]]] = {label: [] for label in workers}
        counts = {}
        for label in workers:
            steps(label, 1)
            counts[label] = max(1, round(seconds / steps(label, 1)[1]))
        for _ in range(rounds):
            for label in workers:
                wall, cpu, _ = steps(label, counts[label])
                taken[label].append((wall, cpu))
        for process in workers.values():
            process.stdin.close()
            process.wait()
        median = {
            label: tuple(statistics.median(values) for values in zip(*found, strict=True))
            for label, found in taken.items()
        }
        theirs = median["transformers, fp32"]
        for label, (wall, cpu) in median.items():
            rows.append([name, label, f"{tokens / cpu:,.0f}", f"{theirs[1] / cpu:.2f}", f"{theirs[0] / wall:.2f}"])
            print(" | ".join(rows[-1]), flush=True)
    return rows


def section(rows: list[list[str]], peer: str, threads: int) -> str:
    """The section of docs/benchmarks.md."""
    code = "import torch, transformers; print('torch', torch.__version__ + ', transformers', transformers.__version__)"
    versions = subprocess.run([peer, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    head = ["shape", "who", "tokens/CPU s", "to transformers", "by wall clock"]
    lines = ["| " + " | ".join(line) + " |" for line in (head, ["---", "---", "---:", "---:", "---:"], *rows)]
    shapes = "; ".join(
        f"{name}: {shape[2]} layers, width {shape[4]}, {shape[5]} x {shape[1]:,} tokens, vocabulary {shape[0]:,}"
        for name, shape in SHAPES.items()
    )
    return (
        f"`benchmarks/train.py`: {heading(())[:-1]}, {threads} "
        f"thread{'s' if threads > 1 else ''},\n{versions}. Whole steps in eager "
        "mode, fused AdamW for all; processes that take turns,\nwarm-up left out, medians. The machine was shared, so "
        f"CPU seconds count; the wall clock stands beside them.\n{shapes}.\n\n" + "\n".join(lines) + "\n\n"
        "At 124M's width most of the time goes into products of matrices that are the same for all. What can be won\n"
        "is the loss in pieces, and memory kept from step to step (`train/allocator.py`): a plain loop faults its\n"
        "gradients and logits in anew each time. In bf16 products are faster where the processor has them.\n\n"
        "On a GPU: not measured. `benchmarks/train_gpu.py` measures all of it in one call of less than ten minutes.\n"
    )


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], tuple(json.loads(sys.argv[4])), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("WEBTEXT_PEER_PYTHON", sys.executable), help="its Python")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds of a turn, about")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args()
    rows = measure(given.peer, given.threads, given.rounds, given.seconds, given.shapes)
    text = section(rows, given.peer, given.threads)
    print(text)
    if given.write:
        write_section("train", text)


if __name__ == "__main__":
    main()
