"""Where the ledger of a crawl under way lies: in its folder, or (`--state`) on a disk of this machine, linked to.

A finished crawl has it in its folder again, so that a corpus stays one folder that can be moved. The link
`ledger.sqlite` is the truth: a file in the state's folder that no link leads to is what a dead process left.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import atomic, os_errors, sync_folder
from webtext.crawler.fetch.ledger_file import LEDGER_NAME
from webtext.crawler.fetch.warc import REFETCH_HINT

_BESIDE = ("-wal", "-journal", "-shm")
"""What SQLite may have left beside a ledger whose process died: part of it."""


def settle(folder: Path, state: Path | None) -> None:
    """Bring the ledger of `folder` (which may have none yet) to where the crawl is to write it.

    Without `state` an interrupted crawl goes on where its ledger lies.

    Raises:
        DamagedFile: the link leads to a ledger that is not there.
        WebtextError: the file system has no symbolic links; no space, no permission.
    """
    path = folder / LEDGER_NAME
    check(folder)
    if state is None:
        return
    target = state.absolute() / _name(folder)
    if path.is_symlink() and path.resolve() == target.resolve():
        return
    with os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        was_link = path.is_symlink()
        old = path.resolve() if path.exists() else None
        _remove(target)
        if old is not None:
            for ending in ("", *_BESIDE):
                if (source := old.with_name(old.name + ending)).exists():
                    _copy(source, target.with_name(target.name + ending))
        _link(path, target)
        if old is not None:
            _remove_beside(old)
            if was_link:
                old.unlink(missing_ok=True)


def check(folder: Path) -> None:
    """DamagedFile where the ledger of `folder` is a link that leads nowhere, though it was begun."""
    path = folder / LEDGER_NAME
    if path.is_symlink() and not path.exists() and any(folder.glob("segment-*")):
        raise DamagedFile(
            f"leads to {path.readlink()}, which is not there",
            where=path,
            hint=f"mount that disk or bring the file back; {REFETCH_HINT}",
        )


def bring_home(folder: Path) -> None:
    """Put the ledger of a finished crawl, which is at rest, into its folder in place of the link."""
    path = folder / LEDGER_NAME
    if path.is_symlink():
        target = path.resolve()
        _remove_beside(path)
        _copy(target, path)
        _remove(target)


def forsake(folder: Path) -> None:
    """Delete the ledger of `folder` where it lies elsewhere."""
    path = folder / LEDGER_NAME
    if path.is_symlink():
        _remove(path.resolve())
        path.unlink()


def remove(folder: Path) -> None:
    """Delete the ledger of `folder`, wherever it lies."""
    forsake(folder)
    _remove(folder / LEDGER_NAME)


def _name(folder: Path) -> str:
    """One folder takes the ledgers of several corpora: the name tells them apart."""
    absolute = str(folder.absolute())
    return f"{folder.absolute().parent.name}-{hashlib.sha256(absolute.encode()).hexdigest()[:16]}.sqlite"


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as aside:
        shutil.copyfile(source, aside)


def _link(path: Path, target: Path) -> None:
    aside = path.with_name(f".{path.name}.tmp-link")
    aside.unlink(missing_ok=True)
    try:
        aside.symlink_to(target)
    except OSError as error:
        raise WebtextError(
            f"this file system has no symbolic links ({error.strerror}), so the ledger cannot lie elsewhere", where=path
        ) from error
    aside.replace(path)
    sync_folder(path.parent)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_beside(path)


def _remove_beside(path: Path) -> None:
    for ending in _BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)
