"""Elements on threads of one process: for functions whose time goes into libraries that let go of Python's lock.

What such threads share (a vocabulary, what an engine remembers of words) is in memory once, not once a process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class OnThreads(Generic[T]):
    """Calls `function`, which must bear it, for every element of a sequence, on so many threads at a time."""

    function: Callable[[T], object]
    threads: int

    def __call__(self, elements: Sequence[T]) -> None:
        """Do all of them, in no order.

        Raises:
            BaseException: the first failure, when no thread is at work any more; what was not begun is left.
        """
        waiting, lock = iter(elements), threading.Lock()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                while not failures:
                    with lock:
                        element = next(waiting)
                    self.function(element)
            except StopIteration:
                return
            except BaseException as error:  # noqa: BLE001 - carried to the caller
                failures.append(error)

        # Daemons, as the thread they work for: a user who stops does not wait for them.
        started = [threading.Thread(target=work, name="webtext work", daemon=True) for _ in range(self.threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        if failures:
            raise failures[0]
