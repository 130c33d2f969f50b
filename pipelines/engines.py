"""Which engine a command runs on: the names a user may give, and how each is made ready.

Engines of their own libraries are imported only when they are named.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.settings import EngineSettings
from webtext.pipelines.beam_options import as_flags, refuse_unknown
from webtext.pipelines.engine import Engine
from webtext.pipelines.local import Local


def choose_engine(settings: EngineSettings, workers: int | None, corpus: Path) -> Engine:
    """The engine of these settings, ready to run.

    Args:
        workers: as the user asked for; None: one a core of this machine, or what the cluster has.
        corpus: the folder; on other engines than `local` its path must be absolute, for it is a worker's, too.

    Raises:
        UsageError: an address or an option that does not belong to this engine, or is missing.
        WebtextError: the engine's package is missing; nobody answers at the address; the machines differ.
    """
    flags = as_flags(settings.options)
    if settings.name == "local":
        _refuse(settings.address, flags)
        return Engine(workers or cores(), corpus, Local())
    if settings.name == "dask":
        return _dask(settings.address, flags, workers, corpus)
    from webtext.pipelines.job_service import JobService

    return Engine(workers or cores(), corpus, JobService.meet(settings.name, settings.address, flags))


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refuse(address: str, flags: Sequence[str]) -> None:
    given = "address" if address else f"Beam option {flags[0].lstrip('-')}" if flags else ""
    if given:
        raise UsageError(f"the engine local takes no {given}", hint="name the engine it is for, like --engine dask")


def _dask(address: str, flags: Sequence[str], workers: int | None, corpus: Path) -> Engine:
    try:
        import distributed  # noqa: F401 - before Beam's part, which fails otherwise where it is missing
    except ModuleNotFoundError as error:
        raise WebtextError(
            f"the engine dask needs {error.name}, which is not installed", hint="pip install 'webtext[dask]'"
        ) from error
    from webtext.pipelines.dask_cluster import Dask

    refuse_unknown(flags, "dask")
    cluster = Dask.meet(address, flags, corpus)
    return Engine(workers or _power_of_two(cluster.threads), corpus, cluster)


def _power_of_two(threads: int) -> int:
    """At least `threads`: what work is cut into should not change whenever a worker comes or goes."""
    return 1 << (threads - 1).bit_length()
