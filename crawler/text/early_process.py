"""Extraction beside a crawl, in processes: `python -m webtext.crawler.text.early_process CONFIG.json NUMBER`.

They look for lists of sealed segments and make the parts over them, at a lower priority than the crawl. They hold
nothing: a part is a file, and what was not made is made by the stage. They end with their parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import read_json, write_json
from webtext.corpus.processes import end_with_parent
from webtext.corpus.settings import ExtractSettings
from webtext.crawler.text.early import early_parts, early_plans, plan_early
from webtext.crawler.text.parts import extractor_for, make_part

_LOOK_SECONDS = 0.5
_END_SECONDS = 5.0
_NICE = 10  # the crawl goes first: a page that is fetched late cannot be had again


@contextmanager
def extracting_early(
    work: Callable[[], Path], pages: Path, sealed: Path, links: Sequence[Path], settings: ExtractSettings, workers: int
) -> Iterator[None]:
    """Extract the segments listed in `sealed` while inside. No process is started before there is a list.

    Args:
        work: opens the folder for parts of documents/ for these settings (`webtext.corpus.stages.open_work`).
        pages: the folder of the segments.
        links: the files of links/.
    """
    over = threading.Event()
    thread = threading.Thread(
        target=_run, args=(work, pages, sealed, links, settings, workers, over), name="early", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _run(
    opened: Callable[[], Path],
    pages: Path,
    sealed: Path,
    links: Sequence[Path],
    settings: ExtractSettings,
    workers: int,
    over: threading.Event,
) -> None:
    """Start the processes when there is something to do, and end them. This thread lives as long as they do."""
    while not any(sealed.glob("*.parquet")):
        if over.wait(_LOOK_SECONDS):
            return
    try:
        work = opened()
        config = work / "early" / "config.json"
        write_json(config, {
            "work": str(work.absolute()), "pages": str(pages.absolute()), "sealed": str(sealed.absolute()),
            "links": [str(path.absolute()) for path in links], "settings": asdict(settings), "workers": workers,
            "parent": os.getpid(),
        })  # fmt: skip
    except WebtextError:
        return  # the stage meets the same and tells it
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "webtext.crawler.text.early_process", str(config), str(number)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in range(workers)
    ]
    over.wait()
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(arguments: Sequence[str]) -> int:
    """Make parts until terminated."""
    config, number = read_json(Path(arguments[0])), int(arguments[1])
    end_with_parent(int(config["parent"]))
    signal.signal(signal.SIGTERM, _end)
    os.nice(_NICE)
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in config["settings"].items()
    }
    settings = ExtractSettings(**given)
    work, pages, sealed = (Path(config[name]) for name in ("work", "pages", "sealed"))
    links = [Path(name) for name in config["links"]]
    extractor = extractor_for(settings)
    seen: set[Path] = set()
    try:
        while True:
            if number == 0:
                for listed in sorted(sealed.glob("*.parquet")):
                    plan_early(work, listed, links)
            plans = [plan for plan in early_plans(work) if plan not in seen]
            for plan in plans:
                seen.add(plan)
                for place, (part, _) in enumerate(early_parts(work, plan)):
                    if place % int(config["workers"]) == number and not part.files.made:
                        make_part(part, pages, settings, extractor)
            if not plans:
                time.sleep(_LOOK_SECONDS)
    except WebtextError:
        # The stage meets the same and tells it; a list that went away with the end of the crawl is none.
        return 1
    finally:
        extractor.close()


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
