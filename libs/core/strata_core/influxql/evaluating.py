"""Expressions over columns."""

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from strata_core.influxql.columns import BOOLEAN, FLOAT, INTEGER, STRING, Column, Mask, constant, missing, of
from strata_core.influxql.syntax import Binary, Boolean, Call, Duration, Expr, Integer, Number, Paren, Regex, Text
from strata_core.series.selecting import matches

Lookup = Callable[[Expr], Column]
_NUMBERS: Final = frozenset({FLOAT, INTEGER})
_COMPARED: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BITS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
}
_LOGIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **_BITS,
    "AND": np.logical_and,
    "OR": np.logical_or,
    "=": operator.eq,
    "!=": operator.ne,
}
_KEEPS_KIND: Final = frozenset({"abs", "floor", "ceil", "round"})
_MATH: Final[dict[str, Callable[..., Any]]] = {
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "exp": np.exp,
    "ln": np.log,
    "log": lambda value, base: np.log(value) / np.log(base),
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "pow": np.power,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": lambda value: np.where(
        np.abs(value - np.trunc(value)) >= 0.5, np.trunc(value) + np.copysign(1, value), np.trunc(value)
    ),
}


def evaluated(expr: Expr, lookup: Lookup) -> Column:  # noqa: PLR0911 - one a kind
    """`lookup` tells fields, tags and functions that are no mathematics."""
    match expr:
        case Paren(inner=inner):
            return evaluated(inner, lookup)
        case Integer(value=value) | Number(value=value) | Text(value=value) | Boolean(value=value):
            return constant(value)
        case Duration(ns=ns):
            return constant(ns)
        case Binary(op=op, left=left, right=Regex(pattern=pattern)):
            return _matched(op, evaluated(left, lookup), pattern)
        case Binary(op=op, left=left, right=right):
            with np.errstate(all="ignore"):
                return _combined(op, evaluated(left, lookup), evaluated(right, lookup))
        case Call(name=name, args=args) if name in _MATH:
            with np.errstate(all="ignore"):
                return _reckoned(name, [evaluated(arg, lookup) for arg in args])
        case _:
            return lookup(expr)


def is_true(column: Column) -> Mask:
    if column.kind != BOOLEAN:
        return np.zeros(column.valid.shape, np.bool_)
    return np.asarray(column.valid & column.values, np.bool_)


def _combined(op: str, left: Column, right: Column) -> Column:
    kinds = {left.kind, right.kind}
    if kinds <= _NUMBERS:
        return _numbers(op, left, right)
    if BOOLEAN in kinds and op in _LOGIC:
        return _logic(op, left, right)
    both = left.valid & right.valid
    if kinds == {STRING} and op in _COMPARED:
        return of(BOOLEAN, both & np.asarray(_COMPARED[op](left.values, right.values), np.bool_))
    if op in _COMPARED:
        return of(BOOLEAN, np.zeros(np.shape(both), np.bool_))
    shape = np.shape(both)
    return missing(FLOAT, shape[0] if shape else None)


def _logic(op: str, left: Column, right: Column) -> Column:
    """What is missing beside a truth counts as false, but is neither equal to one nor different."""
    one, other = (
        (c.valid & c.values) if c.kind == BOOLEAN else np.zeros(c.valid.shape, np.bool_) for c in (left, right)
    )
    fits = np.ones(np.broadcast_shapes(one.shape, other.shape), np.bool_)
    for column in (left, right):
        if op in _COMPARED:
            fits = fits & column.valid & (column.kind == BOOLEAN)
        elif column.kind != BOOLEAN:
            fits = fits & ~column.valid
    return of(BOOLEAN, fits & _LOGIC[op](one.astype(np.bool_), other.astype(np.bool_)))


def _numbers(op: str, left: Column, right: Column) -> Column:
    valid = np.asarray(left.valid & right.valid)
    if op in _COMPARED:
        return of(BOOLEAN, valid & _COMPARED[op](left.values, right.values))
    a, b = left.values, right.values
    kind = INTEGER if left.kind == right.kind == INTEGER and op != "/" else FLOAT
    if op in _BITS:
        if kind != INTEGER:
            return missing(FLOAT, valid.shape[0] if valid.shape else None)
        return Column(INTEGER, np.asarray(_BITS[op](a, b)), valid)
    values: Any
    match op:
        case "+":
            values = a + b
        case "-":
            values = a - b
        case "*":
            values = a * b
        case "/":
            values = np.where(b == 0, 0.0, np.true_divide(a, np.where(b == 0, 1, b)))
        case "%":
            values = np.fmod(a, b)
        case _:
            return missing(FLOAT, valid.shape[0] if valid.shape else None)
    return Column(kind, np.asarray(values, np.int64 if kind == INTEGER else np.float64), valid)


def _reckoned(name: str, args: list[Column]) -> Column:
    valid = np.asarray(np.logical_and.reduce(np.broadcast_arrays(*(arg.valid for arg in args))))
    if any(arg.kind not in _NUMBERS for arg in args):
        return missing(FLOAT, valid.shape[0] if valid.shape else None)
    keeps = name in _KEEPS_KIND and args[0].kind == INTEGER
    values = np.asarray(_MATH[name](*(arg.values.astype(np.float64) for arg in args)), np.float64)
    return Column(INTEGER, values.astype(np.int64), valid) if keeps else Column(FLOAT, values, valid)


def _matched(op: str, column: Column, pattern: str) -> Column:
    if column.kind != STRING:
        return of(BOOLEAN, np.zeros(column.valid.shape, np.bool_))
    texts, places = np.unique(column.values.astype(str), return_inverse=True)
    found = np.asarray(matches(pattern, texts.tolist()), np.bool_)
    if op == "!~":
        found = ~found
    return of(BOOLEAN, column.valid & found[places].reshape(column.valid.shape))
