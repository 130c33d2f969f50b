"""A folder of shards by itself, away from its corpus: carried to another machine, it is trained on where it lies.

```
my-shards/
  index.json train-00000.arrow ... val-00000.arrow ...
  tokenizer/tokenizer.json      or tokenizer.json, or ../tokenizer/tokenizer.json
  runs/NAME/                    what comes out
```
"""

from __future__ import annotations

from pathlib import Path

from webtext.corpus.config import CONFIG_NAME
from webtext.corpus.errors import WebtextError
from webtext.tokenize.files import TOKENIZER_JSON
from webtext.tokenize.shard_index import INDEX_NAME, ShardIndex
from webtext.train.data import TOKENIZER_FOLDER, TrainingData, open_data, open_windows


def is_shards_folder(folder: Path) -> bool:
    """Whether a folder holds shards and is no corpus."""
    return (folder / INDEX_NAME).is_file() and not (folder / CONFIG_NAME).is_file()


def find_data(
    folder: Path, context: int, shards: str | None = None, fingerprint: str | None = None, *, verify: bool = True
) -> TrainingData:
    """The shards of a corpus (`data.open_data`), or those that lie in `folder` itself.

    Args:
        shards, fingerprint: what an earlier sitting of the run pinned; None for what is there now.

    Raises:
        WebtextError: no shards, other shards than those pinned, or too little text for one window.
        DamagedFile: a shard is not as it was written.
    """
    if not is_shards_folder(folder):
        return open_data(folder, context=context, shards=shards, fingerprint=fingerprint, verify=verify)
    index = ShardIndex.read(folder)
    if shards is not None and index.identity != shards:
        raise WebtextError(
            f"the run began with other shards ({shards[:16]}) than lie here ({index.identity[:16]})",
            where=folder,
            hint="--restart begins the run again with these, --run NAME begins another",
        )
    train, val = open_windows(folder, index, context, verify=verify, more="more shards")
    return TrainingData(index, fingerprint or index.corpus, _tokenizer(folder), train, val)


def _tokenizer(folder: Path) -> Path:
    places = [
        folder / TOKENIZER_FOLDER / TOKENIZER_JSON,
        folder / TOKENIZER_JSON,
        folder.parent / TOKENIZER_FOLDER / TOKENIZER_JSON,
    ]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise WebtextError(
            f"there is no {TOKENIZER_JSON} beside these shards",
            where=folder,
            hint=f"copy the corpus' {TOKENIZER_FOLDER}/ into the folder, too",
        )
    return found
