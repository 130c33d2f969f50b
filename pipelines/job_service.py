"""The engines `flink`, `spark`, `dataflow` and `portable`: Beam's own runners, told what the user tells them.

They take a pipeline to a job service (Beam's for Flink and Spark is a Java program, started by Beam where none is
named) or to Google. webtext adds nothing but a look before and a word after. Not for their options: those are Beam's.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.runner import PipelineState

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.progress import say
from webtext.pipelines.beam_options import named, refuse_unknown, unknown
from webtext.pipelines.failures import carried
from webtext.pipelines.sittings import Backend, Sitting

CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Kind:
    """A runner of Beam's: where it is, which option an address is, and which options do without Java here."""

    module: str
    runner: str
    address: str = ""
    without_java: tuple[str, ...] = ()


_PORTABILITY = "apache_beam.runners.portability"
KINDS: Mapping[str, Kind] = {
    "flink": Kind(f"{_PORTABILITY}.flink_runner", "FlinkRunner", "flink_master", ("flink_submit_uber_jar",)),
    "spark": Kind(f"{_PORTABILITY}.spark_runner", "SparkRunner", "spark_master_url", ("spark_submit_uber_jar",)),
    "portable": Kind(f"{_PORTABILITY}.portable_runner", "PortableRunner", "job_endpoint"),
    "dataflow": Kind("apache_beam.runners.dataflow.dataflow_runner", "DataflowRunner"),
}


@dataclass(frozen=True)
class JobService(Backend):
    """One of `KINDS` with its flags, checked."""

    name: str
    flags: tuple[str, ...]

    @property
    def local(self) -> bool:
        return False

    @classmethod
    def meet(cls, name: str, address: str, flags: Sequence[str]) -> JobService:
        """Check what can be checked before a pipeline is sent.

        Raises:
            UsageError: an address that is missing or not taken, an option that nobody knows.
            WebtextError: no job service answers; Java or a package is missing.
        """
        kind = KINDS[name]
        if address and not kind.address:
            raise UsageError(f"the engine {name} takes no address", hint="its options go in --beam-option")
        flags = (*([f"--{kind.address}={address}"] if address else []), *flags)
        _runner_class(name)
        endpoint = named(flags, "job_endpoint")
        if name == "portable" and not endpoint:
            raise UsageError("--engine portable needs the address of a job service", hint="--address HOST:8099")
        if endpoint:
            refuse_unknown(flags, name, _described(endpoint))
        elif name == "dataflow":
            refuse_unknown(flags, name)
        else:
            _check_java(kind, name, flags)
            for option in unknown(flags):
                say(f"{name}: Beam does not know the option {option} itself; whether it counts, its job server decides")
        _validate(name, flags)
        return cls(name, flags)

    def sitting(self, workers: int) -> Sitting:
        return _JobSitting(self)


class _JobSitting(Sitting):
    def __init__(self, service: JobService) -> None:
        self._service = service
        self._result: Any = None

    def runner(self) -> Any:
        return _runner_class(self._service.name)()

    def options(self) -> PipelineOptions:
        return PipelineOptions(list(self._service.flags))

    def began(self, result: Any) -> None:
        self._result = result

    def finished(self, label: str) -> None:
        try:
            state = self._result.state
        except grpc.RpcError as error:
            raise self._gone(error, label) from error
        if state != PipelineState.DONE:
            raise WebtextError(
                f"'{label}' ended on {self._service.name} as {state}",
                hint="run the same command again: it goes on where it was",
            )

    def end(self, *, failed: bool) -> None:
        if failed and self._result is not None:
            with suppress(Exception):  # the job service may be what failed
                if not PipelineState.is_terminal(self._result.state):
                    self._result.cancel()

    def explain(self, error: BaseException, label: str) -> BaseException:
        if (inner := carried(error)) is not None:
            return inner
        service = self._service.name
        if self._result is None:  # it never got there: no jar, no Docker, no credentials …
            return WebtextError(f"{service} does not take the pipeline of '{label}': {_first_line(error)}")
        if "failed in state" in str(error) and "Traceback" not in str(error):
            return WebtextError(f"'{label}' failed on {service}: {_first_line(error)}")
        if isinstance(error, grpc.RpcError):
            return self._gone(error, label)
        return error

    def _gone(self, error: grpc.RpcError, label: str) -> WebtextError:
        return WebtextError(
            f"the job service of {self._service.name} went away during '{label}' ({_code(error)})",
            hint="the same command goes on where it was once it is there again",
        )


def _runner_class(name: str) -> Any:
    kind = KINDS[name]
    try:
        return getattr(import_module(kind.module), kind.runner)
    except ImportError as error:
        extra = "gcp" if name == "dataflow" else "extras"
        raise WebtextError(
            f"the engine {name} needs packages that are not installed ({error})",
            hint=f"pip install 'apache-beam[{extra}]'",
        ) from error


def _described(endpoint: str) -> list[str]:
    """The options that a job service says it takes."""
    if endpoint == "embed":
        return []
    _check_answers(endpoint)
    with closing(grpc.insecure_channel(endpoint)) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        try:
            request = beam_job_api_pb2.DescribePipelineOptionsRequest()
            return [option.name for option in service.DescribePipelineOptions(request, timeout=CONNECT_SECONDS).options]
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return []
            raise WebtextError(
                f"answers, but is no Beam job service ({_code(error)})", where=endpoint, hint="is it the right port?"
            ) from error


def _check_answers(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError("is no address of a job service", where=endpoint, hint="it looks like HOST:8099")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise WebtextError(
            f"no job service answers ({error})", where=endpoint, hint="start it, or correct its address"
        ) from error


def _check_java(kind: Kind, name: str, flags: Sequence[str]) -> None:
    if any(named(flags, option) is not None for option in kind.without_java):
        return
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java") and not (home and shutil.which("java", path=os.path.join(home, "bin"))):  # noqa: PTH118
        raise WebtextError(
            f"Beam starts a job server of its own for {name}, and that needs Java, which is not installed here",
            hint="install Java, or name a job server that runs: --beam-option job_endpoint=HOST:8099",
        )


def _validate(name: str, flags: Sequence[str]) -> None:
    """Beam's own look at the options, before there is anything to send."""
    problems = PipelineOptionsValidator(PipelineOptions(list(flags)), _runner_class(name)()).validate()
    if problems:
        told = "; ".join(problem.strip().rstrip(".") for problem in problems)
        raise UsageError(f"the engine {name} says: {told}", hint="such options go in --beam-option NAME=VALUE")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _code(error: grpc.RpcError) -> str:
    return str(error.code().name) if hasattr(error, "code") else type(error).__name__
