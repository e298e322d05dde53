"""Aggregations: the elements of each step, group by group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_core.promql.errors import PromqlExecutionError
from strata_core.promql.matrix import Flags, Floats, Labels, Matrix, labels_of, nothing
from strata_core.promql.numerals import go_fixed
from strata_core.promql.syntax import NAME, Aggregation
from strata_core.promql.windows import beyond_one

_MOST_OF_GROUP: Final = 2**63


@dataclass(frozen=True, slots=True)
class Groups:
    """`order` are the rows, group by group, and `starts` where in it each group begins."""

    labels: list[Labels]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    def rows(self) -> list[NDArray[np.intp]]:
        return np.split(self.order, self.starts[1:])


def grouped(matrix: Matrix, expression: Aggregation) -> Groups:
    named, places = frozenset(expression.labels), dict[Labels, int]()
    if expression.is_without:
        named |= {NAME}
    wanted = not expression.is_without
    keys = [tuple(pair for pair in labels if (pair[0] in named) is wanted) for labels in matrix.labels]
    group = np.array([places.setdefault(key, len(places)) for key in keys], np.intp)
    order = np.argsort(group, kind="stable")
    return Groups(list(places), order, np.searchsorted(group[order], np.arange(len(places))))


def aggregated(expression: Aggregation, matrix: Matrix) -> Matrix:
    """Those without a parameter."""
    if not len(matrix.labels):
        return matrix
    groups = grouped(matrix, expression)
    values, present = matrix.values[groups.order], matrix.present[groups.order]
    counts = np.add.reduceat(present, groups.starts, dtype=np.int64)
    with np.errstate(all="ignore"):
        found = _FOLDS[expression.op](values, present, counts, groups.starts)
    return Matrix(groups.labels, found, counts > 0)


def ranked(expression: Aggregation, matrix: Matrix, most: Floats) -> Matrix:
    """`topk` and `bottomk`: elements stay what they are. NaN comes last in both."""
    if not np.all(np.abs(np.nan_to_num(most, nan=np.inf)) < _MOST_OF_GROUP):
        raise PromqlExecutionError("Scalar value overflows int64")
    if not len(matrix.labels):
        return matrix
    groups = grouped(matrix, expression)
    sign = -1.0 if expression.op == "topk" else 1.0
    kept = np.zeros(matrix.present.shape, np.bool_)
    rows_by_rank: list[NDArray[np.intp]] = []
    for rows in groups.rows():
        values, absent = matrix.values[rows], ~matrix.present[rows]
        order = np.lexsort((sign * np.where(absent, 0, values), np.isnan(values), absent), axis=0)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(rows))[:, np.newaxis], axis=0)
        kept[rows] = (rank < np.trunc(most)) & ~absent
        rows_by_rank.append(rows[order[:, :1].ravel()])
    found = Matrix(matrix.labels, matrix.values, kept)
    # At one instant elements are answered from the first to the last of each group.
    return found.rows(np.concatenate(rows_by_rank)) if len(most) == 1 else found


def quantile(expression: Aggregation, matrix: Matrix, wanted: Floats) -> Matrix:
    if not len(matrix.labels):
        return matrix
    groups = grouped(matrix, expression)
    found = [_quantile(matrix.values[rows], matrix.present[rows], wanted) for rows in groups.rows()]
    present = [matrix.present[rows].any(axis=0) for rows in groups.rows()]
    return Matrix(groups.labels, np.array(found), np.array(present))


def count_values(expression: Aggregation, matrix: Matrix, label: str, allow: Callable[[int], None]) -> Matrix:
    steps = matrix.values.shape[1]
    if not matrix.present.any():
        return nothing(steps)
    groups = grouped(matrix, expression)
    group = np.empty(len(matrix.labels), np.int64)
    group[groups.order] = np.repeat(np.arange(len(groups.labels)), np.diff(np.append(groups.starts, len(groups.order))))
    row, column = np.nonzero(matrix.present)
    values, place = np.unique(matrix.values[matrix.present], return_inverse=True)
    pairs, series = np.unique(group[row] * len(values) + place.ravel(), return_inverse=True)
    allow(len(pairs))
    counts = np.zeros((len(pairs), steps))
    np.add.at(counts, (series.ravel(), column), 1)
    texts = [go_fixed(value) for value in values.tolist()]
    labels = [
        labels_of({**dict(groups.labels[pair // len(values)]), label: texts[pair % len(values)]})
        for pair in pairs.tolist()
    ]
    return Matrix(labels, counts, counts > 0)


def _quantile(values: Floats, present: Flags, wanted: Floats) -> Floats:
    order = np.lexsort((np.where(present, values, 0), ~np.isnan(values), ~present), axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    last = np.maximum(present.sum(axis=0) - 1, 0)
    rank = np.nan_to_num(wanted * last, nan=0.0, posinf=0.0, neginf=0.0)
    low = np.clip(np.floor(rank), 0, last).astype(np.intp)
    high = np.minimum(low + 1, last)
    weight = rank - np.floor(rank)
    columns = np.arange(values.shape[1])
    return beyond_one(wanted, ordered[low, columns] * (1 - weight) + ordered[high, columns] * weight)


def _sum(values: Floats, present: Flags, counts: NDArray[np.int64], starts: NDArray[np.intp]) -> Floats:
    found: Floats = np.add.reduceat(np.where(present, values, 0.0), starts)
    return found


def _variance(values: Floats, present: Flags, counts: NDArray[np.int64], starts: NDArray[np.intp]) -> Floats:
    mean = _sum(values, present, counts, starts) / counts
    sizes = np.diff(np.append(starts, len(values)))
    off = np.where(present, values - np.repeat(mean, sizes, axis=0), 0.0)
    return _sum(off * off, present, counts, starts) / counts


_Fold = Callable[[Floats, Flags, NDArray[np.int64], NDArray[np.intp]], Floats]
_FOLDS: Final[Mapping[str, _Fold]] = {
    "sum": _sum,
    "avg": lambda values, present, counts, starts: _sum(values, present, counts, starts) / counts,
    "min": lambda values, present, _, starts: np.fmin.reduceat(np.where(present, values, np.nan), starts),
    "max": lambda values, present, _, starts: np.fmax.reduceat(np.where(present, values, np.nan), starts),
    "count": lambda _, __, counts, ___: counts.astype(np.float64),
    "group": lambda _, __, counts, ___: np.ones(counts.shape),
    "stdvar": _variance,
    "stddev": lambda *columns: np.sqrt(_variance(*columns)),
}
