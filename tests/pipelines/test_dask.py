"""The engine dask on a real scheduler and two workers: the same bytes, no loss, and one message for whatever fails."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clusters import Cluster, dask_cluster
from small_corpora import document, reworded, store_documents, words
from tasks import Slow, Touch, done

from webtext.corpus.config import shaping
from webtext.corpus.errors import Interrupted, UsageError, WebtextError
from webtext.corpus.files import file_sha256, read_parquet
from webtext.corpus.outcomes import Stage
from webtext.corpus.progress import read_progress
from webtext.corpus.schemas import CONTAMINATED
from webtext.corpus.settings import DedupSettings, EngineSettings
from webtext.corpus.stages import StageRun
from webtext.corpus.testsets.example import TestSet
from webtext.corpus.testsets.sets import read_set
from webtext.dedup.article_index import ArticleIndex
from webtext.dedup.rules import RULES
from webtext.pipelines import dask_cluster as engine_module
from webtext.pipelines import wikipedia
from webtext.pipelines.article_index import make_index
from webtext.pipelines.contamination import stated
from webtext.pipelines.dedup import make_clean
from webtext.pipelines.engine import Engine
from webtext.pipelines.engines import choose_engine

pytestmark = pytest.mark.slow


def on(cluster: Cluster, corpus: Path, *options: str) -> Engine:
    corpus.mkdir(exist_ok=True)
    return choose_engine(EngineSettings("dask", cluster.address, options), None, corpus)


def during(folder: Path, action: Callable[[], object]) -> threading.Thread:
    """Do something once an element has begun."""

    def wait() -> None:
        while not list(folder.glob("*.begun")):
            time.sleep(0.05)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("count", [1, 40])
def test_every_element_is_met_once_on_both_workers(cluster: Cluster, tmp_path: Path, count: int) -> None:
    out = tmp_path / "out"
    out.mkdir()
    engine = on(cluster, tmp_path / "corpus")
    assert engine.workers == 2
    engine.each("touch", Touch(out, "both" if count > 1 else "well"), list(range(count)))
    assert done(out) == list(range(count))
    owners = {int((out / str(number)).read_text()) for number in range(count)}
    assert owners <= {worker.pid for worker in cluster.workers}
    assert len(owners) == min(count, 2)
    assert list((tmp_path / "corpus").iterdir()) == []  # the look at the folder left nothing


def test_failures_arrive_as_themselves_and_alone(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = on(cluster, tmp_path / "corpus")
    with pytest.raises(WebtextError, match="part 7: seven is damaged\n  make it again"):
        engine.each("touch", Touch(tmp_path, "error"), list(range(10)))
    with pytest.raises(WebtextError, match="part 7: no space left"):
        engine.each("touch", Touch(tmp_path, "disk"), list(range(10)))
    with pytest.raises(WebtextError, match=r"only/there: a worker finds no such file or folder\n  .* must share"):
        engine.each("touch", Touch(tmp_path, "missing"), list(range(10)))
    with pytest.raises(ZeroDivisionError, match="seven"):
        engine.each("touch", Touch(tmp_path, "bug"), list(range(10)))
    assert capfd.readouterr().err == ""


def rows() -> list[dict[str, object]]:
    texts = [words(seed, 60) for seed in range(48)]
    found = [document(f"{number}", text, karma=50 + number) for number, text in enumerate(texts)]
    found += [document(f"near-{number}", reworded(texts[number])) for number in range(0, 48, 4)]
    found += [document(f"same-{number}", texts[number]) for number in range(1, 48, 6)]
    found += [document(f"copy-{number}", ARTICLES[number]) for number in range(3)]
    found += [document(f"leak-{number}", f"{words(200 + number, 60)} {EXAMPLES[number]}") for number in range(4)]
    return [*found, document("mirror", words(99, 60), title="Umbrella - Wikipedia")]


ARTICLES = [words(300 + number, 80) for number in range(5)]
EXAMPLES = [words(400 + number, 30) for number in range(4)]


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[ArticleIndex, TestSet]:
    """An index of articles and a test set, with both of which documents are compared."""
    folder = tmp_path_factory.mktemp("beside")
    for name in ("articles", "index"):
        (folder / name).mkdir()
    for number, text in enumerate(ARTICLES):
        (folder / "articles" / f"{number}.txt").write_text(text)
    (folder / "mine.txt").write_text("\n".join(EXAMPLES))
    index, _ = make_index(folder / "index", [folder / "articles"], words=5, engine=Engine())
    return index, read_set(folder / "mine.txt")


def clean(corpus: Path, cuts: list[int], engine: Engine, beside: tuple[ArticleIndex, TestSet]) -> dict[str, str]:
    index, tests = beside
    settings = DedupSettings(decontaminate_by="excise")
    said = {**shaping(settings), "wikipedia_index": index.identity, "decontaminate": stated([tests])}
    run = StageRun.begin(corpus, Stage.CLEAN, settings=said, rules=RULES, inputs={"documents": "these"})
    documents = store_documents(corpus, rows(), cuts)
    manifest = make_clean(
        run, corpus, documents, settings, engine=engine, accept_loss=True, articles=index, sets=[tests]
    )
    assert dict(manifest.outcomes) == {"duplicate": 8, "near-duplicate": 12, "wikipedia": 4}
    names = read_parquet(corpus / "clean/contaminated.parquet", CONTAMINATED)["url"].to_pylist()
    assert sorted(url.rpartition("/")[2] for url in names) == [f"leak-{number}" for number in range(4)]
    return {name: file_sha256(corpus / name) for name in manifest.files}


def test_the_whole_dedup_stage_has_the_same_bytes_also_when_a_worker_is_killed_in_it(
    tmp_path: Path, beside: tuple[ArticleIndex, TestSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both comparisons: copies of articles, and text of tests that is cut out."""
    monkeypatch.setattr(wikipedia, "ALONE_ROWS", 0)
    expected = clean(tmp_path / "local", [], Engine(), beside)
    cuts = list(range(5, 65, 5))
    with dask_cluster(tmp_path / "cluster") as cluster:
        assert clean(tmp_path / "dask", cuts, on(cluster, tmp_path / "dask"), beside) == expected
        # One that dies when it has signed its first piece; the other two go on.
        cluster.add({"WEBTEXT_FAULT": "dedup.signed:1"})
        cluster.wait()
        assert clean(tmp_path / "killed", cuts, on(cluster, tmp_path / "killed"), beside) == expected
        assert cluster.workers[2].wait(60) == -signal.SIGKILL


