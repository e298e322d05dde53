"""Values of rows side by side, of which some may be missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.metrics import FieldClass

Values = NDArray[Any]
Mask = NDArray[np.bool_]
Times = NDArray[np.int64]
FLOAT: Final = "float"
INTEGER: Final = "integer"
STRING: Final = "string"
BOOLEAN: Final = "boolean"
KIND_OF: Final = {FieldClass.NUMBER: FLOAT, FieldClass.STRING: STRING, FieldClass.BOOLEAN: BOOLEAN}
_DTYPES: Final[dict[str, Any]] = {FLOAT: np.float64, INTEGER: np.int64, STRING: object, BOOLEAN: np.bool_}
_ZEROS: Final[dict[str, Any]] = {FLOAT: 0.0, INTEGER: 0, STRING: "", BOOLEAN: False}


@dataclass(frozen=True, slots=True)
class Column:
    """Row i says values[i] if valid[i]. Either may be of no dimension: then it is so of every row."""

    kind: str
    values: Values
    valid: Mask

    def take(self, rows: Any) -> "Column":
        return Column(self.kind, self.values[rows], self.valid[rows])

    def sized(self, count: int) -> "Column":
        return Column(self.kind, np.broadcast_to(self.values, count), np.broadcast_to(self.valid, count))


def of(kind: str, values: Any) -> Column:
    array = np.asarray(values, dtype=_DTYPES[kind])
    return Column(kind, array, np.ones(array.shape, np.bool_))


def constant(value: float | str | None) -> Column:
    """Of every row."""
    match value:
        case None:
            return missing(FLOAT)
        case bool():
            return of(BOOLEAN, value)
        case int():
            return of(INTEGER, value)
        case float():
            return of(FLOAT, value)
        case _:
            return of(STRING, value)


def missing(kind: str, count: int | None = None) -> Column:
    shape = () if count is None else (count,)
    return Column(kind, np.full(shape, _ZEROS[kind], _DTYPES[kind]), np.zeros(shape, np.bool_))


def joined(parts: Sequence[Column]) -> Column:
    """One after the other; what is of another kind than the first that says something is missing."""
    kind = next((part.kind for part in parts if part.valid.any()), parts[0].kind)
    fitting = [part if part.kind == kind else missing(kind, len(part.valid)) for part in parts]
    return Column(kind, np.concatenate([part.values for part in fitting]), np.concatenate([p.valid for p in fitting]))


def scattered(column: Column, rows: Any, count: int) -> Column:
    """Its values at these rows of so many."""
    spread = missing(column.kind, count)
    spread.values[rows] = column.values
    spread.valid[rows] = column.valid
    return spread


def carried(column: Column) -> Column:
    """What is missing says what the row before it said."""
    if not len(column.valid):
        return column
    at = np.where(column.valid, np.arange(len(column.valid)), -1)
    at = np.maximum.accumulate(at)
    return Column(column.kind, column.values[np.maximum(at, 0)], at >= 0)


def filled(column: Column, value: float) -> Column:
    """What is missing says this, where it is of such a kind."""
    if column.kind not in {FLOAT, INTEGER}:
        return column
    said = int(value) if column.kind == INTEGER else float(value)
    return Column(column.kind, np.where(column.valid, column.values, said), np.ones(column.valid.shape, np.bool_))


def listed(column: Column) -> list[object]:
    """As JSON tells them: whole numbers without a point, and nothing for what is no number."""
    values, valid = column.values, column.valid
    if column.kind == FLOAT:
        valid = valid & np.isfinite(values)
        whole = bool(np.all(~valid | ((values == np.rint(np.where(valid, values, 0))) & (np.abs(values) < 2**53))))
        if whole:
            found: list[object] = np.where(valid, values, 0).astype(np.int64).tolist()
        else:
            found = [int(each) if each.is_integer() and abs(each) < 1e21 else each for each in values.tolist()]
    else:
        found = values.tolist()
    if valid.all():
        return found
    return [each if is_there else None for each, is_there in zip(found, valid.tolist(), strict=True)]
