"""How many links may be under way at once, so that this process itself makes none of them wait.

Whatever is under way beyond what the processor can serve only lengthens every answer's way through the loop: as many
pages a second, each later (Little's law). The host that bounds the end of the crawl pays for it link by link. So the
number sinks while the loop lags behind its clock, and grows again when it does not. Pure: no clock, no loop.
"""

from __future__ import annotations

import statistics

STEP_SECONDS = 0.1
"""Between two looks at the loop's lag."""

LAG_SECONDS = 0.05
"""The lag of one pass of the loop from which on it is late: a page takes about six, and hosts are asked each second."""

_LOOKS = 5  # a decision: the median of so many, for one commit that waits for the disk is no sign
_LEAST = 8  # the part of the setting that is always allowed: a slow disk must not stop a fast network
_GROWTH = 1.25


class Pressure:
    """Links under way at once: `most` at first and at most.

    Args:
        most: the setting.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = max(1, most // _LEAST)
        self._looks: list[float] = []
        self.limit = most
        """Links that may be under way now."""

    def lagged(self, seconds: float) -> None:
        """The loop was so late for a look."""
        self._looks.append(seconds)
        if len(self._looks) < _LOOKS:
            return
        late = statistics.median(self._looks) > LAG_SECONDS
        self._looks.clear()
        self.limit = max(self._least, self.limit // 2) if late else min(self._most, int(self.limit * _GROWTH) + 1)