def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with dask_cluster(tmp_path / "cluster") as cluster:
        on(cluster, tmp_path / "corpus").each("touch", Touch(out, "kill once"), list(range(40)))
        assert (out / "killed").exists()
        assert [worker.poll() for worker in cluster.workers].count(None) == 1
    assert done(out) == list(range(40))


def test_what_kills_every_worker_ends_with_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "GRACE", 0.5)
    with dask_cluster(tmp_path / "cluster") as cluster:
        engine = on(cluster, tmp_path / "corpus")
        with pytest.raises(WebtextError, match=rf"{cluster.address}: 'touch' has no workers left\n  the same command"):
            engine.each("touch", Touch(tmp_path, "kill"), list(range(10)))


def test_a_scheduler_that_dies_in_the_middle_is_told_and_the_same_call_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, until = tmp_path / "out", tmp_path / "until"
    out.mkdir()
    with dask_cluster(tmp_path / "cluster") as cluster:
        engine = on(cluster, tmp_path / "corpus")
        during(out, cluster.scheduler.kill)
        with pytest.raises(WebtextError, match=rf"{cluster.address}: the scheduler went away during 'slow'\n  the sam"):
            engine.each("slow", Slow(out, until), list(range(10)))
        assert done(out) == []
        assert capfd.readouterr().err == ""
        with monkeypatch.context() as patched, pytest.raises(WebtextError, match="no Dask scheduler answers"):
            patched.setattr(engine_module, "CONNECT_SECONDS", 1)
            on(cluster, tmp_path / "corpus")
    until.touch()
    with dask_cluster(tmp_path / "again") as cluster:
        on(cluster, tmp_path / "corpus").each("slow", Slow(out, until), list(range(10)))
    assert done(out) == list(range(10))


