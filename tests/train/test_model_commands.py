"""`webtext train` on a folder of shards, and `webtext generate`, as their user sees them."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from commands import command, environment
from typer.testing import CliRunner

from webtext.cli import app
from webtext.corpus.errors import UsageError, WebtextError
from webtext.models import ShardsFolder, open_models
from webtext.train.log import read_log

QUICK = ("--batch-tokens", 512, "--samples", 0, "--device", "cpu")


def run(*arguments: object, typed: str | None = None) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, corpus_writer: Callable[..., Path]) -> Path:
    """A folder of shards by itself, trained on for 4 steps."""
    corpus = corpus_writer(tmp_path_factory.mktemp("commands"))
    folder = corpus.parent / "my-shards"
    shutil.move(corpus / "shards", folder)
    shutil.move(corpus / "tokenizer", folder / "tokenizer")
    run("train", folder, "--preset", "tiny", "--steps", 4, "--save-every", 2, *QUICK)
    return folder


def test_a_folder_of_shards_is_trained_on(shards: Path) -> None:
    names = sorted(path.name for path in (shards / "runs" / "default").iterdir())
    assert names == ["checkpoints", "log.jsonl", "loss.svg", "run.json"]
    assert isinstance(open_models(shards), ShardsFolder)
    trace = open_models(shards).trace_step(step=2)
    assert trace.position == 4


def test_the_shards_of_a_corpus_mean_the_corpus(shards: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(shards, corpus / "shards")
    (corpus / "webtext.toml").write_text("")
    opened = open_models(corpus / "shards")
    assert opened.path == corpus
    with pytest.raises(WebtextError, match="is no corpus"):
        open_models(tmp_path)


def test_every_flag_reaches_the_run(shards: Path) -> None:
    done = run(
        "train", shards, "--run", "flags", "--preset", "tiny", "--steps", 3, "--seed", 7, "--batch-tokens", 256,
        "--micro-batch", 1, "--learning-rate", 0.001, "--decay-steps", 9, "--save-every", 1, "--eval-every", 3,
        "--eval-windows", 1, "--keep", 1, "--samples", 1, "--overfit-one-batch", "--device", "cpu", "--json",
    )  # fmt: skip
    report = json.loads(done.stdout)
    folder = Path(report["folder"])
    begun = json.loads((folder / "run.json").read_text())
    assert {name: begun[name] for name in ("seed", "learning_rate", "batch_tokens", "decay_steps")} == {
        "seed": 7, "learning_rate": 0.001, "batch_tokens": 256, "decay_steps": 9,
    }  # fmt: skip
    assert begun["overfit_one_batch"] is True
    validations = [line for line in read_log(folder / "log.jsonl") if "val_loss" in line]
    assert [(line["step"], line["val_windows"]) for line in validations] == [(3, 1)]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-000003"]
    assert Path(report["samples"]).read_text().count(" SAMPLE ") == 1
    init = run("train", shards, "--run", "init", "--init", report["checkpoint"], "--steps", 1, *QUICK, "--json")
    assert (
        json.loads((Path(json.loads(init.stdout)["folder"]) / "run.json").read_text())["init_folder"]
        == (report["checkpoint"])
    )


def test_a_refused_run_leaves_nothing(shards: Path) -> None:
    with pytest.raises(UsageError, match="no such preset"):
        run("train", shards, "--run", "refused", "--preset", "huge")
    assert not (shards / "runs" / "refused").exists()


def test_one_text_is_streamed_and_more_are_separated(shards: Path) -> None:
    options = ("--prompt", " the fox", "--max-tokens", 8, "--device", "cpu")
    one = run("generate", shards, *options).stdout
    assert one.startswith(" the fox") and one.endswith("\n") and one.count("\n") == 1
    three = run("generate", shards, *options, "--samples", 3).stdout
    assert three.split(f"{'-' * 40}\n")[0] == one
    assert three.count("-" * 40) == 2
    assert json.loads(run("generate", shards, *options, "--samples", 2, "--json").stdout) == {
        "prompt": " the fox",
        "samples": [text.removesuffix("\n") for text in three.split(f"{'-' * 40}\n")[:2]],
    }


def test_a_checkpoints_folder_writes_the_same(shards: Path) -> None:
    options = ("--prompt", " a", "--max-tokens", 8, "--device", "cpu", "--top-p", 0.9)
    checkpoints = shards / "runs" / "default" / "checkpoints"
    assert run("generate", checkpoints / "step-000004", *options).stdout == run("generate", shards, *options).stdout
    second = run("generate", checkpoints / "step-000002", *options).stdout
    assert run("generate", shards, *options, "--checkpoint", 2).stdout == second
    assert run("generate", shards, *options, "--checkpoint", "best").exit_code == 0


def test_prompts_come_from_a_file_or_standard_input(shards: Path, tmp_path: Path) -> None:
    options = ("--max-tokens", 4, "--device", "cpu", "--json", "--temperature", 0)
    (tmp_path / "prompts.txt").write_bytes(b" the\r\n\n a small")
    plain = run("generate", shards, "--prompts", tmp_path / "prompts.txt", *options).stdout
    found = [json.loads(line) for line in plain.splitlines()]
    assert [entry["prompt"] for entry in found] == [" the", "", " a small"]
    assert all(len(entry["samples"]) == 1 for entry in found)
    (tmp_path / "prompts.jsonl").write_text('" the"\n{"prompt": "", "id": 7}\n" a small"\n')
    assert run("generate", shards, "--prompts", tmp_path / "prompts.jsonl", *options).stdout == plain
    assert run("generate", shards, "--prompts", "-", *options, typed=" the\n\n a small\n").stdout == plain
    alone = run("generate", shards, "--prompt", " a small", *options).stdout
    assert json.loads(alone) == found[2]


def test_a_stop_text_ends_it(shards: Path) -> None:
    options = ("--prompt", " the", "--max-tokens", 12, "--device", "cpu", "--temperature", 0)
    whole = run("generate", shards, *options).stdout
    written = whole.removeprefix(" the")
    cut = run("generate", shards, *options, "--stop", "never there", "--stop", written[3:6]).stdout
    assert cut == " the" + written[: written.index(written[3:6])] + "\n"


def test_prompts_are_asked_for_until_the_end(shards: Path) -> None:
    options = ("--max-tokens", 5, "--device", "cpu")
    found = run("generate", shards, "--interactive", *options, typed=" the\n a\n").stdout
    first = run("generate", shards, "--prompt", " the", *options, "--seed", 1).stdout
    second = run("generate", shards, "--prompt", " a", *options, "--seed", 2).stdout
    assert found == first + second


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--prompt", "a", "--interactive"), "takes one of --prompt, --prompts and --interactive"),
        (("--prompts", "{folder}/none.txt"), "no such file"),
        (("--prompts", "{folder}/empty.txt"), "holds no prompt"),
        (("--prompts", "{folder}/latin.txt"), r"latin.txt:2: is no UTF-8"),
        (("--prompts", "{folder}/wrong.jsonl"), r"wrong.jsonl:1: is no prompt"),
        (("--prompts", "{folder}/broken.jsonl"), r"broken.jsonl:2: is no JSON"),
        (("--top-p", "0"), "top_p is 0.0"),
        (("--seed", "-1"), "seed is -1"),
        (("--stop", ""), "--stop takes a text"),
        (("--checkpoint", "9"), "there are 2, 4"),
        (("--run", "other"), "has no checkpoint yet"),
        (("--device", "abacus"), "no such device"),
    ],
)
def test_wrong_use_is_told(shards: Path, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "latin.txt").write_bytes(b"one\ncaf\xe9\n")
    (tmp_path / "wrong.jsonl").write_text("[1]\n")
    (tmp_path / "broken.jsonl").write_text('"a"\n{\n')
    with pytest.raises(WebtextError) as caught:
        run("generate", shards, *(argument.format(folder=tmp_path) for argument in arguments))
    assert told in str(caught.value)


@pytest.mark.slow
def test_a_conversation_on_a_terminal(shards: Path) -> None:
    """A prompt, a text that Ctrl-C ends, another prompt, Ctrl-D."""
    leader, follower = pty.openpty()
    # Greedy, this model repeats itself for ever; what is sampled may end by itself before the signal is there.
    started = subprocess.Popen(
        command("generate", shards, "--interactive", "--temperature", 0, "--max-tokens", 100_000, "--device", "cpu"),
        stdin=follower, stdout=follower, stderr=subprocess.PIPE, env=environment(), start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown = b""

    def until(text: bytes) -> None:
        nonlocal shown
        limit = time.monotonic() + 60
        while text not in shown:
            ready, _, _ = select.select([leader], [], [], max(0.0, limit - time.monotonic()))
            assert ready, shown
            shown += os.read(leader, 4096)
        shown = shown[shown.index(text) + len(text) :]

    until(b"prompt> ")
    os.write(leader, b" the\n")
    until(b" the\r\n the")
    until(b" ")  # of the text: it is being written
    started.send_signal(2)
    until("…".encode())
    until(b"prompt> ")
    os.write(leader, b"\x04")
    assert started.wait(60) == 0
    assert b"Traceback" not in (started.stderr.read() if started.stderr else b"")
    os.close(leader)


@pytest.mark.slow
def test_a_disk_that_fills_while_saving_costs_nothing_that_was_saved(shards: Path, tmp_path: Path) -> None:
    """A file system with room for one checkpoint, then for all."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system (unshare -rm)")
    small = tmp_path / "small"
    small.mkdir()
    fresh = shutil.copytree(shards, tmp_path / "fresh", ignore=shutil.ignore_patterns("runs"))
    folder = small / "shards"
    train = " ".join(command("train", folder, "--preset", "tiny", "--steps", 4, "--save-every", 2, *QUICK))
    write = " ".join(command("generate", folder, "--max-tokens", 2, "--device", "cpu", "--json"))
    runs = f"ls {folder}/runs/default/checkpoints; find {small} -name '*.tmp-*'"
    script = (
        f"mount -t tmpfs -o size=18m tmpfs {small} && cp -r {fresh} {folder} && "
        f"{{ {train}; echo code $?; {runs}; {write}; "
        f"mount -o remount,size=64m {small} && {train}; echo code $?; {runs}; }}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], env=environment(), capture_output=True, text=True, check=False
    )
    first, second, *rest = done.stdout.splitlines()
    assert (first, second) == ("code 1", "step-000002"), done.stderr
    assert json.loads(rest[0])["samples"]
    assert rest[1:] == ["code 0", "step-000002", "step-000004"]
    assert "no space left on the device" in done.stderr
    assert "make room; the same command then goes on where it was" in done.stderr
    assert "Traceback" not in done.stderr
    assert "goes on from step 2" in done.stderr
