"""The engine `dask`: Beam's DaskRunner on a scheduler that is running already, its workers on any machines.

Beam's part is used as it is. Around it: the scheduler and its workers are looked at before they get work, watched while
they have it, and believed only what they have finished. (DaskRunner says "done" when its scheduler has died.)
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dask.dask_runner import DaskRunner
from distributed import Client, KilledWorker

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import TEMPORARY, write_bytes
from webtext.corpus.stages import WORK
from webtext.pipelines.failures import carried
from webtext.pipelines.handshake import ABSENT, describe, differences, sees
from webtext.pipelines.sittings import Backend, Sitting

CONNECT_SECONDS = 10
"""For the first answer of a scheduler, and then for its first worker."""

GRACE = 30.0
"""Seconds without any worker after which a pipeline is given up: a nanny starts a new one within a few."""

LOOK_SECONDS = 1.0
"""Between two questions to the scheduler whether it has workers."""

PARTITIONS_A_THREAD = 8
"""Partitions of Dask a thread: few enough that one extractor serves many pages, enough to even out the last ones."""

_AGAIN = "the same command goes on where it was once the cluster is there again"


@dataclass(frozen=True)
class Dask(Backend):
    """A scheduler whose workers were met, with `threads` threads in all."""

    address: str
    flags: tuple[str, ...]
    threads: int

    @property
    def local(self) -> bool:
        return False

    @classmethod
    def meet(cls, address: str, flags: Sequence[str], corpus: Path) -> Dask:
        """Look at scheduler and workers.

        Args:
            address: of the scheduler, tcp://HOST:PORT.
            flags: options of Beam's DaskRunner.
            corpus: the folder that all workers have to see.

        Raises:
            UsageError: no address.
            WebtextError: nobody answers, there is no worker, or scheduler or workers differ from this machine.
        """
        quiet_distributed()
        client = _connect(address)
        try:
            threads = _threads(client, address)
            _compare(client, address)
            _check_folder(client, corpus)
        finally:
            _close(client)
        return cls(address, tuple(flags), threads)

    def sitting(self, workers: int) -> Sitting:
        return _DaskSitting(self)


class _Runner(DaskRunner):  # type: ignore[misc]  # Beam's classes have no types here
    """Beam's, with a word to `spread`: a GroupByKey of n partitions takes n^1.5 of Dask's tasks (100: 8 s)."""

    deals_out = True


class _DaskSitting(Sitting):
    def __init__(self, cluster: Dask) -> None:
        self._cluster = cluster
        self._result: Any = None
        self._over = False
        self._lock = threading.Lock()
        self._alone: float | None = None
        self._looked = 0.0

    def runner(self) -> DaskRunner:
        return _Runner()

    def options(self) -> PipelineOptions:
        flags = [f"--dask_client_address={self._cluster.address}", f"--dask_connection_timeout={CONNECT_SECONDS}"]
        if not any(flag.startswith(("--dask_npartitions", "--dask_partition_size")) for flag in self._cluster.flags):
            flags.append(f"--dask_npartitions={PARTITIONS_A_THREAD * self._cluster.threads}")
        return PipelineOptions([*flags, *self._cluster.flags])

    def began(self, result: Any) -> None:
        with self._lock:
            self._result = result
            over = self._over
        if over:  # given up while the runner was still connecting
            self._stop()

    def look(self, label: str) -> None:
        client = self._result.client if self._result is not None else None
        now = time.monotonic()
        if client is None or client.status != "running" or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            workers = client.scheduler_info(n_workers=0)["n_workers"]
        except OSError:  # it goes away at this moment: its futures are cancelled, and `finished` tells
            return
        if workers:
            self._alone = None
            return
        self._alone = self._alone or now
        if now - self._alone > GRACE:
            raise WebtextError(f"'{label}' has no workers left", where=self._cluster.address, hint=_AGAIN)

    def finished(self, label: str) -> None:
        if any(future.status != "finished" for future in self._result.futures):
            raise self._gone(label)

    def end(self, *, failed: bool) -> None:
        with self._lock:
            self._over = True
            began = self._result is not None
        if began:
            self._stop(cancel=failed)

    def explain(self, error: BaseException, label: str) -> BaseException:
        inner = carried(error)
        if inner is not None:
            return _as_seen_from_a_worker(inner)
        if isinstance(error, KilledWorker):
            return WebtextError(
                f"'{label}' ended worker after worker of the cluster (out of memory, or killed)",
                where=self._cluster.address,
                hint="give the workers more memory or fewer threads (--nthreads); then run the same command again",
            )
        if isinstance(error, (OSError, TimeoutError)):  # CommClosedError among them
            return self._gone(label)
        return error

    def _gone(self, label: str) -> WebtextError:
        return WebtextError(f"the scheduler went away during '{label}'", where=self._cluster.address, hint=_AGAIN)

    def _stop(self, *, cancel: bool = True) -> None:
        client = self._result.client
        if cancel and client.status == "running":
            with suppress(Exception):  # it may go away at this moment, and we want to be rid of it
                self._result.cancel()
        _close(client)


def quiet_distributed() -> None:
    """What matters arrives as an exception. The library gives some of its loggers levels of their own."""
    for name in ("distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _connect(address: str) -> Client:
    if not address:
        raise UsageError("--engine dask needs the address of a scheduler", hint="--address tcp://HOST:8786")
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except ValueError as error:
        raise UsageError(
            f"is no address of a Dask scheduler ({error})", where=address, hint="it looks like tcp://HOST:8786"
        ) from error
    except (OSError, TimeoutError) as error:
        raise WebtextError(
            "no Dask scheduler answers",
            where=address,
            hint="start one (dask scheduler), or correct --address; the scheduler prints its own",
        ) from error


def _threads(client: Client, address: str) -> int:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        hint = f"start some: dask worker {address}"
        raise WebtextError("the scheduler has no workers", where=address, hint=hint) from error
    return max(1, sum(int(threads) for threads in client.nthreads().values()))


def _compare(client: Client, address: str) -> None:
    """Refuse a scheduler (it unpacks what we send) or a worker that works with other software."""
    ours = describe()
    answers = {("the scheduler", address): _scheduler_says(client)}
    answers |= {("a worker", where): answer for where, answer in _workers_say(client).items()}
    for (who, where), theirs in answers.items():
        if found := differences(ours, theirs):
            raise WebtextError(
                f"{who} works with other software than this command: {'; '.join(found)}",
                where=where,
                hint="install the same webtext with the same constraints.txt on every machine: the bytes depend on it",
            )


def _scheduler_says(client: Client) -> Mapping[str, str]:
    with suppress(Exception):  # however it shows that our code is not there
        answer: Mapping[str, str] = client.run_on_scheduler(describe)
        return answer
    with suppress(PackageNotFoundError):
        return _stranger(client.run_on_scheduler(version, "webtext"))
    return _stranger(ABSENT)


def _workers_say(client: Client) -> dict[str, Mapping[str, str]]:
    answers: dict[str, Any] = client.run(describe, on_error="return")
    strange = [where for where, answer in answers.items() if not isinstance(answer, dict)]
    for where, release in client.run(version, "webtext", on_error="return", workers=strange).items() if strange else ():
        answers[where] = _stranger(release if isinstance(release, str) else ABSENT)
    return answers


def _stranger(release: str) -> dict[str, str]:
    """What is known of a process in which `describe` does not run."""
    return {"webtext": release, "webtext's code": "another"}


def _check_folder(client: Client, corpus: Path) -> None:
    token = secrets.token_hex(8)
    probe = corpus / WORK / f".probe{TEMPORARY}{token}"
    write_bytes(probe, token.encode())
    try:
        blind = [where for where, seen in client.run(sees, str(probe), token).items() if not seen]
    finally:
        probe.unlink(missing_ok=True)
        with suppress(OSError):  # others have their parts there
            probe.parent.rmdir()
    if blind:
        raise WebtextError(
            f"{len(blind)} of the workers do not see this folder, the first of them {blind[0]}",
            where=corpus,
            hint="corpus and dumps must lie in a folder that all machines share under the same path (NFS, or the like)",
        )


def _as_seen_from_a_worker(error: WebtextError) -> WebtextError:
    if error.message != "no such file or folder":
        return error
    return WebtextError(
        "a worker finds no such file or folder",
        where=error.where,
        hint="all machines must share corpus and dumps under the same path",
    )


def _close(client: Client) -> None:
    with suppress(Exception):  # a client whose scheduler is gone cannot say goodbye
        client.close(timeout=2)
