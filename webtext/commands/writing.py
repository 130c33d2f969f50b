"""How `webtext generate` reads prompts and shows texts: streamed, as they are done, or asked for one by one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.files import os_errors
from webtext.corpus.progress import progress
from webtext.extras import needs
from webtext.models import check_there, open_models

if TYPE_CHECKING:
    from webtext.train.generation import Writer
    from webtext.train.sampling import Sampling

RULER = "-" * 40
"""Between two texts."""


def prompts_of(prompt: str | None, file: Path | None, *, interactive: bool) -> list[str] | None:
    """The prompts asked for; None for those a person will type.

    Raises:
        UsageError: more than one of the three was given, or a file without a prompt.
        WebtextError: the file cannot be read as prompts.
    """
    if sum((prompt is not None, file is not None, interactive)) > 1:
        raise UsageError("takes one of --prompt, --prompts and --interactive", where="webtext generate")
    if interactive:
        return None
    if file is None:
        return [prompt or ""]
    with os_errors(file):
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    lines = data.split(b"\n")
    found = [
        _prompt(line.removesuffix(b"\r"), f"{file}:{number}", as_json=file.suffix == ".jsonl")
        for number, line in enumerate(lines[:-1] if lines[-1] == b"" else lines, start=1)
    ]
    if not found:
        raise UsageError("holds no prompt", where=file, hint="one a line; an empty line begins a new document")
    return found


def _prompt(line: bytes, where: str, *, as_json: bool) -> str:
    try:
        text = line.decode()
        found: Any = json.loads(text) if as_json else text
    except ValueError as error:
        raise WebtextError(f"is no {'JSON' if as_json else 'UTF-8'} ({error})", where=where) from error
    if isinstance(found, dict):
        found = found.get("prompt")
    if not isinstance(found, str):
        raise WebtextError('is no prompt: it takes a string, or {"prompt": "…"}', where=where)
    return found


@dataclass(frozen=True)
class Session:
    """A loaded model, and how it is to write."""

    writer: Writer
    sampling: Sampling
    seed: int
    stop: tuple[str, ...]

    @classmethod
    def open(
        cls, model: Path, *, run: str, checkpoint: str, device: str, seed: int, stop: tuple[str, ...], **options: Any
    ) -> Session:
        """Load the model of a corpus' run, or that of any folder of a GPT-2."""
        with needs("train"):
            from webtext.train.folders import is_model_folder
            from webtext.train.generation import Writer
            from webtext.train.sampling import Sampling
        sampling = Sampling(**options)
        if seed < 0:
            raise UsageError(f"seed is {seed}; it takes a number from 0")
        if "" in stop:
            raise UsageError("--stop takes a text that is not empty")
        check_there(model)
        if not is_model_folder(model):
            writer = open_models(model).writer(run=run, checkpoint=checkpoint, device=device)
        else:
            writer = Writer.load(model, device=device)
        return cls(writer, sampling, seed, stop)

    def stream(self, prompt: str, *, seed: int) -> None:
        """Show one text while it is written; Ctrl-C ends it."""
        with _shown() as show:
            show(prompt)
            for piece in self.writer.stream(prompt, self.sampling, seed=seed, stop=self.stop):
                show(piece)
            show("\n")

    def write(self, prompts: Sequence[str], samples: int, batch_size: int, *, as_json: bool) -> None:
        """Write `samples` texts of each prompt: with a ruler between them, or as one line of JSON a prompt."""
        at_once = max(1, 8 * batch_size // samples)
        with _shown() as show, progress(None, "generate", len(prompts), "prompts") as done:
            for first in range(0, len(prompts), at_once):
                some = prompts[first : first + at_once]
                texts = self.writer.write(
                    some, self.sampling, seed=self.seed, num_samples=samples, stop=self.stop, batch_size=batch_size
                )
                for place, (prompt, found) in enumerate(zip(some, texts, strict=True), start=first):
                    if as_json:
                        show(json.dumps({"prompt": prompt, "samples": found}, ensure_ascii=False) + "\n")
                    else:
                        show((f"{RULER}\n" if place else "") + f"\n{RULER}\n".join(found) + "\n")
                done.add(len(some))

    def converse(self) -> None:
        """Ask for prompts and answer each, as openai/gpt-2's interactive samples: a prompt knows nothing of the last.

        Ctrl-C ends a text, Ctrl-D or Ctrl-C at a prompt the conversation.
        """
        for turn, prompt in enumerate(_typed()):
            try:
                # Another seed each time: the same prompt again gives another text.
                self.stream(prompt, seed=self.seed + turn)
            except KeyboardInterrupt:
                print(" …", flush=True)  # noqa: T201


def _typed() -> Iterator[str]:
    asked = sys.stdin.isatty()
    if asked:
        import readline  # noqa: F401 - gives `input` a line that can be edited, and a history
    while True:
        try:
            yield input("prompt> " if asked else "")
        except (EOFError, KeyboardInterrupt):
            if asked:
                print()  # noqa: T201
            return


@contextmanager
def _shown() -> Iterator[Any]:
    """A way to show text at once; what the terminal cannot show is replaced."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")

    def show(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    yield show
