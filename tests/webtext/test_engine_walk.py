"""All stages on another engine, as a user runs them: the same corpus, from any folder, stopped in between or not."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from clusters import dask_cluster
from commands import command, environment, leftovers, litter, status, webtext
from walks import Walk

from webtext.api import Corpus
from webtext.corpus.errors import UsageError
from webtext.corpus.progress import read_progress


@pytest.mark.slow
def test_a_build_on_dask_that_is_stopped_and_run_again_equals_the_local_one(walk: Walk, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "cluster") as cluster:
        # One extractor a worker: starting them is what a build this small waits for.
        on = ("--engine", "dask", "--address", cluster.address, "--beam-option", "dask_npartitions=2")
        build = ("build", "corpus", walk.web.dump, "--replay", walk.web.warc, "--vocab-size", 1000, *on)
        # The corpus is named as seen from here; the workers have another working directory.
        first = subprocess.Popen(command(*build), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
        while (shown := read_progress(tmp_path / "corpus")) is None or shown["label"] != "documents: extract":
            assert first.poll() is None, first.communicate()
            time.sleep(0.01)
            time.sleep(0.02)
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=120)
        assert first.returncode == 1
        assert told.endswith("webtext: stopped; what was done is kept\n  the same command goes on where it was\n")
        assert "Traceback" not in told
        again = subprocess.run(
            command(*build), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
        )
        assert "Traceback" not in again.stderr
        assert status(tmp_path / "corpus")["fingerprint"] == walk.fingerprint
        assert litter(tmp_path / "corpus") == []
        assert leftovers() == []
        nobody = webtext("extract", tmp_path / "corpus", "--redo", "--engine", "dask", expect=2)
        assert nobody.stderr == (
            "webtext: --engine dask needs the address of a scheduler\n  --address tcp://HOST:8786\n"
        )


def test_an_engine_is_a_setting_like_others_and_shapes_nothing(walk: Walk, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    config = corpus.path / "webtext.toml"
    config.write_text(config.read_text().replace('name = "local"', 'name = "dask"'))
    assert corpus.settings.engine.name == "dask"
    with pytest.raises(UsageError, match="needs the address of a scheduler"):
        corpus.links(walk.web.dump)
    made = corpus.links(walk.web.dump, workers=1, engine={"name": "local"})
    assert made.identity == status(walk.after["links"])["stages"]["links"]["identity"]
    assert 'name = "dask"' in config.read_text()  # what was given for one call stays with that call
    with pytest.raises(UsageError, match=r"engine\.name is 'drask'; it takes one of local, dask, flink"):
        corpus.extract(engine={"name": "drask"})
    with pytest.raises(UsageError, match="did you mean address"):
        corpus.extract(engine={"adress": "x"})


def test_a_build_asks_for_its_engine_before_it_begins(walk: Walk, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus")
    with pytest.raises(UsageError, match="needs the address of a scheduler"):
        corpus.build(walk.web.dump, replay=[walk.web.warc], engine={"name": "dask"})
    assert corpus.status().stages == ()
