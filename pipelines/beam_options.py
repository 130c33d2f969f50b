"""Options of Beam's runners, passed through as the user gives them, but never silently dropped.

Beam itself throws an option away that it does not know; a misspelled one then seems to work.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from webtext.corpus.errors import UsageError

OURS = {
    "runner": "--engine says which runner it is",
    "direct_num_workers": "use --workers",
    "direct_running_mode": "use --workers",
    "dask_client_address": "use --address",
    "dask_connection_timeout": "webtext waits 10 s for a scheduler",
    "streaming": "the pipelines are bounded",
    "save_main_session": "nothing of the pipelines lies in a main module",
}
"""What webtext decides itself, and what to do instead."""


def as_flags(options: Iterable[str]) -> list[str]:
    """Options as a user writes them (NAME=VALUE, or NAME for a switch; leading dashes do not matter) as Beam's flags.

    Raises:
        UsageError: no name, or one that webtext decides itself.
    """
    flags = []
    for option in options:
        name, equals, value = option.strip().lstrip("-").partition("=")
        if not name or any(character.isspace() for character in name):
            raise UsageError(f"{option!r} is no Beam option", hint="they look like NAME=VALUE, or NAME for a switch")
        if name in OURS:
            raise UsageError(f"the Beam option {name} is not for you to give", hint=OURS[name])
        flags.append(f"--{name}{equals}{value}")
    return flags


def named(flags: Iterable[str], name: str) -> str | None:
    """The value of a flag (the last one counts, "" for a switch), None where it is not there."""
    found = None
    for flag in flags:
        given, _, value = flag.partition("=")
        found = value if given == f"--{name}" else found
    return found


def unknown(flags: Sequence[str], also: Collection[str] = ()) -> list[str]:
    """The names among `flags` that neither Beam (with what was imported so far) nor `also` knows.

    Raises:
        UsageError: a value that its option does not take.
    """
    parser = _parser()
    names = _names(parser)
    known = [flag for flag in flags if flag.partition("=")[0] in names]
    parser.parse_known_args(known)
    given = [flag.partition("=")[0].removeprefix("--") for flag in flags]
    return [name for name in given if f"--{name}" not in names and name not in also]


def refuse_unknown(flags: Sequence[str], engine: str, also: Collection[str] = ()) -> None:
    """Raise a `UsageError`, with the nearest known name, where an option is not known."""
    for name in unknown(flags, also):
        near = difflib.get_close_matches(name, [*(known.lstrip("-") for known in _names(_parser())), *also], n=1)
        hint = f"did you mean {near[0]}?" if near else "see the options of Beam's runner in Beam's documentation"
        raise UsageError(f"the engine {engine} has no Beam option {name}", hint=hint)


class _Parser(_BeamArgumentParser):  # type: ignore[misc]  # Beam's classes have no types here
    """Beam's parser, which says what is wrong instead of ending the process."""

    def error(self, message: str) -> None:  # type: ignore[override,unused-ignore]
        raise UsageError(f"a Beam option is wrong: {message}")


def _parser() -> _Parser:
    parser = _Parser(allow_abbrev=False, add_help=False)
    for kind in {str(kind): kind for kind in PipelineOptions.__subclasses__()}.values():
        kind._add_argparse_args(parser)
    return parser


def _names(parser: _Parser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}
