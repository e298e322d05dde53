"""Values of many series at many steps, as columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_core.promql.errors import PromqlExecutionError
from strata_core.promql.syntax import NAME

Labels = tuple[tuple[str, str], ...]
"""By name, none empty."""
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Instants = NDArray[np.int64]
"""Unix milliseconds."""
SAME_LABELS: Final = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Matrix:
    """A row a series, a column a step. Where `present` is false there is no element, and `values` mean nothing: NaN is
    a value like others."""

    labels: Sequence[Labels]
    values: Floats
    present: Flags

    def is_any(self) -> Flags:
        """Of each step, whether there is an element at all."""
        found: Flags = np.logical_or.reduce(self.present, axis=0)
        return found

    def rows(self, chosen: Sequence[int] | NDArray[np.intp]) -> "Matrix":
        return Matrix([self.labels[int(row)] for row in chosen], self.values[chosen], self.present[chosen])

    def with_values(self, values: Floats, *, keeps_name: bool = False) -> "Matrix":
        """Elements where they were; under labels that are still different."""
        if keeps_name:
            return Matrix(self.labels, values, self.present)
        return merged(Matrix([without_name(each) for each in self.labels], values, self.present))

    def mapped(self, compute: Callable[[Floats], Floats]) -> "Matrix":
        with np.errstate(all="ignore"):
            return self.with_values(compute(self.values))


def nothing(steps: int) -> Matrix:
    return Matrix([], np.empty((0, steps)), np.empty((0, steps), np.bool_))


def one_series(labels: Labels, values: Floats, present: Flags | None = None) -> Matrix:
    there = np.ones(len(values), np.bool_) if present is None else present
    return Matrix([labels], values[np.newaxis], there[np.newaxis])


def without_name(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != NAME)


def labels_of(pairs: dict[str, str]) -> Labels:
    return tuple(sorted(pair for pair in pairs.items() if pair[1]))


def merged(matrix: Matrix) -> Matrix:
    """Rows of the same labels as one. Raises PromqlExecutionError when two of them have an element at one step."""
    places: dict[Labels, int] = {}
    target = [places.setdefault(each, len(places)) for each in matrix.labels]
    if len(places) == len(target):
        return matrix
    present = np.zeros((len(places), matrix.values.shape[1]), np.bool_)
    values = np.zeros(present.shape)
    for row, place in enumerate(target):
        there = matrix.present[row]
        if (present[place] & there).any():
            raise PromqlExecutionError(SAME_LABELS)
        present[place] |= there
        values[place, there] = matrix.values[row, there]
    return Matrix(list(places), values, present)


def refuse_same_labels(labels: Sequence[Labels]) -> None:
    """Raises PromqlExecutionError: of functions over ranges two results may not have the same labels at all."""
    if len(set(labels)) < len(labels):
        raise PromqlExecutionError(SAME_LABELS)


def shown(matrix: Matrix) -> Matrix:
    """Without the rows that have no element."""
    some = matrix.present.any(axis=1)
    return matrix if some.all() else matrix.rows(np.flatnonzero(some))
