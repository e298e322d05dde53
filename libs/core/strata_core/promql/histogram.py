"""Quantiles of classic histograms: series that count what is up to a bound each, the bound being the label `le`."""

import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from strata_core.promql.matrix import Flags, Floats, Labels, Matrix, nothing, without_name
from strata_core.promql.windows import beyond_one

_BOUND = "le"


def histogram_quantile(quantile: Floats, buckets: Matrix) -> Matrix:
    groups: defaultdict[Labels, list[tuple[float, int]]] = defaultdict(list)
    for row, labels in enumerate(buckets.labels):
        bound = _bound(dict(labels).get(_BOUND, ""))
        if bound is not None:
            groups[tuple(pair for pair in without_name(labels) if pair[0] != _BOUND)].append((bound, row))
    if not groups:
        return nothing(len(quantile))
    values, present = [], []
    for bounded in groups.values():
        bounded.sort()
        rows = [row for _, row in bounded]
        there = buckets.present[rows]
        present.append(there.any(axis=0))
        values.append(_of_group(quantile, np.array([bound for bound, _ in bounded]), buckets.values[rows], there))
    return Matrix(list(groups), np.array(values), np.array(present))


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) or "_" in text else bound


def _of_group(quantile: Floats, bounds: Floats, counts: Floats, present: Flags) -> Floats:
    """Steps with the same buckets are reckoned together: as a rule, all of them."""
    found = np.full(len(quantile), np.nan)
    patterns, pattern = np.unique(present, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        there = patterns[:, number]
        steps = np.flatnonzero(pattern.ravel() == number)
        kept = bounds[there]
        if not len(kept) or kept[-1] != np.inf:
            continue
        upper, starts = np.unique(kept, return_index=True)
        merged = np.add.reduceat(counts[there][:, steps], starts)
        if len(upper) >= 2:
            found[steps] = _interpolated(quantile[steps], upper, np.fmax.accumulate(merged))
    return np.where((quantile >= 0) & (quantile <= 1), found, beyond_one(quantile, found))


def _interpolated(quantile: Floats, upper: Floats, counts: Floats) -> Floats:
    columns = np.arange(counts.shape[1])
    total = counts[-1]
    rank = quantile * total
    # The first bucket that holds the rank; when none but the last does, it is the last.
    holding: NDArray[np.intp] = np.argmax(np.vstack((counts[:-1] >= rank, np.ones_like(rank, np.bool_))), axis=0)
    below = np.maximum(holding - 1, 0)
    is_first = holding == 0
    begin = np.where(is_first, 0.0, upper[below])
    before = np.where(is_first, 0.0, counts[below, columns])
    with np.errstate(all="ignore"):
        share = (rank - before) / (counts[holding, columns] - before)
        inside = begin + (upper[holding] - begin) * share
    inside = np.where(is_first & (upper[0] <= 0), upper[0], inside)
    inside = np.where(holding == len(upper) - 1, upper[-2], inside)
    return np.where((total == 0) | np.isnan(total), np.nan, inside)
