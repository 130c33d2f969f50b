"""The files for several nodes: what they run is a command that webtext has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from commands import parse
from torch.distributed.run import get_args_parser

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


def test_the_job_scripts_run_a_command_that_there_is() -> None:
    subprocess.run(["bash", "-n", str(DEPLOY / "train.sbatch")], check=True)
    for name in ("train.sbatch", "train-job.yaml"):
        (arguments,) = re.findall(r"^\s*-m -- webtext\.cli (.+)$", (DEPLOY / name).read_text(), re.MULTILINE)
        parse(["train", "corpus"] if '"$' in arguments else arguments.split())


def test_torchrun_leaves_the_options_of_webtext_alone() -> None:
    """Without the dashes it stops at `--run`, which it takes for its own `--run-path`, cut short."""
    told = get_args_parser().parse_args(
        ["--nproc-per-node", "2", "-m", "--", "webtext.cli", "train", "c", "--run", "x"]
    )
    assert (told.module, told.training_script) == (True, "webtext.cli")
    assert told.training_script_args == ["train", "c", "--run", "x"]


def test_both_start_one_rank_a_gpu_and_meet_at_the_first_node() -> None:
    for name, nodes in (("train.sbatch", '"$SLURM_NNODES"'), ("train-job.yaml", "2")):
        text = (DEPLOY / name).read_text()
        assert f"--nnodes {nodes}" in text
        assert "--rdzv-backend c10d" in text
    assert "completions: 2 " in (DEPLOY / "train-job.yaml").read_text()
