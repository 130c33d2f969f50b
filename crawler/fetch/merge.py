"""Joining the crawls of several machines: corpora of shards into one pages/, which is as if all had been crawled here.

Segments are taken as hard links where the shard lies on the same disk (no byte is copied; a file with two names is
never written to again), as copies elsewhere. Which segment of which shard has been taken is noted in the ledger: a
merge goes on where it was, and can be repeated when the shards have grown.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webtext.corpus.config import shaping
from webtext.corpus.errors import ChangedSettings, DamagedFile, UsageError, WebtextError
from webtext.corpus.faults import fault_point
from webtext.corpus.files import atomic, os_errors, sync_folder
from webtext.corpus.interrupts import Stop
from webtext.corpus.lock import lock_holder
from webtext.corpus.manifests import Manifest
from webtext.corpus.outcomes import Outcome, Stage
from webtext.corpus.progress import progress, say
from webtext.corpus.settings import CrawlSettings
from webtext.corpus.stages import StageRun, stage_manifest
from webtext.crawler.fetch import refetch as refetching
from webtext.crawler.fetch.conditions import conditions_of, pages_rules
from webtext.crawler.fetch.hashing import heed, prefix_sha256
from webtext.crawler.fetch.ledger import Ledger
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.loading import prepare
from webtext.crawler.fetch.publishing import publish
from webtext.crawler.fetch.shards import WHOLE, Shard
from webtext.crawler.fetch.verify import check_ledger
from webtext.crawler.fetch.warc import segment_name, segment_number


@dataclass(frozen=True)
class Found:
    """Shards that fit together: each number of their count once."""

    shards: dict[Shard, tuple[Path, Manifest]]
    inputs: dict[str, Any]
    """Of the merged stage."""
    rules: dict[str, Any]


def find_shards(paths: Sequence[Path], links: str, settings: CrawlSettings) -> Found:
    """The shards in these corpora, checked to be all of one crawl over these links.

    Args:
        links: the identity of links/ here.

    Raises:
        UsageError: none is given.
        WebtextError: a corpus is no finished shard, is being written, or is of other links; shards overlap or are
            missing. The message names them.
        ChangedSettings: a shard was crawled under other settings or rules than these, or than the others.
    """
    if not paths:
        raise UsageError("names no corpus to join", where="--merge", hint="webtext crawl CORPUS --merge SHARD SHARD …")
    found: dict[Shard, tuple[Path, Manifest]] = {}
    for path in paths:
        shard, manifest = _shard_of(path)
        if manifest.inputs["links"] != links:
            raise WebtextError(
                f"shard {shard} was crawled from other links than this corpus has",
                where=path,
                hint="every machine needs a copy of the same links/; its fingerprint stands in links/stage.json",
            )
        if shard in found:
            raise WebtextError(f"shard {shard} is given twice, here and in {found[shard][0]}", where=path)
        found[shard] = path, manifest
    counts = {shard.count: path for shard, (path, _) in found.items()}
    if len(counts) > 1:
        told = ", ".join(f"{path} is one of {count}" for count, path in sorted(counts.items()))
        raise WebtextError(f"these shards are of different divisions: {told}", hint="join those of one division")
    (count,) = counts
    if missing := [str(Shard(n, count)) for n in range(1, count + 1) if Shard(n, count) not in found]:
        are = "is" if len(missing) == 1 else "are"
        raise WebtextError(
            f"{len(missing)} of {count} shards {are} missing: {', '.join(missing[:20])}",
            hint=f"name its corpus, or crawl it: webtext crawl ANOTHER-CORPUS --shard {missing[0]}",
        )
    rules = pages_rules(settings)
    inputs: dict[str, Any] | None = None
    for shard, (path, manifest) in sorted(found.items(), key=_by_number):
        _refuse_other(path, shard, "setting", dict(manifest.settings), shaping(settings))
        _refuse_other(path, shard, "rules", dict(manifest.rules), rules)
        given = {name: value for name, value in manifest.inputs.items() if name != "shard"}
        if inputs is not None and given != inputs:
            raise WebtextError(f"shard {shard} was answered by other WARC files than the shards before", where=path)
        inputs = given
    return Found(dict(sorted(found.items(), key=_by_number)), inputs or {}, rules)


def _by_number(entry: tuple[Shard, object]) -> int:
    return entry[0].number


def _shard_of(path: Path) -> tuple[Shard, Manifest]:
    if not path.is_dir():
        raise WebtextError("there is no corpus here", where=path)
    if (holder := lock_holder(path)) and holder.get("pid") == os.getpid():
        raise UsageError(
            "is the corpus that the shards are joined into", where=path, hint="name the shards alone after --merge"
        )
    if holder:
        raise WebtextError(f"process {holder.get('pid')} is writing to it", where=path, hint="wait until it has ended")
    manifest = stage_manifest(path, Stage.PAGES)
    if manifest is None:
        raise WebtextError("its crawl has not finished", where=path, hint=f"webtext crawl {path} --shard I/N")
    if "shard" not in manifest.inputs:
        raise WebtextError(
            "its crawl is of all links, not of a shard", where=path, hint="it needs no joining: use it as it is"
        )
    return Shard.parse(manifest.inputs["shard"]), manifest


def _refuse_other(path: Path, shard: Shard, what: str, there: dict[str, Any], here: dict[str, Any]) -> None:
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            raise ChangedSettings(
                f"shard {shard} was crawled with {what} {name} = {there.get(name)!r}, here it is {here.get(name)!r}",
                where=path,
                hint="shards are crawled under the same webtext.toml and by the same version of webtext",
            )


def merge_shards(
    run: StageRun,
    found: Found,
    links: Sequence[Path],
    settings: CrawlSettings,
    *,
    refetch: bool,
    accept_loss: bool,
    stop: Stop,
) -> Manifest | None:
    """Take every shard's segments and outcomes, and publish; None where all of them had been taken and nothing is new.

    Goes on where an earlier call was stopped or killed.

    Args:
        run: begun with `found.inputs` and `found.rules`, to be resumed.

    Raises:
        DamagedFile: a shard's ledger or segment has other bytes than its manifest says.
        WebtextError: a shard was fetched anew since it was taken.
    """
    conditions = conditions_of(settings, list(found.inputs.get("replay", [])))
    before = run.previous
    if refetch and not refetching.is_under_way(run, conditions, stop, accept_loss=accept_loss):
        refetching.discard(run)
    if before is not None and not refetch and dict(before.inputs) == dict(run.inputs) and _nothing_new(run, found):
        return None
    prepare(run, links, conditions, WHOLE, None, 1, stop, refetch=refetch)
    linked = copied = 0
    hashes: dict[int, str] = {}
    with Ledger.writing(run.folder / LEDGER_NAME) as ledger:
        for shard, (path, manifest) in found.shards.items():
            check_ledger(path / Stage.PAGES / LEDGER_NAME, manifest, stop)
            with Ledger.reading(path / Stage.PAGES / LEDGER_NAME) as there:
                mine, theirs, known = _take_segments(ledger, run, shard, path, manifest, stop)
                linked, copied = linked + mine, copied + theirs
                hashes |= {number: sha256 for number, _, sha256 in known.values()}
                fault_point("merge.moved")
                ledger.add_segments({number: length for number, length, _ in known.values()})
                numbers = {number: entry[0] for number, entry in known.items()}
                total, _ = there.counts()
                with progress(run.corpus, f"crawl: join {shard}", total, "links") as shown:
                    for ended, responses in there.ended():
                        heed(stop)
                        ledger.adopt(ended, responses, numbers)
                        shown.add(len(ended))
            fault_point("merge.folded")
    if linked or copied:
        say(
            f"crawl: {linked:,} segments joined as hard links (no disk used), {copied:,} copied; "
            "the shards' own folders are as they were and may be deleted"
        )
    return publish(run, links, stop, accept_loss=accept_loss, hashes=hashes)


def _nothing_new(run: StageRun, found: Found) -> bool:
    """Whether the ledger has every segment of every shard, and none of its deferred links could have ended."""
    if run.previous is None or run.previous.outcomes.get(Outcome.DEFERRED):
        return False
    with Ledger.reading(run.folder / LEDGER_NAME) as ledger:
        taken = ledger.taken()
    return all(
        {name: entry["sha256"] for name, entry in manifest.run["segments"].items()}
        == {segment_name(int(number)): entry[2] for number, entry in taken.get(str(shard), {}).items()}
        for shard, (_, manifest) in found.shards.items()
    )


_Places = dict[int, tuple[int, int, str]]
"""Of a shard's segments: number there to number here, length, sha256."""


