"""What a trace says of a link: values, stage by stage, and the same as JSON. How they are found is in
`webtext.tracing`, how they are told in `webtext.trace_text`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from webtext.corpus.outcomes import Stage

PASSED, ENDED, NOT_REACHED, NOT_RUN, UNFINISHED = "passed", "ended", "not reached", "not run", "unfinished"


@dataclass(frozen=True)
class StageTrace:
    """What one stage knows of a link.

    `state`: passed; ended (with outcome and detail); not reached, as it ended before; not run, the stage or for this
    link; unfinished, as the stage is being made. `outdated`: what the stage read has changed since it was made.
    """

    stage: str
    state: str
    outcome: str = ""
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    outdated: bool = False


@dataclass(frozen=True)
class Trace:
    """The way of one link. `asked` is what was asked for, `url` its spelling in the corpus, None where it has none."""

    corpus: str
    key: str
    asked: str | None
    url: str | None
    stages: tuple[StageTrace, ...]
    near: tuple[tuple[str, str], ...] = ()
    """For an address that was never seen: others that were (key, address)."""
    leading_here: tuple[tuple[str, str], ...] = ()
    """For an address that was never posted: links that led to it (key, address)."""
    diff: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether any stage has met this link."""
        return any(stage.state in (PASSED, ENDED) for stage in self.stages)

    @property
    def end(self) -> StageTrace | None:
        """The stage in which it ended, None where it did not."""
        return next((stage for stage in self.stages if stage.state == ENDED), None)

    def of(self, stage: Stage) -> StageTrace:
        """What one stage knows."""
        return next(found for found in self.stages if found.stage == stage)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: `stages` by name, keys as text, times in ISO 8601."""
        value = asdict(self)
        value["stages"] = {stage.stage: asdict(stage) for stage in self.stages}
        for name in ("near", "leading_here"):
            value[name] = [{"key": key, "url": url} for key, url in value[name]]
        end = self.end
        ended = None if end is None else {"stage": end.stage, "outcome": end.outcome, "detail": end.detail}
        found: dict[str, Any] = _plain({**value, "known": self.known, "ended": ended})
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value
