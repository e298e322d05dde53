"""Windows of series, folded into wider ones. A point is a window of its own: so one fold makes every tier."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strata_core.metrics.histograms import buckets_of, merged

Values = NDArray[Any]
"""float64 of numbers, objects of anything else."""


@dataclass(frozen=True, slots=True)
class Histograms:
    """Of rows: `rows[i]` is the row that counts `counts[i]` in `buckets[i]`. In order of rows, then of buckets."""

    rows: NDArray[np.int64]
    buckets: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spread:
    """What windows of numbers hold beside their ends."""

    sums: NDArray[np.float64]
    minima: NDArray[np.float64]
    maxima: NDArray[np.float64]
    rises: NDArray[np.float64]
    histograms: Histograms | None


@dataclass(frozen=True, slots=True)
class Windows:
    """Row i is a window of the series `owners[i]`. By owner, then by time."""

    owners: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    firsts: Values
    first_ns: NDArray[np.int64]
    lasts: Values
    last_ns: NDArray[np.int64]
    spread: Spread | None

    def __len__(self) -> int:
        return len(self.owners)


def windows_of_points(
    owners: NDArray[np.int64], time_ns: NDArray[np.int64], values: Values, *, with_spread: bool
) -> Windows:
    spread = None
    if with_spread:
        rows = np.arange(len(values))
        histograms = Histograms(rows, buckets_of(values), np.ones(len(values), np.int64))
        spread = Spread(values, values, values, np.zeros(len(values)), histograms)
    return Windows(owners, time_ns, np.ones(len(values), np.int64), values, time_ns, values, time_ns, spread)


def fold(windows: Windows, width_ns: int) -> Windows:
    """Into those that begin at multiples of the width since the epoch."""
    if not len(windows):
        return windows
    starts = windows.starts - windows.starts % width_ns
    is_first = np.ones(len(windows), np.bool_)
    is_first[1:] = (np.diff(windows.owners) != 0) | (np.diff(starts) != 0)
    firsts = np.flatnonzero(is_first)
    lasts = np.append(firsts[1:], len(windows)) - 1
    return Windows(
        windows.owners[firsts],
        starts[firsts],
        np.add.reduceat(windows.counts, firsts),
        windows.firsts[firsts],
        windows.first_ns[firsts],
        windows.lasts[lasts],
        windows.last_ns[lasts],
        None if windows.spread is None else _folded_spread(windows, windows.spread, is_first, firsts),
    )


def _folded_spread(windows: Windows, spread: Spread, is_first: NDArray[np.bool_], firsts: NDArray[np.intp]) -> Spread:
    rises = spread.rises + np.where(is_first, 0.0, rises_between(windows))
    with np.errstate(over="ignore", invalid="ignore"):
        sums, totals = np.add.reduceat(spread.sums, firsts), np.add.reduceat(rises, firsts)
    histograms = spread.histograms
    if histograms is not None:
        folded = np.cumsum(is_first)[histograms.rows] - 1
        histograms = Histograms(*merged(folded, histograms.buckets, histograms.counts))
    return Spread(
        sums, np.minimum.reduceat(spread.minima, firsts), np.maximum.reduceat(spread.maxima, firsts), totals, histograms
    )


def rises_between(windows: Windows) -> NDArray[np.float64]:
    """How much a counter rose from the end of the row before to the start of each; a fall is a restart from zero. The
    first row of all has none."""
    rises = np.zeros(len(windows))
    before, after = windows.lasts[:-1], windows.firsts[1:]
    with np.errstate(over="ignore"):
        rises[1:] = np.where(after >= before, after - before, after)
    return rises
