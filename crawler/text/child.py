"""The process in which pages are taken apart, so that it may be killed: `python -m webtext.crawler.text.child TERMS`.

Reads pages from standard input and answers on standard output. The kernel ends it when a page takes too much processor
time; it ends itself when its input ends, and with its parent. Started by `isolate`, never by hand.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from webtext.corpus.outcomes import Outcome
from webtext.corpus.processes import end_with_parent
from webtext.crawler.text.messages import (
    Answer,
    decode_page_message,
    decode_terms,
    encode_answer,
    encode_ready,
)
from webtext.crawler.text.results import Rejection, TextRules

if TYPE_CHECKING:
    from webtext.crawler.text.results import Extracted, PageBytes

    Examine = Callable[[PageBytes, TextRules], Extracted | Rejection]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")  # of an object, in an error's text: other in every process
_DETAIL_CHARACTERS = 200


def main() -> None:
    """Serve pages until the input ends."""
    terms = decode_terms(sys.argv[1])
    answers = _take_standard_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # signals of the terminal are the parent's business
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    end_with_parent(terms.parent)
    try:
        # What takes long to load comes before the first page's time begins.
        from webtext.crawler.text import examine, language, rescue

        language.warm_up()
        rescue.warm_up()
    except Exception as error:  # noqa: BLE001 - told to the parent, which tells the user
        _write(answers, encode_ready(f"{type(error).__name__}: {error}"))
        return
    _limit_memory(terms.memory_bytes)
    _write(answers, encode_ready())
    with contextlib.suppress(EOFError):
        while True:
            page = decode_page_message(_read_exactly)
            with _processor_time(terms.cpu_seconds):
                message = encode_answer(_answer(page, terms.rules, examine.examine))
            _write(answers, message)


def _answer(
    page: PageBytes, rules: TextRules, examine: Callable[[PageBytes, TextRules], Extracted | Rejection]
) -> Answer:
    from webtext.crawler.text.language import LanguageDisagreement

    try:
        found = examine(page, rules)
    except MemoryError:
        return _OUT_OF_MEMORY
    except LanguageDisagreement as error:
        return Answer(Rejection(Outcome.EXTRACT_ERROR, "the language detectors differ"), trouble=str(error))
    except Exception as error:  # noqa: BLE001 - a page may break the extractor in any way; none may break the stage
        text = _ADDRESS.sub("0x…", " ".join(f"{type(error).__name__}: {error}".split()))
        return Answer(Rejection(Outcome.EXTRACT_ERROR, text[:_DETAIL_CHARACTERS]))
    if isinstance(found, Rejection) and found.outcome is Outcome.EMPTY and _memory_ran_short():
        return _OUT_OF_MEMORY  # the parser met the limit, and the libraries around it took that for an empty page
    return Answer(found)


_OUT_OF_MEMORY = Answer(Rejection(Outcome.EXTRACT_ERROR, "out of memory"), worn=True)
_SHORT = 0.6  # of the limit: what failed was the next, larger piece


def _memory_ran_short() -> bool:
    """Whether the address space has come near its limit; False where the system does not say (not Linux)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    peak = re.search(r"VmPeak:\s+(\d+) kB", status)
    return limit != resource.RLIM_INFINITY and peak is not None and int(peak.group(1)) * 1024 > _SHORT * limit


@contextlib.contextmanager
def _processor_time(seconds: float) -> Iterator[None]:
    """Let the kernel end this process once the page has used `seconds`: no handler of Python's runs in time.

    The profiling timer (SIGPROF) is exact. RLIMIT_CPU (SIGXCPU) knows whole seconds of the whole process only, so it
    stands a second behind, in case some library ever takes the timer.
    """
    used = sum(os.times()[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_within(math.ceil(used + seconds) + 1, hard), hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def _limit_memory(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # macOS has no such limit for address space: there the kernel's own must do.
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_within(limit, hard), hard))


def _within(limit: int, hard: int) -> int:
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


def _take_standard_output() -> int:
    """The answers' own descriptor; whatever a library prints goes to standard error."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def _read_exactly(size: int) -> bytes:
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main()
