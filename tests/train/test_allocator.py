from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

BLOCKS = """
import os, resource
import numpy
from webtext.train.allocator import kept_memory

def left():  # megabytes that stay resident of 400 which were allocated and freed
    blocks = [numpy.ones(5_000_000) for _ in range(10)]
    del blocks
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6 - start

start = 0
start = left()
with kept_memory("cuda"):
    print(left() > 100)
with kept_memory("cpu"):
    print(left() > 300)
print(left() > 100)
os.environ["MALLOC_TRIM_THRESHOLD_"] = "131072"
with kept_memory("cpu"):
    print(left() > 100)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_is_kept_while_a_cpu_trains_and_then_given_back() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-P", "-c", BLOCKS], env=clean, capture_output=True, text=True, check=True)
    other_device, kept, afterwards, users_own = done.stdout.split()
    assert (other_device, kept, afterwards, users_own) == ("False", "True", "False", "False")
