"""torch.compile, block by block and over the pieces of the head; where it cannot, a plain message and eager mode.

A block is compiled once for all layers, so that the time it takes does not grow with them, and what is between blocks
(recomputation, FSDP's gathering, the question whether to stop) stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from webtext.corpus.errors import UsageError, WebtextError
from webtext.corpus.progress import say
from webtext.train.loss import LossOfModel, piece_gradient

CHOICES = ("auto", "on", "off")


def wants_compiling(name: str, device: torch.device) -> bool:
    """Whether to try: `auto` on CUDA only. In float32 on a CPU it gained 3 % (tiny) and takes half a minute.

    Raises:
        UsageError: no such choice.
    """
    if name not in CHOICES:
        raise UsageError(f"compile is {name}; it takes {', '.join(CHOICES)}")
    return name == "on" or (name == "auto" and device.type == "cuda")


def compile_parts(trained: LossOfModel) -> None:
    """Compile the blocks and the head's pieces when they are first called."""
    for block in trained.model.h:
        block.compile(dynamic=False)
    trained.piece = torch.compile(piece_gradient, dynamic=False)


def compiled_or_not(trained: LossOfModel, once: Callable[[], object]) -> bool:
    """Call `once`, which trains a micro-batch and so compiles; where that fails, undo it, say why, and call it again.

    Returns:
        Whether the model is compiled now.
    """
    try:
        once()
    except WebtextError:
        raise
    except Exception as error:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            raise
        if (ours := _ours(error)) is not None:
            raise ours from error
        for block in trained.model.h:
            block._compiled_call_impl = None
        trained.piece = piece_gradient
        say(f"cannot compile here, goes on without ({_reason(error)})")
        once()
        return False
    return True


@contextmanager
def eager(compiled: bool) -> Iterator[None]:
    """Run compiled parts as they were written: for texts, whose every length would be compiled anew."""
    if not compiled:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def _ours(error: BaseException | None) -> WebtextError | None:
    """The request to stop that came while the compiler was at work, which wraps it into an error of its own."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, WebtextError):
            return error
        seen.add(id(error))
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
    return None


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
