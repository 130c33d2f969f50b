"""Worker processes of this machine that stay from one pipeline to the next: to start one takes a second of its core.

Beam's own subprocess environment starts its workers anew for every pipeline, and a stage is several pipelines. How they
come into being is told in `webtext.pipelines.members`.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from functools import partial
from typing import Any

from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
from apache_beam.transforms.environments import Environment
from google.protobuf import json_format, text_format

from webtext.pipelines.members import Member, Members


class Crew:
    """Worker processes, ended when nothing refers to the crew any more, and at the end of this process."""

    def __init__(self) -> None:
        self._members = Members()
        self._idle: list[Member] = []
        self._lock = threading.Lock()
        self._urn = f"webtext:crew:{uuid.uuid4()}"
        weakref.finalize(self, self._members.end)

    def muster(self, count: int) -> Environment:
        """Have `count` members ready, and the environment in which a pipeline meets them.

        To be called in a thread that outlives the pipeline: Linux ends a worker with the thread that started it.
        """
        while len(self._members) < count:
            self._idle.append(self._members.begin())
        # Beam knows how to make a worker from a URN alone: this crew's is its own.
        WorkerHandler.register_environment(self._urn, bytes)(partial(_Handler, weakref.ref(self)))
        return _CrewEnvironment(self._urn)

    def whole(self) -> bool:
        """Whether every member is alive: to be asked while a pipeline runs."""
        return all(member.alive() for member in self._members)

    def end(self) -> list[int]:
        """End the members, whatever they are at, and what they started; their process ids."""
        ended = [member.pid for member in self._members]
        self._members.end()
        self._idle.clear()
        return ended

    def take(self) -> Member:
        """An idle member; in a thread of Beam's."""
        with self._lock:
            return self._idle.pop()

    def give_back(self, member: Member) -> None:
        with self._lock:
            self._idle.append(member)


class _CrewEnvironment(Environment):  # type: ignore[misc]  # Beam has no types
    """Says in a pipeline that its functions run in the members of a crew."""

    def __init__(self, urn: str) -> None:
        super().__init__()
        self._urn = urn

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return self._urn, b""


class _Handler(GrpcWorkerHandler):  # type: ignore[misc]  # Beam has no types
    """What Beam's runner knows of a worker: a member, for the time of one pipeline."""

    def __init__(
        self, crew: weakref.ref[Crew], _payload: bytes, state: Any, provision_info: Any, grpc_server: Any
    ) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._crew = crew
        self._member: Member | None = None

    def start_worker(self) -> None:
        crew = self._crew()
        if crew is None:
            return
        control = text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=self.control_address))
        self._member = crew.take()
        self._member.work(
            {
                "WORKER_ID": self.worker_id,
                "CONTROL_API_SERVICE_DESCRIPTOR": control,
                "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
            }
        )

    def stop_worker(self) -> None:
        crew, member = self._crew(), self._member
        if member is not None and member.rested() and crew is not None:
            crew.give_back(member)
