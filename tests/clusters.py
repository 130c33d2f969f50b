"""A real Dask cluster for tests: a scheduler and workers, processes of their own that listen on loopback alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]

WEB = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")  # without the latter it listens on every address


@dataclass
class Cluster:
    """A scheduler, its address, and its workers; `folder` holds their logs."""

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(self, environment: Mapping[str, str] | None = None, *, code: str = "", threads: int = 1) -> None:
        """Start a worker; `code` runs in it first."""
        main = f"{code}\nfrom distributed.cli.dask_worker import main; main()"
        arguments = [self.address, "--no-nanny", "--nthreads", str(threads), "--host", "127.0.0.1", *WEB]
        arguments += ["--local-directory", str(self.folder), "--memory-limit", "0"]
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(_start([sys.executable, "-P", "-c", main, *arguments], log, environment))

    def wait(self) -> None:
        """Until every worker that was started has joined: on a loaded machine that takes its time."""
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=120)

    def stop(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.scheduler):
            process.kill()
        for process in (*self.workers, self.scheduler):
            process.wait()


@contextmanager
def dask_cluster(folder: Path, *, workers: int = 2, environment: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster that is up; its processes find what tests define themselves (they are sent by name)."""
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "scheduler.json"
    arguments = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address), *WEB]
    command = [sys.executable, "-P", "-m", "distributed.cli.dask_scheduler", *arguments]
    scheduler = _start(command, folder / "scheduler.log", environment)
    try:
        cluster = Cluster(folder, _address(address, scheduler), scheduler)
    except BaseException:
        scheduler.kill()
        raise
    try:
        for _ in range(workers):
            cluster.add(environment)
        if workers:
            cluster.wait()
        yield cluster
    finally:
        cluster.stop()


def _address(path: Path, scheduler: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        if path.exists() and (text := path.read_text()):
            return str(json.loads(text)["address"])
        assert scheduler.poll() is None, (path.parent / "scheduler.log").read_text()
        time.sleep(0.1)
    raise AssertionError("the scheduler does not start")


def _start(command: list[str], log: Path, environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    kept = {name: value for name, value in os.environ.items() if name != "WEBTEXT_FAULT"}
    given = {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **(environment or {})}
    with log.open("wb") as file:
        return subprocess.Popen(command, env=given, stdout=file, stderr=subprocess.STDOUT)