def test_stopped_it_takes_its_work_back_and_leaves_the_cluster_as_it_was(cluster: Cluster, tmp_path: Path) -> None:
    from distributed import Client

    out, until = tmp_path / "out", tmp_path / "until"
    out.mkdir()
    corpus = tmp_path / "corpus"
    seen = []

    def stop() -> int:  # asked for by the thread that shows progress, as a signal would come: in between
        seen.append(read_progress(corpus))
        if list(out.glob("*.begun")):
            os.kill(os.getpid(), signal.SIGUSR1)
        return len(done(out))

    def interrupted(*_: object) -> None:
        raise Interrupted("stopped")

    before = signal.signal(signal.SIGUSR1, interrupted)
    try:
        with pytest.raises(Interrupted):
            on(cluster, corpus).each("slow", Slow(out, until), list(range(10)), made=stop)
    finally:
        signal.signal(signal.SIGUSR1, before)
        until.touch()
    with Client(cluster.address, set_as_default=False) as client:
        while any(client.processing().values()):
            time.sleep(0.05)
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0
    assert len(done(out)) <= 2  # what the two workers had in hand
    on(cluster, corpus).each("slow", Slow(out, until), list(range(10)))
    assert done(out) == list(range(10))


def test_nobody_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CONNECT_SECONDS", 3)
    for address, kind, message in (
        ("", UsageError, r"needs the address of a scheduler\n  --address tcp://HOST:8786"),
        ("tcp://127.0.0.1:1", WebtextError, r"tcp://127.0.0.1:1: no Dask scheduler answers\n  start one"),
        ("foo://127.0.0.1:1", UsageError, r"foo://127.0.0.1:1: is no address of a Dask scheduler \(unknown address"),
        ("127.0.0.1", UsageError, r"is no address of a Dask scheduler \(missing port"),
    ):
        with pytest.raises(kind, match=message):
            choose_engine(EngineSettings("dask", address), None, tmp_path)
    start = r"has no workers\n  start some: dask worker tcp://127"
    with dask_cluster(tmp_path / "cluster", workers=0) as cluster, pytest.raises(WebtextError, match=start):
        on(cluster, tmp_path)


OTHER_VERSION = """
import importlib.metadata as metadata
real = metadata.version
metadata.version = lambda name: "0.0.9" if name == "{name}" else real(name)
"""
NO_WEBTEXT = """
import importlib.metadata as metadata, sys
real = metadata.version
def version(name):
    if name == "webtext":
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "webtext":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder)
"""
OTHER_CODE = "import webtext.pipelines.handshake as handshake; handshake.code_digest = lambda: 'abcdef'"
OTHER_DISK = "import webtext.pipelines.handshake as handshake; handshake.sees = lambda *arguments: False"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (NO_WEBTEXT, r"tcp://.*: a worker works with other software .*: webtext is not installed, not .*\n  install"),
        (OTHER_VERSION.format(name="webtext"), r"a worker works .*: webtext is 0\.0\.9, not [0-9.]+\n"),
        (OTHER_VERSION.format(name="pyarrow"), r"a worker works .*: pyarrow is 0\.0\.9, not [0-9.]+\n"),
        (OTHER_CODE, r"a worker works .*: webtext's code is abcdef, not [0-9a-f]{12}\n"),
        (OTHER_DISK, r"corpus: 1 of the workers do not see this folder, the first of them tcp://.*\n.*share"),
    ],
    ids=["no webtext", "another release", "another library", "another code", "another disk"],
)
def test_a_worker_that_differs_is_told_before_it_gets_work(tmp_path: Path, code: str, message: str) -> None:
    with dask_cluster(tmp_path / "cluster", workers=0) as cluster:
        cluster.add(code=code)
        cluster.wait()
        with pytest.raises(WebtextError, match=message):
            on(cluster, tmp_path / "corpus")
    assert list((tmp_path / "corpus").iterdir()) == []


def test_partitions_may_be_the_users_to_choose(cluster: Cluster, tmp_path: Path) -> None:
    engine = on(cluster, tmp_path / "corpus", "dask_npartitions=1")
    engine.each("touch", Touch(tmp_path), list(range(10)))
    assert len({path.read_text() for path in tmp_path.glob("[0-9]*")}) == 1
    with pytest.raises(UsageError, match="did you mean dask_npartitions"):
        on(cluster, tmp_path / "corpus", "dask_partitions=1")
