"""Functions of the samples in a range."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from strata_core.promql.budget import Budget
from strata_core.promql.matrix import Flags, Floats, Instants
from strata_core.promql.samples import Samples

_GATHERED: Final = 2_000_000
"""Samples that are looked at in one go: time and memory are bounded by it."""
_CELLS: Final = 32_768
"""Windows that are looked at in one go, but those of one series always are."""
_EXTRAPOLATED: Final = 1.1
_Column = TypeVar("_Column", np.float64, np.int64)
Places = NDArray[np.int64]
Outcome = tuple[Floats, Flags]


@dataclass(frozen=True, slots=True)
class Windows:
    """Of series i at step j the samples first[i, j] to end[i, j], from `begins[j]` to `ends[j]`, both included."""

    samples: Samples
    first: Places
    end: Places
    begins: Instants
    ends: Instants
    budget: Budget

    @property
    def counts(self) -> Places:
        return self.end - self.first

    def at(self, places: Places) -> tuple[Floats, Instants]:
        """Values and times, of anything where there is no such place."""
        if not len(self.samples.times):
            return np.zeros(places.shape), np.zeros(places.shape, np.int64)
        safe = np.clip(places, 0, len(self.samples.times) - 1)
        return self.samples.values[safe], self.samples.times[safe]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Samples, and the ranges of them that a function is to see, one a step. Marks of an end are none of them."""

    samples: Samples
    ends: Instants
    range_ms: int
    budget: Budget

    def blocks(self) -> Iterator[tuple[slice, Windows]]:
        """Some series at a time: what is computed of them stays in the processor's cache."""
        plain = self.samples.without_marks()
        begins, at_once = self.ends - self.range_ms, max(1, _CELLS // len(self.ends))
        for first in range(0, len(plain.labels), at_once):
            self.budget.check()
            rows = slice(first, min(first + at_once, len(plain.labels)))
            part = plain.part(rows.start, rows.stop)
            low, high = part.edges(begins, "left"), part.edges(self.ends, "right")
            yield rows, Windows(part, low, high, begins, self.ends, self.budget)


def extrapolated(windows: Windows, *, is_counter: bool, is_rate: bool) -> Outcome:
    """The change from the first to the last sample, stretched to the whole range: up to its edges where a sample could
    have been missed only by chance, half an interval beyond the samples otherwise, and no further than zero."""
    counts = windows.counts
    (first, first_at), (last, last_at) = windows.at(windows.first), windows.at(windows.end - 1)
    present = counts >= 2
    change = last - first
    if is_counter:
        change += _fallen(windows, present)
    to_start = (first_at - windows.begins) / 1_000
    to_end = (windows.ends - last_at) / 1_000
    sampled = (last_at - first_at) / 1_000
    apart = sampled / (counts - 1)
    if is_counter:
        to_zero = sampled * (first / change)
        to_start = np.where((change > 0) & (first >= 0) & (to_zero < to_start), to_zero, to_start)
    threshold = apart * _EXTRAPOLATED
    stretched = sampled + np.where(to_start < threshold, to_start, apart / 2)
    stretched += np.where(to_end < threshold, to_end, apart / 2)
    factor = stretched / sampled
    if is_rate:
        factor /= (windows.ends - windows.begins) / 1_000
    return change * factor, present


def latest_change(windows: Windows, *, is_counter: bool) -> Outcome:
    """Between the last two samples; of counters, a second."""
    (before, before_at), (last, last_at) = windows.at(windows.end - 2), windows.at(windows.end - 1)
    present = (windows.counts >= 2) & (last_at != before_at)
    if not is_counter:
        return last - before, present
    return np.where(last < before, last, last - before) / ((last_at - before_at) / 1_000), present


def counted(windows: Windows, *, resets: bool) -> Outcome:
    values = windows.samples.values
    if resets:
        differs = values[1:] < values[:-1]
    else:
        differs = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    return _between(differs, windows).astype(np.float64), windows.counts > 0


def last_value(windows: Windows) -> Outcome:
    return windows.at(windows.end - 1)[0], windows.counts > 0


def _fallen(windows: Windows, present: Flags) -> Floats:
    """What a counter had counted before it fell, of each fall within a window."""
    values = windows.samples.values
    falls = values[1:] < values[:-1]
    lost = np.zeros(present.shape)
    if not falls.any():
        return lost
    # Not as a difference of running sums: those of long ago would swallow the digits.
    before_fall = np.append(np.where(falls, values[:-1], 0.0), 0.0)
    cells = np.flatnonzero(present & (_between(falls, windows) > 0))
    for chosen, gathered in gathers(windows, windows.first, windows.end - 1, cells, before_fall):
        lost.flat[chosen] = np.add.reduceat(gathered.values, gathered.offsets)
    return lost


def _between(differs: Flags, windows: Windows) -> Places:
    """How many samples of each window but its first one differ from the one before."""
    if not len(differs):
        return np.zeros(windows.first.shape, np.int64)
    running = np.concatenate(([0], np.cumsum(differs)))
    low = np.minimum(windows.first, len(running) - 1)
    high = np.maximum(windows.end - 1, low)
    return running[high] - running[low]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Samples of some windows, one window after the other. `columns` is the step of each window."""

    values: Floats
    times: Instants
    offsets: Places
    counts: Places
    columns: Places

    def spread(self, of_windows: NDArray[_Column]) -> NDArray[_Column]:
        """A value a window as one a sample."""
        return np.repeat(of_windows, self.counts)


def gathers(
    windows: Windows, first: Places, end: Places, cells: Places, values: Floats
) -> Iterator[tuple[Places, Gathered]]:
    """The windows `cells` (places in the flattened matrix, none of an empty window), as many at once as may be."""
    begins, counts = first.ravel()[cells], (end - first).ravel()[cells]
    until = np.cumsum(counts)
    at = 0
    while at < len(cells):
        windows.budget.check()
        taken = until[at - 1] if at else 0
        to = max(int(np.searchsorted(until, taken + _GATHERED, "right")), at + 1)
        some = counts[at:to]
        offsets = np.cumsum(some) - some
        places = np.repeat(begins[at:to] - offsets, some) + np.arange(some.sum())
        chosen = cells[at:to]
        yield chosen, Gathered(values[places], windows.samples.times[places], offsets, some, chosen % first.shape[1])
        at = to


def folded(windows: Windows, fold: Callable[[Gathered], Floats], least: int = 1) -> Outcome:
    present = windows.counts >= least
    found = np.zeros(present.shape)
    cells = np.flatnonzero(present)
    for chosen, gathered in gathers(windows, windows.first, windows.end, cells, windows.samples.values):
        found.flat[chosen] = fold(gathered)
    return found, present


def mean(gathered: Gathered) -> Floats:
    return np.add.reduceat(gathered.values, gathered.offsets) / gathered.counts


def variance(gathered: Gathered) -> Floats:
    off = gathered.values - gathered.spread(mean(gathered))
    return np.add.reduceat(off * off, gathered.offsets) / gathered.counts


def line_through(gathered: Gathered, origin: Instants) -> tuple[Floats, Floats]:
    """Least squares: the slope a second, and the height at `origin`, which is an instant for each window."""
    x = (gathered.times - gathered.spread(origin)) / 1_000
    y, n = gathered.values, gathered.counts
    sum_x, sum_y, sum_xy, sum_xx = (np.add.reduceat(each, gathered.offsets) for each in (x, y, x * y, x * x))
    slope = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n)
    height = sum_y / n - slope * sum_x / n
    first = y[gathered.offsets]
    is_flat = np.minimum.reduceat(y == gathered.spread(first), gathered.offsets)
    flat = np.where(np.isinf(first), np.nan, 0.0)
    return np.where(is_flat, flat, slope), np.where(is_flat, np.where(np.isinf(first), np.nan, first), height)


def deriv(gathered: Gathered) -> Floats:
    return line_through(gathered, gathered.times[gathered.offsets])[0]


def quantiles(gathered: Gathered, quantile: Floats) -> Floats:
    """Linear between the two nearest; NaN is below all numbers. `quantile` is one for each window."""
    window = np.repeat(np.arange(len(gathered.counts)), gathered.counts)
    ordered = gathered.values[np.lexsort((gathered.values, ~np.isnan(gathered.values), window))]
    rank = quantile * (gathered.counts - 1)
    known = np.nan_to_num(rank, nan=0.0, posinf=0.0, neginf=0.0)
    low = np.clip(np.floor(known), 0, gathered.counts - 1).astype(np.int64)
    high = np.minimum(low + 1, gathered.counts - 1)
    weight = known - np.floor(known)
    between = ordered[gathered.offsets + low] * (1 - weight) + ordered[gathered.offsets + high] * weight
    return beyond_one(quantile, between)


def beyond_one(quantile: Floats, between: Floats) -> Floats:
    outside = np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, np.nan))
    return np.where((quantile >= 0) & (quantile <= 1), between, outside)


def _reduced(reduce: np.ufunc) -> Callable[[Windows], Outcome]:
    return lambda windows: folded(windows, lambda gathered: reduce.reduceat(gathered.values, gathered.offsets))


FUNCTIONS_OF_RANGES: Final[Mapping[str, Callable[[Windows], Outcome]]] = {
    "rate": lambda windows: extrapolated(windows, is_counter=True, is_rate=True),
    "increase": lambda windows: extrapolated(windows, is_counter=True, is_rate=False),
    "delta": lambda windows: extrapolated(windows, is_counter=False, is_rate=False),
    "irate": lambda windows: latest_change(windows, is_counter=True),
    "idelta": lambda windows: latest_change(windows, is_counter=False),
    "changes": lambda windows: counted(windows, resets=False),
    "resets": lambda windows: counted(windows, resets=True),
    "deriv": lambda windows: folded(windows, deriv, least=2),
    "avg_over_time": lambda windows: folded(windows, mean),
    "min_over_time": _reduced(np.fmin),
    "max_over_time": _reduced(np.fmax),
    "sum_over_time": _reduced(np.add),
    "count_over_time": lambda windows: (windows.counts.astype(np.float64), windows.counts > 0),
    "present_over_time": lambda windows: (np.ones(windows.first.shape), windows.counts > 0),
    "last_over_time": last_value,
    "stddev_over_time": lambda windows: folded(windows, lambda gathered: np.sqrt(variance(gathered))),
    "stdvar_over_time": lambda windows: folded(windows, variance),
}
