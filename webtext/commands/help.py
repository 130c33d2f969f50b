"""How help pages look: examples as they are typed, plain names for what an option takes, commands in order of use.

Nothing here knows what a command does.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Begin here": ("demo", "doctor", "plan", "build"),
        "One step at a time": ("init", "links", "crawl", "extract", "import", "dedup", "tokenize"),
        "The model": ("train", "generate", "eval"),
        "Look at it, and look after it": (
            "status", "report", "trace", "robots", "diff", "overlap", "wikipedia", "evaluate-extraction",
            "shards", "export", "forget", "gc",
        ),
    }
)  # fmt: skip
"""The order of the commands on the first page; one that is not named here stands below the others."""

_REST = "Others"
_SUMMARY = 66  # characters that fit beside the name of a command


class Page(TyperCommand):
    """A command whose help page fits 80 columns and shows its examples as they are typed."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """CORPUS, not {CORPUS}; [SOURCE...], not [[SOURCE...]]..."""
        return [_plain_argument(piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options, each with what it takes in one word."""
        write_list = formatter.write_dl
        formatter.write_dl = lambda rows, **more: write_list([_plain(*row) for row in rows], **more)
        try:
            super().format_options(ctx, formatter)
        finally:
            formatter.write_dl = write_list

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples, one a line: they are there to be copied."""
        _write_examples(formatter, examples_of(self.epilog))


class Book(TyperGroup):
    """The first page: commands in sections, in the order in which one needs them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, by section."""
        known = [name for names in SECTIONS.values() for name in names]
        return sorted(super().list_commands(ctx), key=lambda name: known.index(name) if name in known else len(known))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A list of commands for each section, with the first sentence of their help."""
        visible = {name: command for name in self.list_commands(ctx) if not (command := self.commands[name]).hidden}
        width = max(map(len, visible), default=0)
        left = dict(visible)
        for section, names in (*SECTIONS.items(), (_REST, tuple(visible))):
            rows = [(name.ljust(width), first_sentence(left.pop(name).help)) for name in names if name in left]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples, one a line."""
        _write_examples(formatter, examples_of(self.epilog))


def examples_of(epilog: str | None) -> Sequence[str]:
    """The command lines of an epilog: "Example: webtext init my-corpus", or several lines, or several after "; "."""
    lines = re.split(r"\n|;\s+(?=webtext )", re.sub(r"^\s*Examples?:", "", epilog or ""))
    return [line.strip() for line in lines if line.strip()]


def first_sentence(text: str | None) -> str:
    """The first sentence of a help text, without its full stop; of a long one what stands before its colon."""
    line = " ".join((text or "").split("\n\n")[0].split())
    sentence = re.split(r"\.(?:\s|$)", line, maxsplit=1)[0]
    return sentence if len(sentence) <= _SUMMARY else sentence.split(": ")[0]


def dress(commands: typer.Typer) -> typer.Typer:
    """Give every command of a group a `Page`, and every group in it a `Book`."""
    for command in commands.registered_commands:
        command.cls = Page
    for group in commands.registered_groups:
        group.cls = Book
        if group.typer_instance is not None:
            dress(group.typer_instance)
    return commands


def _write_examples(formatter: Any, examples: Sequence[str]) -> None:
    if examples:
        with formatter.section("Example" if len(examples) == 1 else "Examples"):
            for example in examples:
                # A line that is too long goes on in the next one as it would in a shell.
                parts = textwrap.wrap(
                    example,
                    formatter.width - formatter.current_indent - 4,
                    subsequent_indent="  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                formatter.write("".join(f"{'':>{formatter.current_indent}}{line}\n" for line in _continued(parts)))


def _continued(lines: Sequence[str]) -> list[str]:
    return [f"{line} \\" for line in lines[:-1]] + list(lines[-1:])


def _plain(name: str, text: str) -> tuple[str, str]:
    """`--workers N … [at least 1]` for `--workers <int range> … [x>=1]`, `CORPUS` for `CORPUS <path>`."""
    text = re.sub(r"\bx>=([\d.]+)", r"at least \1", text)
    if not name.startswith("-"):
        return name.partition(" ")[0].strip("[]{}"), text
    for found, shown in (("int", "N"), ("float", "X"), ("str", "TEXT"), ("path", "PATH"), ("list[str]", "TEXT")):
        name = re.sub(rf"<{re.escape(found)}(?: range)?>", shown, name)
    return name, text


def _plain_argument(piece: str) -> str:
    found = re.fullmatch(r"([\[{]+)([A-Z|]+)(\.\.\.)?[\]}]+(\.\.\.)?", piece)
    if found is None:
        return piece
    optional, name, *more = found.groups()
    many = "..." if any(more) else ""
    return f"[{name}{many}]" if optional.startswith("[") else f"{name}{many}"
