"""One Dask cluster of two workers for all slow tests of a session that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import Cluster, dask_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found
