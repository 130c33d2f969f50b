"""Sources that are not local files: standard input, remote files over HTTP and in stores."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from webtext.corpus.errors import UsageError, WebtextError
from webtext.crawler.reddit import sources, spool
from webtext.crawler.reddit.remote import http_remote, store_remotes
from webtext.crawler.reddit.sources import Spool, find_sources
from webtext.crawler.reddit.spool import SPOOL, clear, local_path, spool_remote, spool_stdin

DATA = b"".join(b'{"id": "%d", "url": "http://a.example/%d", "is_self": false}\n' % (n, n) for n in range(50_000))


def test_standard_input_becomes_a_file_named_by_its_content(tmp_path: Path) -> None:
    first = spool_stdin(tmp_path / "s", None, io.BytesIO(DATA))
    assert first.read_bytes() == DATA
    assert first == spool_stdin(tmp_path / "s", None, io.BytesIO(DATA))
    assert first != spool_stdin(tmp_path / "s", None, io.BytesIO(DATA + b"\n"))
    assert len(list((tmp_path / "s").iterdir())) == 2


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 1 << 20:
            raise KeyboardInterrupt
        return super().read(size)


def test_of_an_interrupted_standard_input_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        spool_stdin(tmp_path / "s", None, Broken(DATA))
    assert list((tmp_path / "s").iterdir()) == []


def test_an_empty_standard_input_and_a_terminal_are_told(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="standard input: is empty"):
        spool_stdin(tmp_path, None, io.BytesIO())
    master, slave = os.openpty()
    with os.fdopen(master, "rb"), os.fdopen(slave, "rb") as terminal, pytest.raises(UsageError, match="a terminal"):
        spool_stdin(tmp_path, None, terminal)


def test_standard_input_is_one_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="named twice"):
        find_sources(["-", "-"], spool=Spool(tmp_path))
    with pytest.raises(UsageError, match="no local file"):
        find_sources(["-"])
    monkeypatch.setattr(sources, "spool_stdin", lambda folder, corpus: spool_stdin(folder, corpus, io.BytesIO(DATA)))
    (found,) = find_sources(["-"], spool=Spool(tmp_path))
    assert (found.kind, found.size) == ("dump", len(DATA))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("file:///data/RS%20x.zst", "/data/RS x.zst"), ("FILE:///data/*.zst", "/data/*.zst"),
        ("file://localhost/data/a", "/data/a"), ("/data/a", None), ("https://a.example/a", None),
    ],
)  # fmt: skip
def test_the_local_path_of_a_file_address(name: str, path: str | None) -> None:
    assert local_path(name) == path


def test_a_file_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="another machine"):
        local_path("file://server/data/a")


def test_a_file_address_is_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(DATA)
    (found,) = find_sources([f"file://{tmp_path}/*.ndjson"])
    assert found.path == tmp_path / "a.ndjson"


@dataclass
class Web:
    """Serves `data` at every path, with ranges; the first answers break off after so many bytes."""

    data: bytes = DATA
    etag: str = '"one"'
    breaks: list[int] = field(default_factory=list)
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            found.ranges.append(asked)
            start = int(asked[len("bytes=") : -1]) if asked and self.headers["If-Range"] == found.etag else 0
            self.send_response(found.status if found.status != 200 else 206 if start else 200)
            self.send_header("Content-Length", str(len(found.data) - start))
            if found.etag:
                self.send_header("ETag", found.etag)
            self.end_headers()
            # Each look at the headers is a request of its own, and takes nothing.
            stop = found.breaks.pop(0) if found.breaks else len(found.data)
            self.wfile.write(found.data[start : start + stop])

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/dumps/RS_2025-01.ndjson?signature=secret"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_over_http_is_copied_once_under_its_name(web: Web, tmp_path: Path) -> None:
    (first,) = spool_remote(web.url, tmp_path, None, ())
    assert first.name == "RS_2025-01.ndjson" and first.read_bytes() == DATA
    assert spool_remote(web.url, tmp_path, None, ()) == [first]
    assert web.ranges == [None, None, None]  # looked at, read, looked at


def test_a_broken_connection_is_gone_on_with(web: Web) -> None:
    waits: list[float] = []
    web.breaks = [0, 1_000_000, 500_000]
    remote = http_remote(web.url, pause=waits.append)
    got = b""
    for place, data in remote.read(0):
        got = got[:place] + data
    assert got == DATA
    assert web.ranges == [None, None, "bytes=1000000-", "bytes=1500000-"]
    assert waits == [1.0, 1.0]


def test_a_copy_that_was_interrupted_goes_on_unless_the_file_is_another_one(web: Web, tmp_path: Path) -> None:
    (path,) = spool_remote(web.url, tmp_path, None, ())
    part = path.with_name(f".{path.name}.part")

    def cut(data: bytes) -> None:
        path.unlink()
        part.write_bytes(data)
        web.ranges.clear()

    cut(DATA[:70_000])
    assert spool_remote(web.url, tmp_path, None, ())[0].read_bytes() == DATA
    assert web.ranges == [None, "bytes=70000-"]
    cut(b"of an older version")
    web.etag = '"two"'
    assert spool_remote(web.url, tmp_path, None, ())[0].read_bytes() == DATA
    assert web.ranges == [None, None]
    web.etag = ""  # nothing tells one version from another: never gone on with
    cut(DATA[:70_000])
    assert spool_remote(web.url, tmp_path, None, ())[0].read_bytes() == DATA
    assert web.ranges == [None, None]


def test_a_connection_that_stays_broken_is_told(web: Web) -> None:
    web.breaks = [0, 1_000] + [0] * 20
    remote = http_remote(web.url, pause=lambda seconds: None)
    with pytest.raises(WebtextError, match=r"gave 1,000 of [\d,]+ bytes") as caught:
        list(remote.read(0))
    assert caught.value.hint is not None and "goes on where it was" in caught.value.hint


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_is_told_without_what_is_secret_in_the_address(web: Web, tmp_path: Path, status: int) -> None:
    web.status = status
    with pytest.raises(WebtextError, match=f"answers {status}") as caught:
        spool_remote(web.url.replace("http://", "http://user:password@"), tmp_path, None, ())
    assert "secret" not in str(caught.value) and "password" not in str(caught.value)


def test_no_server_is_told(tmp_path: Path) -> None:
    with pytest.raises(WebtextError, match="cannot be reached"):
        spool_remote("http://127.0.0.1:1/RS.zst", tmp_path, None, ())


@pytest.fixture
def store() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    for name in ("RS_2025-01.ndjson", "RS_2025-02.ndjson", "notes.txt", "below/RS_2025-03.ndjson"):
        system.pipe(f"/dumps/{name}", DATA + Path(name).name.encode())
    yield "memory://dumps"
    system.rm("/dumps", recursive=True)


@pytest.mark.parametrize(
    ("below", "names"),
    [
        ("/RS_2025-01.ndjson", ["RS_2025-01.ndjson"]),
        ("/RS_*.ndjson", ["RS_2025-01.ndjson", "RS_2025-02.ndjson"]),
        ("/*/*", ["RS_2025-03.ndjson"]),
        ("", ["RS_2025-01.ndjson", "RS_2025-02.ndjson"]),
    ],
)
def test_files_globs_and_folders_of_a_store(store: str, tmp_path: Path, below: str, names: list[str]) -> None:
    paths = spool_remote(f"{store}{below}", tmp_path, None, (".ndjson",))
    assert [path.name for path in paths] == names
    assert [path.read_bytes() for path in paths] == [DATA + name.encode() for name in names]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("memory://dumps/nothing.zst", "no such file"), ("memory://dumps/*.zst", "no such file"),
        ("nosuchscheme://a/b", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_in_a_store_is_told(store: str, address: str, told: str) -> None:
    with pytest.raises(WebtextError, match=told) as caught:
        store_remotes(address, (".zst",))
    assert caught.value.hint


def test_copies_go_when_the_stage_is_made(tmp_path: Path) -> None:
    folder = tmp_path / SPOOL
    spool_stdin(folder, tmp_path, io.BytesIO(DATA))
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []
    clear(tmp_path)
    assert spool.is_remote("s3://bucket/RS.zst") and not spool.is_remote("C:/RS.zst") and not spool.is_remote("a:b")
