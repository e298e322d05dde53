"""Functions of the elements of one step."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from strata_core.promql.matrix import Floats, Matrix, nothing

_ROUND_UP: Final = 0.5

OF_ONE: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def clamped(vector: Matrix, low: Floats, high: Floats) -> Matrix:
    """Nothing where the bounds are the wrong way round."""
    some = Matrix(vector.labels, vector.values, vector.present & ~(high < low))
    return some.mapped(lambda values: np.maximum(low, np.minimum(high, values)))


def rounded(vector: Matrix, nearest: Floats) -> Matrix:
    # Dividing by the inverse keeps 0.1 and the like exact.
    inverse = 1 / nearest
    return vector.mapped(lambda values: np.floor(values * inverse + _ROUND_UP) / inverse)


def in_order(vector: Matrix, *, is_descending: bool) -> Matrix:
    """Of an instant; NaN last. Over a range every step would have an order of its own, and there is none."""
    if vector.values.shape[1] != 1:
        return vector
    values = vector.values[:, 0]
    order = np.lexsort((-values if is_descending else values, np.isnan(values)))
    return vector.rows(order)


def only_one(vector: Matrix) -> Floats:
    """The value where there is exactly one element, NaN elsewhere."""
    steps = vector.values.shape[1]
    if not len(vector.labels):
        return np.full(steps, np.nan)
    row = vector.present.argmax(axis=0)
    return np.where(vector.present.sum(axis=0) == 1, vector.values[row, np.arange(steps)], np.nan)


def where_absent(vector: Matrix, labels: tuple[tuple[str, str], ...]) -> Matrix:
    absent = ~vector.is_any()
    if not absent.any():
        return nothing(len(absent))
    return Matrix([labels], np.ones((1, len(absent))), absent[np.newaxis])
