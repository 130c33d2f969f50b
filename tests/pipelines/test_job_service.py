"""Beam's portable runners: what the user says reaches the job service, what a worker says reaches the user.

The job service is Beam's own for tests, on loopback; Flink, Spark and Dataflow themselves are not run here.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from small_corpora import document, reworded, store_documents, words
from tasks import Slow, Touch, done

from webtext.corpus.config import shaping
from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import file_sha256
from webtext.corpus.outcomes import Stage
from webtext.corpus.settings import DedupSettings, EngineSettings
from webtext.corpus.stages import StageRun
from webtext.dedup.rules import RULES
from webtext.pipelines import job_service
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine
from webtext.pipelines.engines import choose_engine

HERE = "environment_type=beam:env:embedded_python:v1"
"""Where the job service's worker runs: in its own process."""


class Service(LocalJobServicer):  # type: ignore[misc]  # Beam's classes have no types here
    """Beam's job service for tests; keeps the options of every job."""

    def __init__(self, staging: Path) -> None:
        super().__init__(staging_dir=str(staging))
        self.jobs: list[dict[str, Any]] = []
        self.address = f"127.0.0.1:{self.start_grpc_server()}"

    def get_service_address(self) -> str:
        return "127.0.0.1"

    def create_beam_job(self, number: str, name: str, pipeline: Any, options: Any) -> Any:
        found = {key.split(":")[2]: value for key, value in dict(options).items()}
        self.jobs.append(found)
        return super().create_beam_job(number, name, pipeline, options)

    def DescribePipelineOptions(self, request: Any, context: Any = None) -> Any:
        parallelism = beam_job_api_pb2.PipelineOptionDescriptor(
            name="parallelism", type=beam_job_api_pb2.PipelineOptionType.INTEGER
        )
        return beam_job_api_pb2.DescribePipelineOptionsResponse(options=[parallelism])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    found = Service(tmp_path / "staging")
    yield found
    found.stop()


def clean(corpus: Path, engine: Engine) -> dict[str, str]:
    texts = [words(seed, 60) for seed in range(12)]
    rows = [document(f"{number}", text, karma=9) for number, text in enumerate(texts)]
    rows += [document(f"near-{number}", reworded(texts[number])) for number in range(3)]
    settings = DedupSettings()
    run = StageRun.begin(corpus, Stage.CLEAN, settings=shaping(settings), rules=RULES, inputs={"documents": "x"})
    manifest = make_clean(run, corpus, store_documents(corpus, rows), settings, engine=engine, accept_loss=True)
    assert dict(manifest.outcomes) == {"near-duplicate": 3}
    return {name: file_sha256(corpus / name) for name in manifest.files}


def test_a_whole_stage_through_a_job_service_has_the_same_bytes(service: Service, tmp_path: Path) -> None:
    engine = choose_engine(EngineSettings("portable", service.address, (HERE,)), 2, tmp_path)
    assert clean(tmp_path / "portable", engine) == clean(tmp_path / "local", Engine())
    assert len(service.jobs) >= 4


@pytest.mark.parametrize(
    ("name", "master"), [("flink", "flink_master"), ("spark", "spark_master_url"), ("portable", "job_endpoint")]
)
def test_address_and_options_reach_the_job_service(name: str, master: str, service: Service, tmp_path: Path) -> None:
    address = service.address if name == "portable" else "http://cluster.example:8081"
    options = ("parallelism=6", "--sdk_worker_parallelism=3", "experiments=one", "experiments=two", HERE)
    if name != "portable":
        options = (*options, f"job_endpoint={service.address}")
    choose_engine(EngineSettings(name, address, options), 2, tmp_path).each("touch", Touch(tmp_path), [1, 2, 3])
    assert done(tmp_path) == [1, 2, 3]
    (job,) = service.jobs
    assert job[master] == address
    assert job["parallelism"] == "6"
    assert job["sdk_worker_parallelism"] == "3"
    assert set(job["experiments"]) >= {"one", "two"}


