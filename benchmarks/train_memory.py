"""What the loss of a batch takes in memory: in pieces, as webtext computes it, and with all logits at once.

    OMP_NUM_THREADS=1 python benchmarks/train_memory.py [--rows 1024 2048 4096] [--vocabulary 50257] [--write]

Each measure is a process of its own, forward and backward through the head of 124M's width: the peak of its resident
memory, less what it had before with weights, inputs and one small loss computed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

from sections import heading, write_section

WIDTH = 768
HOW = {"in pieces": "head_loss", "all logits at once": "plain_head_loss"}


def work(how: str, rows: int, vocabulary: int) -> None:
    """Print the bytes that the loss took, and its processor seconds."""
    import torch

    from webtext.train import loss

    torch.set_num_threads(1)
    compute = getattr(loss, HOW[how])
    weight = torch.randn(vocabulary, WIDTH).mul_(0.02).requires_grad_()
    hidden = torch.randn(rows, WIDTH, requires_grad=True)
    targets = torch.randint(0, vocabulary, (rows,))
    compute(hidden[:8], weight, targets[:8]).backward()
    # The gradients are there before and after, in both ways.
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    compute(hidden, weight, targets).backward()
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([taken * 1024, time.process_time() - started]))


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=int, default=[1_024, 2_048, 4_096])
    parser.add_argument("--vocabulary", type=int, default=50_257)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    lines = ["| rows | | peak above what was there | CPU s |", "|---:|---|---:|---:|"]
    for rows in given.rows:
        for how in HOW:
            command = [sys.executable, __file__, "--worker", how, str(rows), str(given.vocabulary)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            taken, seconds = json.loads(done.stdout)
            lines.append(f"| {rows:,} | {how} | {taken / 1e6:,.0f} MB | {seconds:.1f} |")
            print(lines[-1], flush=True)
    text = (
        f"{heading()}\n\n`benchmarks/train_memory.py`: forward and backward through the "
        f"head, width {WIDTH}, vocabulary {given.vocabulary:,}, float32, one\nthread. The logits of 1,024 rows take "
        f"{4 * 1_024 * given.vocabulary / 1e6:,.0f} MB.\n\n" + "\n".join(lines) + "\n"
    )
    print(text)
    if given.write:
        write_section("train: memory of the loss", text)


if __name__ == "__main__":
    main()
