"""webtext.toml: read, checked, and written with every setting's meaning beside it.

A flag goes over the file, the file over the default.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

import tomlkit
from tomlkit.exceptions import TOMLKitError

from webtext.corpus.errors import UsageError
from webtext.corpus.files import os_errors, write_bytes
from webtext.corpus.settings import (
    ArchivesSettings,
    CrawlSettings,
    DedupSettings,
    EngineSettings,
    ExtractSettings,
    ImportSettings,
    LinksSettings,
    TokenizeSettings,
    TrainSettings,
    Value,
)

CONFIG_NAME = "webtext.toml"


@dataclass(frozen=True)
class Settings:
    """All of webtext.toml."""

    links: LinksSettings = field(default_factory=LinksSettings)
    crawl: CrawlSettings = field(default_factory=CrawlSettings)
    archives: ArchivesSettings = field(default_factory=ArchivesSettings)
    extract: ExtractSettings = field(default_factory=ExtractSettings)
    imports: ImportSettings = field(default_factory=ImportSettings)
    dedup: DedupSettings = field(default_factory=DedupSettings)
    tokenize: TokenizeSettings = field(default_factory=TokenizeSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)

    def with_values(self, section: str, values: Mapping[str, object], *, where: str) -> Settings:
        """These settings with `values` of one section replaced, checked; `where` is named in an error."""
        known = {part.name: part for part in fields(self)}
        if section not in known:
            raise UsageError(f"no such section: [{section}]", where=where, hint=_suggest(section, known))
        current = getattr(self, section)
        checked = {name: _check(current, section, name, value, where) for name, value in values.items()}
        return dataclasses.replace(self, **{section: dataclasses.replace(current, **checked)})


def shaping(section: Any) -> dict[str, Value | list[str]]:
    """The settings of one section that shape content, as plain JSON values."""
    values = {part.name: getattr(section, part.name) for part in fields(section) if part.metadata["shapes"]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def load_settings(path: Path) -> Settings:
    """Read webtext.toml.

    Raises:
        UsageError: no TOML, an unknown section or key (with the nearest known one), a value of another type or range.
    """
    with os_errors(path):
        text = path.read_bytes()
    try:
        document = tomlkit.parse(text.decode()).unwrap()
    except (TOMLKitError, UnicodeDecodeError) as error:
        hint = "mend it, or move it away for the defaults"
        raise UsageError(f"is no TOML: {error}", where=path, hint=hint) from error
    settings = Settings()
    for section, values in document.items():
        if not isinstance(values, dict):
            raise UsageError(f"{section} stands outside a section", where=path, hint="settings stand under [links], …")
        settings = settings.with_values(section, values, where=str(path))
    return settings


def render_settings(settings: Settings) -> str:
    """webtext.toml with every setting and its meaning."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment("Every setting of this corpus: a flag goes over this file, this file over the default.")
    )
    document.add(tomlkit.comment("Settings marked * shape content: changing one after its stage ran needs --redo."))
    for part in fields(settings):
        table = tomlkit.table()
        section = getattr(settings, part.name)
        for entry in fields(section):
            mark = "* " if entry.metadata["shapes"] else ""
            table.add(tomlkit.comment(f"{mark}{entry.metadata['meaning']}{_allowed(entry.metadata)}"))
            value = getattr(section, entry.name)
            table.add(entry.name, list(value) if isinstance(value, tuple) else value)
        document.add(part.name, table)
    return tomlkit.dumps(document)


def store_values(path: Path, section: str, values: Mapping[str, Value]) -> None:
    """Write `values` into webtext.toml, leaving all else (order, comments) as the user has it."""
    if not values:
        return
    with os_errors(path):
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    table: Any = document.setdefault(section, tomlkit.table())
    before = {name: table.get(name) for name in values}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    if before != plain:
        for name, value in plain.items():
            table[name] = value
        write_bytes(path, tomlkit.dumps(document).encode())


def _allowed(metadata: Mapping[str, Any]) -> str:
    if metadata["choices"]:
        return f" ({' | '.join(metadata['choices'])})"
    low, high = metadata["low"], metadata["high"]
    if low is None and high is None:
        return ""
    return f" ({'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'})"


def _check(current: Any, section: str, name: str, value: object, where: str) -> Value:
    known = {part.name: part for part in fields(current)}
    if name not in known:
        raise UsageError(f"no such setting: {section}.{name}", where=where, hint=_suggest(name, known))
    kind = get_type_hints(type(current))[name]
    metadata = known[name].metadata
    label = f"{section}.{name}"
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind == tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{label} is {value!r}; it takes a list of strings", where=where)
        if metadata["choices"] and (not value or not set(value) <= set(metadata["choices"])):
            raise UsageError(
                f"{label} is {list(value)}; it takes some of {', '.join(metadata['choices'])}", where=where
            )
        return tuple(str(item) for item in value)
    if type(value) is not kind:
        raise UsageError(f"{label} is {value!r}; it takes {_KINDS[kind]}", where=where)
    assert isinstance(value, (str, int, float))
    if metadata["choices"] and value not in metadata["choices"]:
        raise UsageError(f"{label} is {value!r}; it takes one of {', '.join(metadata['choices'])}", where=where)
    if not isinstance(value, str):
        low, high = metadata["low"], metadata["high"]
        # written so that NaN fails, too
        if not ((low is None or value >= low) and (high is None or value <= high)):
            raise UsageError(f"{label} is {value!r}; allowed is{_allowed(metadata)}", where=where)
    return value


_KINDS: Mapping[object, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _suggest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
