"""Operators between numbers, as IEEE 754 and Go's math have them."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from strata_core.promql.matrix import Flags, Floats, Matrix, merged, without_name
from strata_core.promql.syntax import COMPARISONS

_COMPUTED: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARED: Final[Mapping[str, Callable[[Floats, Floats], Flags]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def computed(op: str, left: Floats, right: Floats) -> Floats:
    """Comparisons as 1 or 0."""
    with np.errstate(all="ignore"):
        return _COMPARED[op](left, right).astype(np.float64) if op in COMPARISONS else _COMPUTED[op](left, right)


def keeps_name(op: str, *, is_bool: bool) -> bool:
    return op in COMPARISONS and not is_bool


def with_number(op: str, vector: Matrix, number: Floats, *, is_left: bool, is_bool: bool) -> Matrix:
    """`is_left`: the number stands before the vector. What a comparison keeps is always an element of the vector."""
    sides = (number[np.newaxis], vector.values) if is_left else (vector.values, number[np.newaxis])
    found = computed(op, *sides)
    if keeps_name(op, is_bool=is_bool):
        return Matrix(vector.labels, vector.values, vector.present & (found != 0))
    return merged(Matrix([without_name(each) for each in vector.labels], found, vector.present))
