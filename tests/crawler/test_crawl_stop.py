"""A crawl that is stopped, whose process or parent dies, whose disk is full: nothing is lost, the next call goes on."""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from children import children
from crawling import QUICK, WildServer, crawl, says, silent
from small_web import write_warc

from webtext.corpus.errors import Interrupted, WebtextError
from webtext.corpus.files import write_json
from webtext.corpus.interrupts import Stop
from webtext.crawler.fetch import child
from webtext.crawler.fetch.crawl import pages_inputs
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.plan import Plan

HTML = [("Content-Type", "text/html")]


def test_a_stop_keeps_what_is_there_and_the_next_call_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the tenth link is under way, whichever that is: their order depends on the server's port."""
    server, stop, reached = WildServer(), Stop(raising=False), threading.Event()
    terminate, asked = child._Worker.terminate, itertools.count(1)

    def told(worker: child._Worker) -> None:
        terminate(worker)
        reached.set()

    def page(connection: socket.socket, wild: WildServer) -> None:
        if next(asked) == 10:
            stop.requested = True
            reached.wait(60)  # its answer comes after the signal
        says(b"<p>here")(connection, wild)

    monkeypatch.setattr(child._Worker, "terminate", told)
    with server.running():
        urls = [server.add(f"host{number}.test", "/", page) for number in range(40)]
        settings = replace(QUICK, concurrency=1, retries=0, timeout=60.0)
        with pytest.raises(Interrupted, match="goes on where it was"):
            crawl(tmp_path, urls, settings=settings, allow_loopback=server.hosts(), stop=stop)
        assert sum(name.endswith(".test/") for name in server.requests) == 10
        manifest = crawl(tmp_path, urls, settings=settings, allow_loopback=server.hosts())
        pages = [count for name, count in server.requests.items() if name.endswith(".test/")]
    # What was under way was finished, and nothing is asked for twice.
    assert (manifest.rows_out, pages) == (40, [1] * 40)


def test_the_crawl_process_dies_with_its_parent(tmp_path: Path) -> None:
    """However the parent ends: here by SIGKILL, which it cannot hand on."""
    server = WildServer()
    with server.running():
        url = server.add("slow.test", "/", silent)
        code = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
            f"from pathlib import Path; from crawling import QUICK, crawl; from dataclasses import replace\n"
            f"crawl(Path({str(tmp_path)!r}), [{url!r}], settings=replace(QUICK, timeout=600.0), "
            f"allow_loopback={server.hosts()!r})"
        )
        parent = psutil.Process(subprocess.Popen([sys.executable, "-c", code]).pid)
        while not server.requests["slow.test/"]:
            assert parent.status() != psutil.STATUS_ZOMBIE
            time.sleep(0.01)
        (child,) = parent.children()
        parent.kill()
        parent.wait()
        assert psutil.wait_procs([child], timeout=60)[1] == []
        # and leaves nothing that the next call could stumble over
        server.add("slow.test", "/", b"<p>quick")
        assert crawl(tmp_path, [url], settings=QUICK, allow_loopback=server.hosts()).rows_out == 1


def test_what_the_process_meets_reaches_its_parent_as_itself(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"PK\x03\x04" * 300)
    plan = Plan(pages=tmp_path, settings=QUICK, parent=os.getpid())
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    write_json(tmp_path / "plan.json", plan.to_json())
    done = subprocess.run(
        [sys.executable, "-m", "webtext.crawler.fetch.process", str(tmp_path / "plan.json")],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert error["kind"] == "DamagedFile"
    assert error["where"].endswith("ledger.sqlite")
    assert done.stderr == b""


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """As far as a test can fill one: the largest file this process and its children may write."""
    warc, corpus = tmp_path / "web.warc.gz", tmp_path / "corpus"
    chance = random.Random(3)
    urls = [f"http://a.example/{number}" for number in range(8)]
    write_warc(warc, [(url, 200, HTML, b"<p>" + chance.randbytes(30_000).hex().encode()) for url in urls])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(WebtextError, match="File too large"):
            crawl(corpus, urls, replay=[warc])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert crawl(corpus, urls, replay=[warc]).rows_out == 8


def test_a_stop_is_heeded_before_and_after_the_crawl_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, warc = Stop(raising=False), tmp_path / "web.warc.gz"
    urls = [f"http://a.example/{number}" for number in range(3)]
    write_warc(warc, [(url, 200, HTML, b"<p>x") for url in urls])
    stop.requested = True
    with pytest.raises(Interrupted):
        pages_inputs("links", [warc], stop)
    with pytest.raises(Interrupted):
        crawl(tmp_path / "corpus", urls, replay=[warc], stop=stop)
    assert not (tmp_path / "corpus/pages").exists()
    stop.requested = False

    def stopping(ledger: Ledger) -> None:
        stop.requested = True
        rest(ledger)

    rest = Ledger.rest
    monkeypatch.setattr(Ledger, "rest", stopping)
    with pytest.raises(Interrupted):
        crawl(tmp_path / "corpus", urls, replay=[warc], stop=stop)
    monkeypatch.undo()
    assert crawl(tmp_path / "corpus", urls, replay=[warc]).rows_out == 3


def test_a_signal_to_the_process_alone_ends_the_call(tmp_path: Path) -> None:
    """It comes with the third page, whichever that is; those after it are answered only when it has ended the call."""
    server = WildServer()
    asked = itertools.count(1)

    def page(connection, wild) -> None:  # type: ignore[no-untyped-def]
        number = next(asked)
        if number == 3:
            (child,) = [one for one in children() if "webtext.crawler.fetch.process" in one.cmdline()]
            child.send_signal(signal.SIGINT)
        (says(b"<p>x") if number <= 3 else silent)(connection, wild)

    with server.running():
        urls = [server.add(f"host{number}.test", "/", page) for number in range(30)]
        patient = replace(QUICK, concurrency=1, timeout=600.0)
        with pytest.raises(Interrupted, match="goes on where it was"):
            crawl(tmp_path, urls, settings=patient, allow_loopback=server.hosts())
        for number in range(30):
            server.add(f"host{number}.test", "/", b"<p>x")
        assert crawl(tmp_path, urls, settings=QUICK, allow_loopback=server.hosts()).rows_out == 30