def _take_segments(
    ledger: Ledger, run: StageRun, shard: Shard, path: Path, manifest: Manifest, stop: Stop
) -> tuple[int, int, _Places]:
    """Bring a shard's segments into our folder, synced; how many were linked and copied, and where each one is."""
    taken = ledger.taken()
    ours = taken.setdefault(str(shard), {})
    used = {entry[0] for shards in taken.values() for entry in shards.values()} | set(ledger.segments())
    linked = copied = 0
    places: _Places = {}
    for name, entry in sorted(manifest.run["segments"].items()):
        number = segment_number(name)
        source, length, sha256 = path / Stage.PAGES / name, int(entry["length"]), str(entry["sha256"])
        before = ours.get(str(number))
        if before is not None and before[1:] != (length, sha256) and _sha256(source, before[1], stop) != before[2]:
            raise WebtextError(
                f"shard {shard} was fetched anew since it was joined",
                where=source,
                hint="begin the joined crawl anew, too: --merge … --refetch",
            )
        here = before[0] if before is not None else (number if number not in used else max(used) + 1)
        used.add(here)
        target = run.folder / segment_name(here)
        if before is None or before[1] != length or not target.exists() or target.stat().st_size < length:
            if _sha256(source, length, stop) != sha256:
                raise DamagedFile(
                    f"shard {shard}: is missing or has other bytes than its manifest says (sha256 differs)",
                    where=source,
                    hint="copy the shard again; nothing of this file was taken",
                )
            # Before the file: one that the note does not know would be given another number by the next call.
            ours[str(number)] = here, length, sha256
            ledger.note_taken(taken)
            if _link(source, target, length):
                linked += 1
            else:
                _copy(source, target, length)
                copied += 1
        places[number] = here, length, sha256
    with os_errors(run.folder):
        sync_folder(run.folder)
    return linked, copied, places


def _sha256(path: Path, length: int, stop: Stop) -> str | None:
    heed(stop)
    return prefix_sha256(path, length, stop)


def _link(source: Path, target: Path, length: int) -> bool:
    """Give the file a second name; no where the file system, or another disk, does not let us."""
    if source.stat().st_size != length:
        return False  # its shard goes on with it: only what the manifest speaks of is taken
    aside = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        os.link(source, aside)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EACCES, errno.ENOSYS):
            return False
        raise
    aside.replace(target)
    return True


def _copy(source: Path, target: Path, length: int) -> None:
    with atomic(target) as aside, source.open("rb") as data, aside.open("wb") as out:
        shutil.copyfileobj(data, out, 1 << 20)
        out.truncate(length)
