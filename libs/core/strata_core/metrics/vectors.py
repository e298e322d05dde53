"""Series reckoned with each other, window by window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strata_core.metrics.arithmetic import Name, Negative, Node, Number, Operation, bad_expression
from strata_core.metrics.told import ToldSeries
from strata_datamodel.errors import InvalidError
from strata_datamodel.metrics import TagPair

_Labels: TypeAlias = tuple[TagPair, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """Windows in order of time, each with a finite number."""

    starts: NDArray[np.int64]
    values: NDArray[np.float64]


Vector: TypeAlias = Mapping[_Labels, Line]
_REACHES: Final = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}


def tags_of(node: Node, tags: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """By which tags the result is grouped. Raises InvalidError (code `bad_expression`) where series of the two sides
    could never meet."""
    match node:
        case Number():
            return frozenset()
        case Name(name):
            if name not in tags:
                raise bad_expression(f"nothing before it is called {name}")
            return tags[name]
        case Negative(operand):
            return tags_of(operand, tags)
        case Operation(operator, left, right):
            both = {tags_of(left, tags), tags_of(right, tags)} - {frozenset()}
            if len(both) > 1:
                raise bad_expression(f"the two sides of {operator} are grouped by different tags")
            return both.pop() if both else frozenset()


def reckoned(node: Node, known: Mapping[str, Vector]) -> Vector:
    """Series meet by equal tags; one without tags meets each of the other side. A window that one side lacks is absent,
    and so is one whose result is no finite number: what is divided by zero."""
    found = _value(node, known)
    if isinstance(found, float):
        raise bad_expression("an expression names at least one query")
    return {labels: line for labels, line in found.items() if len(line.starts)}


def vector_of(series: Sequence[ToldSeries]) -> Vector:
    return {tuple(sorted(each.tags.items())): _line(each) for each in series}


def series_of(vector: Vector) -> tuple[ToldSeries, ...]:
    return tuple(
        ToldSeries(dict(labels), tuple(zip(line.starts.tolist(), line.values.tolist(), strict=True)))
        for labels, line in sorted(vector.items(), key=lambda item: item[0])
    )


def _line(series: ToldSeries) -> Line:
    told = [(start, value) for start, value in series.points if value is not None]
    if any(isinstance(value, str) for _, value in told):
        raise InvalidError(
            "arithmetic needs numbers, and this query answers with texts",
            code="aggregate_needs_numbers",
            hint="use count or distinct",
        )
    starts, values = zip(*told, strict=True) if told else ((), ())
    return Line(np.array(starts, np.int64), np.array(values, np.float64))


def _value(node: Node, known: Mapping[str, Vector]) -> Vector | float:
    match node:
        case Number(value):
            return value
        case Name(name):
            return known[name]
        case Negative(operand):
            return _joined("-", 0.0, _value(operand, known))
        case Operation(operator, left, right):
            return _joined(operator, _value(left, known), _value(right, known))


def _joined(operator: str, left: Vector | float, right: Vector | float) -> Vector | float:
    if isinstance(left, float) and isinstance(right, float):
        return _of_numbers(operator, left, right)
    if isinstance(left, float):
        return {labels: _kept(operator, line.starts, left, line.values) for labels, line in _lines(right)}
    if isinstance(right, float):
        return {labels: _kept(operator, line.starts, line.values, right) for labels, line in left.items()}
    one = left.get(())
    if one is not None and () not in right:
        return {labels: _met(operator, one, line) for labels, line in right.items()}
    other = right.get(())
    if other is not None and () not in left:
        return {labels: _met(operator, line, other) for labels, line in left.items()}
    return {labels: _met(operator, line, right[labels]) for labels, line in left.items() if labels in right}


def _lines(vector: Vector | float) -> Sequence[tuple[_Labels, Line]]:
    return [] if isinstance(vector, float) else list(vector.items())


def _of_numbers(operator: str, left: float, right: float) -> float:
    if operator == "/" and right == 0:
        raise bad_expression("it divides by zero")
    with np.errstate(over="ignore"):
        return float(_REACHES[operator](left, right))


def _met(operator: str, left: Line, right: Line) -> Line:
    starts, ours, theirs = np.intersect1d(left.starts, right.starts, assume_unique=True, return_indices=True)
    return _kept(operator, starts, left.values[ours], right.values[theirs])


def _kept(
    operator: str, starts: NDArray[np.int64], left: NDArray[np.float64] | float, right: NDArray[np.float64] | float
) -> Line:
    with np.errstate(all="ignore"):
        values = _REACHES[operator](left, right)
    finite = np.isfinite(values)
    return Line(starts[finite], values[finite])
