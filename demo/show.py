"""What a person sees of the demo: commands, the waterfall, the facts. Nothing is wider than a terminal of 80 columns.

What happens goes to standard error, results to standard output.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from webtext.corpus.progress import say
from webtext.demo.registry import Broken
from webtext.reports import Status

if TYPE_CHECKING:
    from webtext.demo.run import DemoReport

_WIDTH = 80
_REST = 31  # column at which a waterfall's outcomes begin


def command(*words: object) -> None:
    """Show a command as it would be typed."""
    from rich.console import Console
    from rich.text import Text

    # Bold on a terminal, plain elsewhere and under NO_COLOR; never cut.
    line = "$ webtext " + shlex.join(map(str, words))
    Console(stderr=True, soft_wrap=True).print(Text(f"\n{line}", style="bold"))


def note(text: str) -> None:
    """A remark, wrapped."""
    say(_wrapped(text, ""))


def result(text: str = "") -> None:
    """A result."""
    print(text, file=sys.stdout, flush=True)  # noqa: T201


def waterfall(status: Status) -> str:
    """In and out of each stage, and what became of the others, a few lines a stage."""
    lines = [f"{'':<11}{'in':>8}{'out':>8}    what became of the others"]
    for stage in status.stages:
        ranked = sorted(stage.outcomes.items(), key=lambda entry: (-entry[1], entry[0]))
        # A count and its word stay together.
        counts = ", ".join(f"{count:,}\u00a0{outcome}" for outcome, count in ranked)
        others = _wrapped(counts, " " * _REST).replace("\u00a0", " ")
        lines.append(f"{stage.stage:<11}{stage.rows_in:>8,}{stage.rows_out:>8,}{others[_REST - 4 :]}")
    return "\n".join(lines)


def closing(report: DemoReport) -> str:
    """The last lines: what there is now, and what may be done with it."""
    minutes, seconds = divmod(round(report.seconds), 60)
    return (
        f"{report.documents:,} documents, {report.tokens:,} tokens, {minutes}:{seconds:02} minutes\n"
        f"fingerprint {report.fingerprint}\n\n"
        f"To look around, and to clean up:\n"
        f"  webtext status {report.corpus}\n"
        f'  webtext generate {report.corpus} --prompt "The"\n'
        f"  rm -r {report.folder}"
    )


def sample(text: str) -> str:
    """A text out of a model, line by line wrapped."""
    return "\n".join(_wrapped(line, "  ") for line in text.splitlines() if line.strip())


def verdict(facts: int, broken: Sequence[Broken]) -> str:
    """How many of the planted facts hold, and which do not."""
    lines = [f"{facts - len(broken)} of {facts} planted facts hold"]
    for number, fact in enumerate(broken, start=1):
        name, *details = str(fact).splitlines()
        lines += [f"  {number}. {name}", *(_wrapped(detail.strip(), " " * 5) for detail in details)]
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> str:
    width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
    return textwrap.fill(text, max(width, 40), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
