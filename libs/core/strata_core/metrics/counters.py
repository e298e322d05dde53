"""What a counter's readings say of its rise and its speed."""

import numpy as np
from numpy.typing import NDArray


def rates_by_window(
    time_ns: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    from_ns: int,
    step_ns: int | None,
    is_per_second: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Window starts, and the (per-second) increase in each, of one counter with readings in order of time.

    An increase belongs to the window of its later reading; a window's rate is all its increases over all the time
    they took, so that a gap in the readings neither hides nor inflates it. A fall is a restart from zero: what the
    counter shows then was added since.
    """
    if len(time_ns) < 2:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    before, after, later = values[:-1], values[1:], time_ns[1:]
    added = np.where(after >= before, after - before, after)
    starts = np.full(len(later), from_ns, np.int64) if step_ns is None else later - later % step_ns
    first_of_window = np.flatnonzero(np.concatenate(([True], starts[1:] != starts[:-1])))
    risen = np.add.reduceat(added, first_of_window)
    if is_per_second:
        risen /= np.add.reduceat(np.diff(time_ns), first_of_window) / 1e9
    return starts[first_of_window], risen
