"""Several links, one page: which of them owns it. Decided by what the links are, never by which was fetched first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NO_TIME = np.iinfo(np.int64).max
"""`first_posted` of a link whose time is not known: later than any."""


def owners(
    keys: npt.NDArray[np.uint64],
    final_keys: npt.NDArray[np.uint64],
    karma: npt.NDArray[np.int64],
    first_posted: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """For each row the number of the row that owns its page.

    Rows with one `final_key` have one page. The link whose own key that is owns it; where no such link is among them,
    the one with most karma, then the earliest, then the one with the smallest key.

    Args:
        keys: one a link, each once.
        first_posted: seconds since 1970, `NO_TIME` where unknown.
    """
    order = np.lexsort((keys, first_posted, -karma, keys != final_keys, final_keys))
    groups = final_keys[order]
    starts = np.empty(len(order), np.bool_)
    starts[:1] = True
    starts[1:] = groups[1:] != groups[:-1]
    owned = np.empty(len(order), np.int64)
    owned[order] = order[starts][np.cumsum(starts) - 1]
    return owned