def test_failures_arrive_as_themselves(service: Service, tmp_path: Path) -> None:
    engine = choose_engine(EngineSettings("portable", service.address, (HERE,)), 2, tmp_path)
    with pytest.raises(WebtextError, match="part 7: seven is damaged\n  make it again"):
        engine.each("touch", Touch(tmp_path, "error"), list(range(10)))
    with pytest.raises(RuntimeError, match="ZeroDivisionError: seven"):
        engine.each("touch", Touch(tmp_path, "bug"), list(range(10)))


def test_a_job_service_that_goes_away_is_told(service: Service, tmp_path: Path) -> None:
    until = tmp_path / "until"

    def stop() -> int:
        if list(tmp_path.glob("*.begun")):
            service.stop(0)
        return 0

    engine = choose_engine(EngineSettings("portable", service.address, (HERE,)), 2, tmp_path)
    with pytest.raises(
        WebtextError, match=r"the job service of portable went away during 'slow'.*\n  the same command"
    ):
        engine.each("slow", Slow(tmp_path, until), [1], made=stop)
    until.touch()


def test_an_option_that_nobody_knows_is_refused(service: Service, tmp_path: Path) -> None:
    for option, message in (
        ("paralelism=6", "the engine portable has no Beam option paralelism\n  did you mean parallelism?"),
        ("job_server_timeout=long", "a Beam option is wrong: argument --job_server_timeout.*: invalid int"),
        ("runner=FlinkRunner", "the Beam option runner is not for you to give\n  --engine says which runner"),
        ("=6", "'=6' is no Beam option\n  they look like NAME=VALUE"),
    ):
        with pytest.raises(UsageError, match=message.replace("?", r"\?")):
            choose_engine(EngineSettings("portable", service.address, (option,)), None, tmp_path)


def test_nobody_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_service, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        deaf = f"127.0.0.1:{other.getsockname()[1]}"
        for address, kind, message in (
            ("", UsageError, r"--engine portable needs the address of a job service\n  --address HOST:8099"),
            ("nowhere", UsageError, r"nowhere: is no address of a job service\n  it looks like HOST:8099"),
            ("127.0.0.1:1", WebtextError, r"127\.0\.0\.1:1: no job service answers \(.*refused.*\)\n  start it"),
            (deaf, WebtextError, rf"{deaf}: answers, but is no Beam job service"),
        ):
            with pytest.raises(kind, match=message):
                choose_engine(EngineSettings("portable", address), None, tmp_path)


def test_what_an_engine_needs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(WebtextError, match=r"job server of its own for flink, and that needs Java.*\n.*job_endpoint"):
        choose_engine(EngineSettings("flink", "localhost:8081"), None, tmp_path)
    with pytest.raises(UsageError, match="the engine dataflow takes no address"):
        choose_engine(EngineSettings("dataflow", "somewhere"), None, tmp_path)
    with pytest.raises(UsageError, match=r"the engine dataflow says: .*Missing required option: project; .*region\n"):
        choose_engine(EngineSettings("dataflow"), None, tmp_path)
    with pytest.raises(
        WebtextError, match="spark does not take the pipeline of 'touch': ValueError: Option spark_rest"
    ):
        choose_engine(EngineSettings("spark", "x", ("spark_submit_uber_jar",)), 2, tmp_path).each(
            "touch", Touch(tmp_path), [1]
        )
    with pytest.raises(UsageError, match="the engine local takes no address\n  name the engine it is for"):
        choose_engine(EngineSettings("local", "tcp://127.0.0.1:8786"), None, tmp_path)
    with pytest.raises(UsageError, match="the engine local takes no Beam option parallelism"):
        choose_engine(EngineSettings("local", "", ("parallelism=6",)), None, tmp_path)


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "webtext.pipelines.dask_cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WebtextError, match=r"dask needs distributed, which is not installed\n.*webtext\[dask\]"):
        choose_engine(EngineSettings("dask", "tcp://127.0.0.1:8786"), None, tmp_path)
    missing = job_service.Kind("apache_beam.no_such_module", "Runner")
    monkeypatch.setitem(job_service.KINDS, "dataflow", missing)  # type: ignore[arg-type]
    with pytest.raises(
        WebtextError, match=r"the engine dataflow needs packages .*no_such_module.*\n.*apache-beam\[gcp"
    ):
        choose_engine(EngineSettings("dataflow"), None, tmp_path)
