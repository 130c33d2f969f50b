"""On what kind of file system a path lies: SQLite's WAL and mmap need memory that all its users share, which a network
file system has not, and its locks may be ones that only this machine knows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")  # proc(5)

# Types of file systems that other machines may write to at the same time (Linux, macOS).
_NETWORK = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "afpfs", "webdav", "davfs", "ncpfs", "coda",
    "9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "orangefs",
    "pvfs2", "panfs", "gfs2", "ocfs2", "wekafs", "efs",
})  # fmt: skip
# A file system in user space is taken to be a network's (sshfs, s3fs, rclone, gcsfuse, mergerfs over any of them) but
# for those known to lie on a disk of this machine.
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.ext4", "fuse.zfs"})
# Options by which locks do not leave the machine: nfs(5), mount.cifs(8).
_OWN_LOCKS = frozenset({"nolock", "local_lock=all", "local_lock=posix", "nobrl"})


@dataclass(frozen=True)
class Mount:
    """A mounted file system."""

    point: str
    kind: str
    options: frozenset[str]

    @property
    def network(self) -> bool:
        """Whether other machines may write to it, too."""
        kind = self.kind.lower()
        return kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)

    @property
    def locks(self) -> bool:
        """Whether a lock on it holds for the other machines, as far as its options say."""
        return not self.options & _OWN_LOCKS


def mount_of(path: Path) -> Mount:
    """The file system that a path (or the folder that it would be in) lies on; links are followed."""
    real = path.resolve()
    if sys.platform == "linux":
        mounts = parse_mountinfo(_MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    else:
        told = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False).stdout
        mounts = parse_mount(told.splitlines())
    return nearest(mounts, real)


def nearest(mounts: Iterable[Mount], path: Path) -> Mount:
    """The mount whose point is the longest beginning of an absolute path; of several at one point the last."""
    found = Mount("/", "unknown", frozenset())
    for mount in mounts:
        point = Path(mount.point)
        if (path == point or point in path.parents) and len(mount.point) >= len(found.point):
            found = mount
    return found


def parse_mountinfo(lines: Iterable[str]) -> list[Mount]:
    """/proc/self/mountinfo as proc(5) describes it."""
    found = []
    for line in lines:
        before, dash, after = line.partition(" - ")
        fields, more = before.split(" "), after.split(" ")
        if dash and len(fields) >= 6 and len(more) >= 3:
            options = frozenset([*fields[5].split(","), *more[2].split(",")])
            found.append(Mount(_unescaped(fields[4]), more[0], options))
    return found


def parse_mount(lines: Iterable[str]) -> list[Mount]:
    """What mount(8) of macOS and the BSDs prints: `DEVICE on POINT (KIND, OPTION, …)`."""
    found = []
    for line in lines:
        if match := re.fullmatch(r".* on (/.*) \(([^,)]+)(?:, ([^)]*))?\)", line):
            options = frozenset(option.strip() for option in (match[3] or "").split(","))
            found.append(Mount(match[1], match[2], options))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
