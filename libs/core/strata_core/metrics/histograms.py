"""How numbers are counted, so that percentiles of them can be told later, and of several counts together.

A bucket holds numbers of one sign whose magnitudes lie less than a fiftieth apart, and answers for them with the one
in their midst: whichever it held, that is within one hundredth of it. Zero is a bucket of its own. Buckets are in the
order of their numbers, and the same for everybody: two histograms are merged by adding counts.

In SQL the bucket of a number v other than zero is `sign(v) * (ceil(ln(abs(v)) * BUCKETS_PER_E) + MIDDLE)`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKETS_PER_E: Final = 51
"""From one number to e times it. With 50 the worst answer would be off by one hundredth, and rounding by more."""

MIDDLE: Final = 40_000
"""The bucket below 1; the smallest double of all is 37,966 further down, the largest 36,199 further up."""

_FROM_UPPER_BOUND: Final = 2.0 / (1.0 + np.exp(1.0 / BUCKETS_PER_E))

Buckets = NDArray[np.int64]
Counts = NDArray[np.int64]
Groups = NDArray[np.int64]


def buckets_of(values: NDArray[np.float64]) -> Buckets:
    """Of finite numbers."""
    magnitudes = np.abs(values)
    is_zero = magnitudes == 0
    steps = np.ceil(np.log(np.where(is_zero, 1.0, magnitudes)) * BUCKETS_PER_E).astype(np.int64) + MIDDLE
    return np.where(is_zero, 0, np.where(values < 0, -steps, steps))


def values_of(buckets: Buckets) -> NDArray[np.float64]:
    steps = (np.abs(buckets) - MIDDLE) / BUCKETS_PER_E
    with np.errstate(over="ignore", under="ignore"):
        magnitudes = np.minimum(np.exp(steps) * _FROM_UPPER_BOUND, np.finfo(np.float64).max)
    return np.sign(buckets) * np.where(buckets == 0, 0.0, magnitudes)


def merged(groups: Groups, buckets: Buckets, counts: Counts) -> tuple[Groups, Buckets, Counts]:
    """Each (group, bucket) once with all of its counts, in that order. A count of one each makes a histogram of
    numbers; groups that are made one make their histograms one."""
    order = np.lexsort((buckets, groups))
    groups, buckets, counts = groups[order], buckets[order], counts[order]
    is_first = np.ones(len(groups), np.bool_)
    is_first[1:] = (groups[1:] != groups[:-1]) | (buckets[1:] != buckets[:-1])
    firsts = np.flatnonzero(is_first)
    if not len(firsts):
        return groups, buckets, counts
    return groups[firsts], buckets[firsts], np.add.reduceat(counts, firsts)


def percentiles(
    groups: Groups, buckets: Buckets, counts: Counts, percentile: float
) -> tuple[Groups, NDArray[np.float64]]:
    """Each group once, and its percentile by nearest rank. What comes in is merged."""
    if not len(groups):
        return groups, np.empty(0, np.float64)
    firsts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
    totals = np.add.reduceat(counts, firsts)
    ranks = np.maximum(np.floor(totals * percentile / 100 + 0.5), 1).astype(np.int64)
    # Counted through all groups: the rank within a group comes after all that stands before the group.
    through = np.cumsum(counts)
    before = through[firsts] - counts[firsts]
    return groups[firsts], values_of(buckets[np.searchsorted(through, before + ranks)])
