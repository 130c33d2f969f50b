"""What all tests share: the real data, and one thread for everything numeric."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before numpy or torch start their pools: oversubscribed threads make the suite many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Hypothesis lifts its limits of time by itself only where CI is set.
settings.register_profile(
    "untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("untimed")


@pytest.fixture
def data() -> Path:
    """The folder of real test data; skips the test where WEBTEXT_TEST_DATA does not name it."""
    folder = os.environ.get("WEBTEXT_TEST_DATA")
    if not folder:
        pytest.skip("WEBTEXT_TEST_DATA is not set: no real data here")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"WEBTEXT_TEST_DATA names no folder: {path}")
    return path
