"""One small demo, walked once, for all tests of the demo."""

from __future__ import annotations

import pytest
from small_demo import SMALL, SmallDemo

from webtext.demo.build import build_web
from webtext.demo.finished import Finished
from webtext.demo.pages import DemoWeb
from webtext.demo.run import REQUESTS, run_demo
from webtext.demo.server import read_log


@pytest.fixture(scope="session")
def demo_web() -> DemoWeb:
    return build_web(SMALL)


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory, demo_web: DemoWeb) -> SmallDemo:
    folder = tmp_path_factory.mktemp("demo") / "webtext-demo"
    printed: list[str] = []
    # A worker process takes longer to start than there is to do; `webtext demo` has two of them.
    report = run_demo(folder, size=SMALL, workers=1, result=printed.append)
    finished = Finished(folder / "corpus", read_log(folder / REQUESTS))
    return SmallDemo(folder, demo_web, report, "\n".join(printed), finished)
