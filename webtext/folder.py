"""A corpus folder in the hands of one command: opened, locked, its settings read, its stages begun and checked.

The mechanics behind `webtext.api`; what the stages do is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webtext.corpus.config import CONFIG_NAME, Settings, load_settings, render_settings, shaping, store_values
from webtext.corpus.errors import ChangedSettings, UsageError, WebtextError
from webtext.corpus.files import TEMPORARY, os_errors, write_bytes
from webtext.corpus.interrupts import Stop, stop_signals
from webtext.corpus.lock import corpus_lock
from webtext.corpus.manifests import Manifest, is_imported, verify_files
from webtext.corpus.outcomes import Stage
from webtext.corpus.stages import StageRun, refuse_changes, roll_forward, stage_manifest
from webtext.corpus.tombstones import refuse_pending

# The section of webtext.toml that shapes each stage.
SECTIONS: Mapping[Stage, str] = {
    Stage.LINKS: "links",
    Stage.PAGES: "crawl",
    Stage.DOCUMENTS: "extract",
    Stage.CLEAN: "dedup",
    Stage.SHARDS: "tokenize",
}


class CorpusFolder:
    """A corpus folder.

    Args:
        path: the folder. One that does not exist yet, or is empty, becomes a corpus with the defaults.
        create: False refuses a folder that is no corpus yet.

    Raises:
        WebtextError: the folder holds other things than a corpus, or cannot be written.
        UsageError: its webtext.toml has an unknown or wrong setting.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self.path = Path(path)
        self._forgetting = False
        config = self.path / CONFIG_NAME
        with os_errors(self.path):
            if not config.exists():
                if self.path.exists() and not _is_empty(self.path):
                    raise WebtextError(
                        f"is no corpus (it has no {CONFIG_NAME})",
                        where=self.path,
                        hint="name a corpus, or a new or empty folder to make one",
                    )
                if not create:
                    raise WebtextError(
                        "there is no corpus here", where=self.path, hint=f"make one with: webtext init {self.path}"
                    )
                self.path.mkdir(parents=True, exist_ok=True)
                write_bytes(config, render_settings(Settings()).encode())
        self.settings  # noqa: B018 - a wrong webtext.toml is told now, not at the first stage

    @property
    def settings(self) -> Settings:
        """What webtext.toml says now, over the defaults."""
        return load_settings(self.path / CONFIG_NAME)

    @contextmanager
    def _writing(
        self,
        command: str,
        flags: Mapping[str, object],
        stage: Stage,
        *,
        raising: bool = True,
        engine: Mapping[str, object] | None = None,
        section: str | None = None,
    ) -> Iterator[Settings]:
        """Hold the lock and catch the stop signals; give the settings with `flags` and `engine` over them.

        `section` is where the flags belong, by default that of the stage.
        """
        config = self.path / CONFIG_NAME
        with corpus_lock(self.path, command), stop_signals(raising=raising) as stop, os_errors(self.path):
            self._stop: Stop = stop
            if not self._forgetting:
                refuse_pending(self.path)
            before = config.read_bytes()
            try:
                where = f"webtext {command}"
                wanted = self.settings.with_values(section or SECTIONS[stage], flags, where=where)
                wanted = wanted.with_values("engine", engine or {}, where=where)
                if wanted.engine.name != "local":  # paths travel to machines with other working directories
                    self.path = self.path.absolute()
                yield wanted
            except (UsageError, ChangedSettings):
                if config.read_bytes() != before:  # the stage itself refused what `_begin` had stored
                    write_bytes(config, before)
                raise

    def _begin(
        self,
        stage: Stage,
        settings: Settings,
        rules: Mapping[str, Any],
        inputs: Mapping[str, Any],
        flags: Mapping[str, object],
        *,
        redo: bool,
        stated: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> StageRun:
        """Begin a stage; `stated` is what its manifest says instead of settings that are no content (paths), `resume`
        goes on with a finished one."""
        section = SECTIONS[stage]
        content = shaping(getattr(settings, section)) | dict(stated or {})
        run = StageRun.begin(self.path, stage, settings=content, rules=rules, inputs=inputs, redo=redo, resume=resume)
        # A flag that shapes content is what the next command must agree with; one that was refused is not.
        stored = {name: getattr(getattr(settings, section), name) for name in flags if name in content}
        store_values(self.path / CONFIG_NAME, section, stored)
        return run

    def _finished(self, stage: Stage) -> Manifest:
        """The manifest of a finished stage that was made of what its own source is now."""
        roll_forward(self.path, stage)
        manifest = stage_manifest(self.path, stage)
        if manifest is None:
            raise self._unfinished(stage)
        if stage.source is not None and not is_imported(manifest):
            source = self._finished(stage.source)
            if manifest.inputs.get(str(stage.source)) != source.identity:
                raise WebtextError(
                    f"{stage} was made of other {stage.source} than there are now",
                    where=self.path,
                    hint=f"run webtext {stage.command} first",
                )
        return manifest

    def _unfinished(self, stage: Stage) -> WebtextError:
        """That a stage is missing, with all commands that lead to it, not only the last one."""
        missing = [stage]
        if is_imported(stage_manifest(self.path, Stage.DOCUMENTS)) and stage is Stage.PAGES:
            return WebtextError(
                "its documents were imported, not crawled", where=self.path,
                hint=f"there is nothing to extract; webtext dedup {self.path} goes on",
            )  # fmt: skip
        while (source := missing[-1].source) is not None and stage_manifest(self.path, source) is None:
            missing.append(source)
        commands = ", ".join(step.command for step in reversed(missing))
        also = f" (webtext build {self.path} runs all of them)" if len(missing) > 1 else ""
        return WebtextError(f"{stage} is not finished", where=self.path, hint=f"run webtext {commands} first{also}")

    def _files(self, manifest: Manifest, prefix: str) -> list[Path]:
        """The verified files of a finished stage whose names begin with `prefix`."""
        verify_files(self.path, manifest)
        return [self.path / name for name in sorted(manifest.files) if name.startswith(prefix)]

    def _standing(
        self, stage: Stage, settings: Settings, rules: Mapping[str, Any], *, redo: bool, hint: str
    ) -> Manifest:
        """The manifest of a finished stage that is asked for without inputs."""
        roll_forward(self.path, stage)
        manifest = stage_manifest(self.path, stage)
        if manifest is None or redo:
            raise UsageError(f"{stage} has nothing to read", where=self.path, hint=hint)
        refuse_changes(stage, manifest, shaping(getattr(settings, SECTIONS[stage])), rules)
        return manifest


def _is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, or only what a killed `init` left."""
    return folder.is_dir() and all(TEMPORARY in path.name for path in folder.iterdir())
