"""Which files each test set is, below the folder that --data names, and where to get what is missing.

A set is recognised by its publisher's file names, wherever below the folder they lie; what the files hold is read by
`webtext.corpus.testsets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from webtext.corpus.errors import WebtextError
from webtext.corpus.testsets.example import TestSet
from webtext.corpus.testsets.lines import COMPRESSED
from webtext.corpus.testsets.sets import read_set
from webtext.train.zeroshot.task import Task


@dataclass(frozen=True)
class Source:
    """A test set: its kind, the names its files may have (the first that fits is taken), and where they are from."""

    kind: str
    names: tuple[str, ...]
    """Patterns of the path below the folder, in lower case, without the ending of a compression."""
    raw_names: tuple[str, ...] = ()
    """The same for protocols that take the raw text where there is one."""
    where: str = ""
    folder: bool = False
    """Whether the set is the whole folder of the file found."""


_WIKITEXT_HOME = "wikitext-{0}-v1.zip and wikitext-{0}-raw-v1.zip of Merity et al. 2016; on the hub Salesforce/wikitext"


def _wikitext(number: str) -> Source:
    tokens = (
        rf".*wikitext-{number}(?!\d).*/wiki\.test\.tokens", rf".*wikitext-{number}(?!\d)[^/]*/test\.txt",
    )  # fmt: skip
    raw = rf".*wikitext-{number}(?!\d).*/wiki\.test\.raw"
    return Source("wikitext", (*tokens, raw), (raw, *tokens), _WIKITEXT_HOME.format(number))


_CBT_HOME = "CBTest.tgz of Hill et al. 2016; on the hub cam-cst/cbt"
_ZIPS = "mattmahoney.net/dc/{0}.zip"

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "lambada": Source(
            "lambada", (r".*lambada_test.*\.(jsonl|txt)",),
            where="lambada_test.jsonl as OpenAI has it; on the hub EleutherAI/lambada_openai",
        ),
        "cbt-cn": Source("cbt", (r".*cbtest_cn_valid_2000ex\.txt", r".*cbtest_cn_test_2500ex\.txt"), where=_CBT_HOME),
        "cbt-ne": Source("cbt", (r".*cbtest_ne_valid_2000ex\.txt", r".*cbtest_ne_test_2500ex\.txt"), where=_CBT_HOME),
        "wikitext-2": _wikitext("2"),
        "wikitext-103": _wikitext("103"),
        "ptb": Source("ptb", (r".*ptb\.test\.txt",), where="simple-examples.tgz of Mikolov; data/ptb.test.txt"),
        "enwik8": Source("enwik8", (r"(.*/)?enwik8",), where=_ZIPS.format("enwik8")),
        "text8": Source("text8", (r"(.*/)?text8",), where=_ZIPS.format("text8")),
        "lm1b": Source(
            "lm1b", (r".*news\.en\.heldout-00000-of-00050", r".*news\.en\.heldout-\d+-of-00050"),
            where="1-billion-word-language-modeling-benchmark-r13output.tar.gz (Chelba et al. 2013): heldout",
        ),
        "wsc273": Source(
            "wsc273", (r".*wsc273.*\.txt", r".*wscollection\.xml"),
            where="WSCollection.xml of Davis' Winograd Schema page; wsc273.txt of fairseq's or LAMBADA's kind",
        ),
        "hellaswag": Source(
            "hellaswag", (r".*hellaswag_val.*\.(jsonl|txt)",),
            where="hellaswag_val.jsonl of rowanz/hellaswag on GitHub; on the hub Rowan/hellaswag",
        ),
        "coqa": Source(
            "coqa", (r".*coqa-dev.*\.json", r".*coqa.*\.json"),
            where="coqa-dev-v1.0.json from CoQA's page; on the hub stanfordnlp/coqa",
        ),
        "cnn_dailymail": Source(
            "cnn_dailymail", (r".*all_test\.txt", r".*\.story"), folder=True,
            where="cnn_stories.tgz and dailymail_stories.tgz of DeepMind's Q&A data with all_test.txt (See et al. "
            "2017); on the hub abisee/cnn_dailymail",
        ),
        "wmt14": Source(
            "wmt14", (r".*newstest2014.*\.en(\.sgm)?",),
            where="test-full.tgz of WMT 2014, or sacrebleu -t wmt14/full -l en-fr --echo src ref; on the hub wmt/wmt14",
        ),
        "nq-open": Source(
            "nq_open", (r".*nq-open\.dev\.jsonl", r".*nq-open.*\.jsonl"),
            where="NQ-open.dev.jsonl of google-research-datasets/natural-questions; on the hub "
            "google-research-datasets/nq_open",
        ),
    }
)  # fmt: skip


class MissingSet(WebtextError):
    """A test set is not below the folder; the others are scored."""


def find_set(task: Task, folder: Path) -> TestSet:
    """The test set of a task.

    Raises:
        MissingSet: it is not there; the hint says where to get it.
        DamagedFile, WebtextError: its files cannot be read.
    """
    source = SOURCES[task.data]
    raw = task.protocol != "paper" and source.raw_names
    files = _files(folder)
    for pattern in source.raw_names if raw else source.names:
        fitting = [file for file, name in files if re.fullmatch(pattern, name)]
        if task.data == "wmt14":  # one of the two copies that some give out
            fitting.sort(key=lambda file: (task.name.removeprefix("wmt14-") not in file.as_posix(), file))
        if fitting:
            path = fitting[0]
            if source.folder:
                return read_set(path.parent, source.kind, "test")
            return read_set(path, source.kind)
    raise MissingSet(f"{task.title} is not there", where=folder, hint=f"get {source.where}")


def _files(folder: Path) -> Sequence[tuple[Path, str]]:
    found: Iterable[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path, _bare(path.relative_to(folder.parent).as_posix().lower())) for path in found]


def _bare(name: str) -> str:
    return next((name.removesuffix(ending) for ending in COMPRESSED if name.endswith(ending)), name)
