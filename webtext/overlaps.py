"""What a corpus shares with test sets and with Wikipedia. A part of `webtext.api.Corpus`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.interrupts import stop_signals
from webtext.corpus.lock import corpus_lock
from webtext.corpus.outcomes import Stage
from webtext.extras import needs
from webtext.inspection import CorpusInspection
from webtext.overlap_file import keep_overlap

if TYPE_CHECKING:
    from webtext.corpus.settings import DedupSettings
    from webtext.corpus.testsets.example import TestSet
    from webtext.dedup.article_index import ArticleIndex
    from webtext.pipelines.mirrors import Mirrors
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

        What is found of 8-grams in clean/ is also kept in overlap.json, where `eval` looks for it.

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
        found = [one for name in sets for one in sets_named(os.fspath(name))]
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
            result = Overlap(str(self.path), stage, rows, words, frequent, tuple(told))
            keep_overlap(self.path, result, source.identity)
            return result

    def mirrors(self) -> Mirrors:
        """The hosts that copies of Wikipedia were found on, with what was removed of each, and what stayed."""
        with needs("dedup"):
            from webtext.pipelines.mirrors import find_mirrors
        clean, documents = self._finished(Stage.CLEAN), self._finished(Stage.DOCUMENTS)
        return find_mirrors(self._files(clean, "clean/wikipedia.parquet"), self._files(documents, "documents/part-"))


@dataclass(frozen=True)
class Beside:
    """What documents are compared with beside one another: test sets, an index of articles."""

    sets: tuple[TestSet, ...]
    articles: ArticleIndex | None

    def stated(self) -> dict[str, Any]:
        """What a manifest says of them: paths are no content."""
        from webtext.pipelines.contamination import stated

        index = "" if self.articles is None else f"identity {self.articles.identity}"
        return {"decontaminate": stated(self.sets), "wikipedia_index": index}


def beside_of(settings: DedupSettings) -> Beside:
    """What the settings name, read and opened.

    Raises:
        WebtextError: a set or the index is not there, or is none.
    """
    from webtext.dedup.article_index import ArticleIndex

    articles = ArticleIndex.open(Path(settings.wikipedia_index)) if settings.wikipedia_index else None
    return Beside(tuple(one for name in settings.decontaminate for one in sets_named(name)), articles)


def located(settings: Mapping[str, object]) -> dict[str, Any]:
    """Settings with paths that mean the same from every folder, as webtext.toml keeps them."""
    found = dict(settings)
    sets = found.get("decontaminate")
    if isinstance(sets, (list, tuple)):
        found["decontaminate"] = tuple(_absolute(os.fspath(name)) for name in sets)
    if found.get("wikipedia_index"):
        found["wikipedia_index"] = _absolute(os.fspath(found["wikipedia_index"]))  # type: ignore[call-overload]
    return found


def _absolute(name: str) -> str:
    kind, equals, path = name.partition("=")
    if equals and not Path(name).exists():
        return f"{kind}={Path(path).expanduser().absolute()}"
    return str(Path(name).expanduser().absolute())


def make_article_index(
    folder: str | os.PathLike[str],
    *sources: str | os.PathLike[str],
    words: int = 5,
    workers: int | None = None,
    redo: bool = False,
) -> tuple[ArticleIndex, bool]:
    """Make an index of articles, for `wikipedia_index`: once for any number of corpora.

    Args:
        folder: where; new, empty, or with an index that was interrupted.
        sources: pages-articles dumps (.xml, .xml.bz2 multistream or not, .gz, .xz, .zst) and folders of text.
        words: words an n-gram.

    Returns:
        The index, and whether it was made (False: it stood already).
    """
    if not sources:
        raise UsageError("an index needs at least one dump or folder", hint="webtext wikipedia index INDEX SOURCE…")
    target = Path(folder)
    with needs("dedup"), os_errors(target), stop_signals(raising=True):
        from webtext.pipelines.article_index import make_index
        from webtext.pipelines.engine import Engine
        from webtext.pipelines.engines import cores

        new = not target.exists()
        target.mkdir(parents=True, exist_ok=True)
        try:
            with corpus_lock(target, "wikipedia index"):
                engine = Engine(workers or cores(), target)
                return make_index(target, [Path(name) for name in sources], words=words, engine=engine, redo=redo)
        except BaseException:
            with suppress(OSError):  # what was done of an index stays
                if new:
                    target.rmdir()
            raise


def sets_named(name: str) -> list[TestSet]:
    """The test sets that a command names: PATH, or KIND=PATH where the file's name does not tell its layout.

    Raises:
        WebtextError: nothing there, or no set.
        UsageError: no such kind.
    """
    from webtext.corpus.testsets.sets import KINDS, read_sets

    kind, equals, path = name.partition("=")
    if equals and kind in KINDS and not Path(name).exists():
        return read_sets(Path(path), kind)
    if equals and not Path(name).exists() and Path(path).exists():
        raise UsageError(f"there is no kind of test set {kind!r}", hint=f"one of {', '.join(KINDS)}")
    if not name:
        raise WebtextError("a test set has no name")
    return read_sets(Path(name))
