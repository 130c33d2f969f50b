"""Why the portable subset is what it is: seen on Beam's own DaskRunner, with a real scheduler and two workers.

Should one of these fail after an upgrade of Beam, a trap is gone, and the subset may grow.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from clusters import Cluster, dask_cluster
from tasks import Slow
from traps import SILENT, left

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("trap", SILENT)
def test_the_local_runner_does_it_right(trap: str, tmp_path: Path) -> None:
    build, _, right, _ = SILENT[trap]
    pipeline = beam.Pipeline(runner=FnApiRunner())
    build(pipeline, str(tmp_path))
    assert pipeline.run().wait_until_finish() == "DONE"
    assert left(tmp_path) == right


@pytest.mark.parametrize("trap", SILENT)
def test_dask_says_done_and_is_wrong(trap: str, tmp_path: Path, cluster: Cluster) -> None:
    from apache_beam.runners.dask.dask_runner import DaskRunner

    build, _, right, wrong = SILENT[trap]
    options = PipelineOptions([f"--dask_client_address={cluster.address}", "--dask_npartitions=4"])
    pipeline = beam.Pipeline(runner=DaskRunner(), options=options)
    build(pipeline, str(tmp_path))
    result = pipeline.run()
    assert result.wait_until_finish() == "DONE"
    result.client.close()
    assert left(tmp_path) == wrong != right


def test_dask_says_done_when_its_scheduler_has_died(tmp_path: Path) -> None:
    """Not a transform: the runner itself. `webtext.pipelines.dask_cluster` looks at the futures for this reason."""
    from apache_beam.runners.dask.dask_runner import DaskRunner

    with dask_cluster(tmp_path / "cluster") as cluster:
        options = PipelineOptions([f"--dask_client_address={cluster.address}"])
        pipeline = beam.Pipeline(runner=DaskRunner(), options=options)
        _ = pipeline | beam.Create([1], reshuffle=False) | beam.Map(Slow(tmp_path, tmp_path / "never"))
        result = pipeline.run()
        while not (tmp_path / "1.begun").exists():
            assert cluster.scheduler.poll() is None
            time.sleep(0.01)
        cluster.scheduler.kill()
        assert result.wait_until_finish() == "DONE"
        assert [future.status for future in result.futures] == ["cancelled"]
        assert not (tmp_path / "1").exists()
        result.client.close(timeout=1)
