"""Samples of the series that a selector finds, and what of them stands at an instant or in a range before it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from strata_core.promql.matrix import Flags, Floats, Instants, Labels, Matrix

LOOKBACK_MS: Final = 5 * 60_000
"""A sample stands for its series up to this long, and no longer than up to a mark that the series has ended."""


_NO_TIMES: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Samples:
    """Those of series i are at starts[i] to starts[i + 1], by time, none at the time of another. `stale` are marks."""

    labels: Sequence[Labels]
    starts: NDArray[np.int64]
    times: Instants
    values: Floats
    stale: Flags | None = None

    def edges(self, bounds: Instants, side: Literal["left", "right"]) -> NDArray[np.int64]:
        """For each series and bound the place of the first sample at or after it, or with `right` after it."""
        found = np.empty((len(self.labels), len(bounds)), np.int64)
        known, places = _NO_TIMES, found[:0]
        for row, (begin, end) in enumerate(itertools.pairwise(self.starts.tolist())):
            times = self.times[begin:end]
            # Series of one target are sampled together: what was found of one holds for the next.
            if row == 0 or len(times) != len(known) or not np.array_equal(times, known):
                known, places = times, times.searchsorted(bounds, side)
            np.add(places, begin, out=found[row])
        return found

    def part(self, begin: int, end: int) -> "Samples":
        """Some of the series, with a view of their samples."""
        first, last = int(self.starts[begin]), int(self.starts[end])
        stale = None if self.stale is None else self.stale[first:last]
        starts = self.starts[begin : end + 1] - first
        return Samples(self.labels[begin:end], starts, self.times[first:last], self.values[first:last], stale)

    def without_marks(self) -> "Samples":
        if self.stale is None or not self.stale.any():
            return self
        kept = ~self.stale
        before = np.concatenate(([0], np.cumsum(kept)))
        return Samples(self.labels, before[self.starts], self.times[kept], self.values[kept])


def standing(samples: Samples, instants: Instants) -> tuple[Matrix, Instants]:
    """The last sample of each series at each instant, with its time."""
    place = samples.edges(instants, "right") - 1
    present = place >= samples.starts[:-1, np.newaxis]
    if not len(samples.times):
        return Matrix(samples.labels, np.zeros(place.shape), present), np.zeros(place.shape, np.int64)
    place[~present] = 0
    times = samples.times[place]
    present &= times >= instants - LOOKBACK_MS
    if samples.stale is not None:
        present &= ~samples.stale[place]
    return Matrix(samples.labels, samples.values[place], present), times


def flattened(matrix: Matrix, steps: Instants) -> Samples:
    """What a subquery found at its steps, as samples."""
    counts = matrix.present.sum(axis=1)
    starts = np.concatenate(([0], np.cumsum(counts)))
    times = np.broadcast_to(steps, matrix.present.shape)[matrix.present]
    return Samples(matrix.labels, starts, times, matrix.values[matrix.present])
