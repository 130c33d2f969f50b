"""What a corpus shares with test sets and with Wikipedia. A part of `webtext.api.Corpus`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.outcomes import Stage
from webtext.extras import needs
from webtext.inspection import CorpusInspection

if TYPE_CHECKING:
    from webtext.corpus.testsets.example import TestSet
    from webtext.pipelines.overlap import Overlap

WORK = "work/overlap"


class CorpusOverlaps(CorpusInspection):
    """Compares a corpus with texts that are not in it."""

    def overlap(
        self,
        *sets: str | os.PathLike[str],
        stage: str = "clean",
        words: int = 8,
        frequent: int = 10,
        workers: int | None = None,
        engine: Mapping[str, object] | None = None,
    ) -> Overlap:
        """The share of each test set's n-grams that the corpus holds (table 6 of the GPT-2 paper).

        Args:
            sets: files or folders in their publishers' layouts, or any text, JSON, CSV or Parquet; KIND=PATH says
                which layout it is.
            stage: clean or documents: what of the corpus is looked at.
            words: words an n-gram.
            frequent: an n-gram in more documents than this is told apart, and they are not named.
        """
        if stage not in ("clean", "documents"):
            raise UsageError(f"overlap looks at clean or documents, not at {stage!r}")
        if words < 1 or frequent < 1:
            raise UsageError("words and frequent are at least 1")
        if not sets:
            raise UsageError("overlap takes at least one test set", hint="webtext overlap CORPUS SET…")
        found = [set_named(os.fspath(name)) for name in sets]
        with self._writing("overlap", {}, Stage.CLEAN, engine=engine) as wanted, needs("dedup"):
            from webtext.pipelines.engines import choose_engine
            from webtext.pipelines.overlap import Overlap, measure_overlap

            source = self._finished(Stage(stage))
            files = self._files(source, f"{stage}/part-")
            on = choose_engine(wanted.engine, workers, self.path)
            work = self.path / WORK
            rows, told = measure_overlap(work, files, found, words=words, frequent=frequent, engine=on)
            if work.parent.exists() and not any(work.parent.iterdir()):
                work.parent.rmdir()
            return Overlap(str(self.path), stage, rows, words, frequent, tuple(told))


def set_named(name: str) -> TestSet:
    """The test set that a command names: PATH, or KIND=PATH where the file's name does not tell its layout.

    Raises:
        WebtextError: nothing there, or no set.
        UsageError: no such kind.
    """
    from webtext.corpus.testsets.sets import KINDS, read_set

    kind, equals, path = name.partition("=")
    if equals and kind in KINDS and not Path(name).exists():
        return read_set(Path(path), kind)
    if equals and not Path(name).exists() and Path(path).exists():
        raise UsageError(f"there is no kind of test set {kind!r}", hint=f"one of {', '.join(KINDS)}")
    if not name:
        raise WebtextError("a test set has no name")
    return read_set(Path(name))
