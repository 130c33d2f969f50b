"""Line files without what is forgotten: of sources that were read before the corpus was told to forget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from webtext.corpus.files import file_sha256, read_json, read_parquet, write_json, write_parquet
from webtext.corpus.stages import StageRun
from webtext.crawler.forgotten import Forgotten
from webtext.crawler.reddit.counts import Counts
from webtext.crawler.reddit.lines import SCHEMA
from webtext.pipelines.links_gather import COUNTS, FOLDER, LineFile, count_forgotten, without_forgotten

SCRUBBED = "tombstones"
"""In the manifest's `run`: the identity of the tombstones that its line files were made under."""


def scrubbed(run: StageRun, source: str, files: Mapping[str, LineFile]) -> dict[str, LineFile]:
    """The line files of one source without forgotten lines, which are counted as such; where there are none, the files
    as they are."""
    forgotten = Forgotten.of(run.corpus)
    done = run.previous is not None and run.previous.run.get(SCRUBBED) == forgotten.tombstones.identity
    if not forgotten or done or not files:
        return dict(files)
    found = dict(files)
    gone: Counter[str] = Counter()
    folder = run.work / "lines" / source
    for name, file in files.items():
        if not name.endswith(".parquet"):
            continue
        lines, counts = without_forgotten(read_parquet(file.path, SCHEMA), forgotten)
        if counts:
            path = folder / Path(name).name
            write_parquet(path, lines, SCHEMA)
            found[name] = LineFile(path, file_sha256(path))
            gone.update(counts)
    if gone:
        name = f"{FOLDER}/{source}/{COUNTS}"
        counted = Counts.of(read_json(files[name].path))
        count_forgotten(counted, gone)
        write_json(folder / COUNTS, counted.to_json())
        found[name] = LineFile(folder / COUNTS, file_sha256(folder / COUNTS))
    return found
