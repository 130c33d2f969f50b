"""The files in deploy/: what they are for, their schedulers understand, and their commands are ours."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from webtext.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
JOBS = ("crawl-job.yaml", "build-job.yaml")
SCRIPTS = ("crawl.sbatch", "build.sbatch")


def job(name: str) -> dict[str, Any]:
    (found,) = yaml.safe_load_all((DEPLOY / name).read_text())
    return dict(found)


def script(name: str) -> str:
    if name.endswith(".sbatch"):
        return (DEPLOY / name).read_text()
    (container,) = job(name)["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["/bin/sh", "-euc"]
    (text,) = container["args"]
    return str(text)


def commands(text: str) -> list[list[str]]:
    """The webtext commands in a script or a page."""
    found = re.findall(r"^\s*(?:exec )?webtext ([^#\n]*)", text, re.MULTILINE)
    return [shlex.split(line.rstrip(" &")) for line in found]


@pytest.mark.parametrize("name", [*JOBS, *SCRIPTS])
def test_scripts_are_shell(name: str) -> None:
    subprocess.run(["bash", "-n"], input=script(name), text=True, check=True)
    assert re.search(r"\bset -euo pipefail\b", script(name)) or name in JOBS


def test_jobs_are_what_kubernetes_takes_for_one() -> None:
    for name in JOBS:
        found = job(name)
        assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
        pod = found["spec"]["template"]["spec"]
        assert pod["restartPolicy"] == "Never"
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes
        assert pod["terminationGracePeriodSeconds"] >= 30
    spec = job("crawl-job.yaml")["spec"]
    assert spec["completionMode"] == "Indexed"
    assert "JOB_COMPLETION_INDEX + 1" in script("crawl-job.yaml")


@pytest.mark.parametrize("name", ["crawl-job.yaml", "crawl.sbatch"])
def test_a_shard_gets_its_links_whole_whenever_it_was_stopped_before(name: str, tmp_path: Path) -> None:
    """The script as it stands, but for where the corpora lie and what it runs."""
    (tmp_path / "my-corpus/links").mkdir(parents=True)
    (tmp_path / "my-corpus/links/stage.json").write_text("{}")
    (tmp_path / "my-corpus/webtext.toml").touch()
    (tmp_path / "shard-8/links.new").mkdir(parents=True)
    (tmp_path / "shard-8/links.new/half").touch()  # of a task that died while it copied
    (tmp_path / "webtext").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/ran\n')
    (tmp_path / "webtext").chmod(0o755)
    text = script(name).replace("/corpora/", f"{tmp_path}/")
    told = {"JOB_COMPLETION_INDEX": "7", "SLURM_ARRAY_TASK_ID": "8", "CORPORA": str(tmp_path), "CONTACT": "me@x.org"}
    path = f"{tmp_path}:/usr/bin:/bin"
    subprocess.run(["bash", "-eu"], input=text, text=True, check=True, env={**told, "PATH": path})
    assert [found.name for found in (tmp_path / "shard-8/links").iterdir()] == ["stage.json"]
    assert f"crawl {tmp_path}/shard-8 --shard 8/8 --workers 4" in (tmp_path / "ran").read_text()


def test_the_number_of_shards_is_one_everywhere() -> None:
    spec = job("crawl-job.yaml")["spec"]
    (joined,) = (words for words in commands(script("build-job.yaml")) if "--merge" in words)
    folders = [word for word in joined if word.startswith("shard-")]
    assert spec["completions"] == spec["parallelism"] == 8
    assert folders == [f"shard-{number}" for number in range(1, 9)]
    assert '"$shard/8"' in script("crawl-job.yaml")
    batch = script("crawl.sbatch")
    assert "#SBATCH --array=1-8\n" in batch
    assert "shards=8 " in batch


@pytest.mark.parametrize("path", [*(DEPLOY / name for name in (*JOBS, *SCRIPTS)), ROOT / "docs/many-machines.md"])
def test_their_commands_and_options_are_ours(path: Path) -> None:
    group: Any = typer.main.get_command(app)
    found = commands(path.read_text() if path.suffix == ".md" else script(path.name))
    assert found
    for name, *words in found:
        command = group.commands[name]
        known = {option for parameter in command.params for option in getattr(parameter, "opts", ())}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= known, f"webtext {name} has no {used - known}"
        if name != "links":
            numbers = [re.sub(r"\$\{?[A-Z_]+(:-\d+)?\}?", "4", word) for word in words]
            command.make_context(name, [re.sub(r"\$\w+", "1", word) for word in numbers], resilient_parsing=False)
