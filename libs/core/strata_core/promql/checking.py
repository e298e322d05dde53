"""Whether the parts of a query go together."""

from typing import Final

from strata_core.promql.errors import PromqlParseError
from strata_core.promql.signatures import FUNCTIONS
from strata_core.promql.syntax import (
    AGGREGATIONS,
    COMPARISONS,
    SET_OPS,
    Aggregation,
    Binary,
    Call,
    Expression,
    Number,
    Parentheses,
    RangeSelector,
    Selector,
    Signed,
    Subquery,
    Text,
    ValueType,
)

_OPERANDS: Final = frozenset({ValueType.SCALAR, ValueType.VECTOR})


def checked(query: str, expression: Expression) -> ValueType:  # noqa: C901, PLR0911 - one for each kind
    """What the whole is. Raises PromqlParseError, with the place in `query`."""
    match expression:
        case Number():
            return ValueType.SCALAR
        case Text():
            return ValueType.STRING
        case Selector():
            return ValueType.VECTOR
        case RangeSelector():
            return ValueType.MATRIX
        case Parentheses():
            return checked(query, expression.body)
        case Subquery():
            found = checked(query, expression.body)
            if found is not ValueType.VECTOR:
                raise PromqlParseError(
                    query, expression.at, f"subquery is only allowed on instant vector, got {found} instead"
                )
            return ValueType.MATRIX
        case Signed():
            return _signed(query, expression)
        case Binary():
            return _binary(query, expression)
        case Aggregation():
            return _aggregation(query, expression)
        case Call():
            return _call(query, expression)


def _signed(query: str, expression: Signed) -> ValueType:
    found = checked(query, expression.body)
    if found not in _OPERANDS:
        raise PromqlParseError(
            query,
            expression.at,
            f'unary expression only allowed on expressions of type scalar or instant vector, got "{found}"',
        )
    return found


def _binary(query: str, expression: Binary) -> ValueType:
    sides = [checked(query, side) for side in (expression.left, expression.right)]
    if not _OPERANDS.issuperset(sides):
        raise PromqlParseError(
            query, expression.at, "binary expression must contain only scalar and instant vector types"
        )
    op = expression.op
    if sides == [ValueType.VECTOR, ValueType.VECTOR]:
        return ValueType.VECTOR
    if op in SET_OPS:
        raise PromqlParseError(query, expression.at, f'set operator "{op}" not allowed in binary scalar expression')
    if expression.matching.labels:
        raise PromqlParseError(query, expression.at, "vector matching only allowed between instant vectors")
    if ValueType.VECTOR in sides:
        return ValueType.VECTOR
    if op in COMPARISONS and not expression.is_bool:
        raise PromqlParseError(query, expression.at, "comparisons between scalars must use BOOL modifier")
    return ValueType.SCALAR


def _aggregation(query: str, expression: Aggregation) -> ValueType:
    _expect(query, expression.body, ValueType.VECTOR, "aggregation expression")
    wanted = AGGREGATIONS[expression.op]
    if expression.parameter is not None and wanted is not None:
        _expect(query, expression.parameter, wanted, "aggregation parameter")
    return ValueType.VECTOR


def _call(query: str, expression: Call) -> ValueType:
    signature = FUNCTIONS[expression.function]
    given, most = len(expression.arguments), len(signature.takes)
    least = most - signature.optional
    if given < least or (given > most and not signature.repeats):
        bound = "at least" if given < least and (signature.optional or signature.repeats) else "at most"
        wanted = f"{most}" if least == most else f"{bound} {least if given < least else most}"
        raise PromqlParseError(
            query,
            expression.at,
            f'expected {wanted} argument(s) in call to "{expression.function}", got {given}',
        )
    for place, argument in enumerate(expression.arguments):
        _expect(query, argument, signature.takes[min(place, most - 1)], f'call to function "{expression.function}"')
    return signature.gives


def _expect(query: str, expression: Expression, wanted: ValueType, where: str) -> None:
    found = checked(query, expression)
    if found is not wanted:
        raise PromqlParseError(query, expression.at, f"expected type {wanted} in {where}, got {found}")
