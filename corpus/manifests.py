"""stage.json: what a finished stage is, with an identity that depends on content alone.

Inside the identity: schema and rules versions, the settings that shape content, the identities of the inputs, rows,
outcomes, and the sha256 of every file. Outside: seconds, machine, workers, tool versions, file names of sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webtext.corpus.errors import DamagedFile, WebtextError
from webtext.corpus.files import file_sha256, identity_of, read_json
from webtext.corpus.outcomes import Stage
from webtext.corpus.schemas import SCHEMA_VERSION

MANIFEST_NAME = "stage.json"

IMPORTED = "imported"
"""The input of documents/ that says that they were imported: the sha256 of the files. They have no stage before."""


@dataclass(frozen=True)
class Manifest:
    """A finished stage. `files` maps paths (relative to the corpus) to sha256 hex digests."""

    stage: Stage
    settings: Mapping[str, Any]
    rules: Mapping[str, Any]
    inputs: Mapping[str, Any]
    rows_in: int
    rows_out: int
    outcomes: Mapping[str, int]
    files: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further content of this stage alone (blank lines, tokens); part of the identity."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """How it was made: seconds, workers, versions; no part of the identity."""

    @property
    def content(self) -> dict[str, Any]:
        """What the identity is made of."""
        return {
            "schema_version": SCHEMA_VERSION,
            "stage": str(self.stage),
            "settings": dict(self.settings),
            "rules": dict(self.rules),
            "inputs": dict(self.inputs),
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "outcomes": {name: count for name, count in sorted(self.outcomes.items()) if count},
            "files": dict(self.files),
            "facts": dict(self.facts),
        }

    @property
    def identity(self) -> str:
        """The sha256 (hex) of the canonical JSON of `content`."""
        return identity_of(self.content)

    def to_json(self) -> dict[str, Any]:
        """What stage.json holds."""
        return {"identity": self.identity, **self.content, "run": dict(self.run)}


def is_imported(manifest: Manifest | None) -> bool:
    """Whether a stage is that of documents which were imported, not crawled."""
    return manifest is not None and IMPORTED in manifest.inputs


def fingerprint(finished: Mapping[Stage, Manifest]) -> str | None:
    """One hash for all of a corpus that is finished: over the stages' identities. None where nothing is."""
    if not finished:
        return None
    return identity_of({str(stage): manifest.identity for stage, manifest in finished.items()})


def current(finished: Mapping[Stage, Manifest]) -> dict[Stage, Manifest]:
    """The stages that were made of what their source is now: those after a stage that changed since are older."""
    found: dict[Stage, Manifest] = {}
    for stage in stages_of(finished):
        manifest, source = finished.get(stage), stage.source
        if manifest is None:
            break
        if source in found and manifest.inputs.get(str(source)) != found[source].identity:
            break
        found[stage] = manifest
    return found


def stages_of(finished: Mapping[Stage, Manifest]) -> tuple[Stage, ...]:
    """The stages that a corpus goes through: all of them, or those from documents/ on where these were imported."""
    every = tuple(Stage)
    return every[every.index(Stage.DOCUMENTS) :] if is_imported(finished.get(Stage.DOCUMENTS)) else every


def read_manifest(path: Path) -> Manifest:
    """Read a stage.json.

    Raises:
        WebtextError: it was written by a newer webtext.
        DamagedFile: it is no manifest, or its identity does not fit its content.
    """
    found = read_json(path)
    if not isinstance(found, dict) or "schema_version" not in found:
        raise DamagedFile("is no manifest of a stage", where=path)
    if found["schema_version"] != SCHEMA_VERSION:
        newer = isinstance(found["schema_version"], int) and found["schema_version"] > SCHEMA_VERSION
        raise WebtextError(
            f"has schema version {found['schema_version']}; this webtext reads {SCHEMA_VERSION}",
            where=path,
            hint="use the newer webtext that made this corpus" if newer else "make the stage again with --redo",
        )
    try:
        manifest = Manifest(
            stage=Stage(found["stage"]),
            settings=found["settings"],
            rules=found["rules"],
            inputs=found["inputs"],
            rows_in=found["rows_in"],
            rows_out=found["rows_out"],
            outcomes=found["outcomes"],
            files=found["files"],
            facts=found["facts"],
            run=found["run"],
        )
    except (KeyError, ValueError) as error:
        raise DamagedFile(f"is no whole manifest ({error})", where=path) from error
    if manifest.identity != found.get("identity"):
        raise DamagedFile(
            "was changed after it was written (its identity does not fit)",
            where=path,
            hint=f"make the stage again: webtext {manifest.stage.command} CORPUS --redo",
        )
    return manifest


def verify_files(corpus: Path, manifest: Manifest, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Compare the files of a finished stage (those whose name is `wanted`) with its manifest.

    Raises:
        DamagedFile: a file is missing or has other bytes.
    """
    for name, expected in manifest.files.items():
        if not wanted(name):
            continue
        path = corpus / name
        if not path.is_file():
            _damaged(path, "is missing", manifest.stage)
        if file_sha256(path) != expected:
            _damaged(path, "has other bytes than the manifest says (sha256 differs)", manifest.stage)


def _damaged(path: Path, what: str, stage: Stage) -> None:
    raise DamagedFile(what, where=path, hint=f"make the stage again: webtext {stage.command} CORPUS --redo")
