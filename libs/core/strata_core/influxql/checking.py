"""What a SELECT may combine. The rules, their order and their words are InfluxDB's: clients show them."""

from dataclasses import dataclass, field
from typing import Final

from strata_core.influxql.conditions import MATH, TWO_ARGUMENTS, folded, go_type, reduce_time, split_condition
from strata_core.influxql.refusals import QueryError, not_supported
from strata_core.influxql.syntax import (
    LITERALS,
    Binary,
    Call,
    Duration,
    Expr,
    Instant,
    Integer,
    Number,
    Paren,
    Ref,
    Regex,
    Select,
    Subquery,
    Text,
    Wildcard,
    duration_text,
    text_of,
)

SELECTORS: Final = frozenset({"first", "last", "min", "max", "percentile", "top", "bottom"})
PLAIN: Final = frozenset({"max", "min", "first", "last", "count", "sum", "mean", "median", "mode", "stddev", "spread"})
CHANGES: Final = frozenset({"derivative", "non_negative_derivative", "elapsed"})
DIFFERENCES: Final = frozenset({"difference", "non_negative_difference"})
TRANSFORMS: Final = CHANGES | DIFFERENCES | {"cumulative_sum", "moving_average"}
_LEFT_OUT: Final = frozenset(
    [
        "sample",
        "holt_winters",
        "holt_winters_with_fit",
        "exponential_moving_average",
        "double_exponential_moving_average",
        "triple_exponential_moving_average",
        "relative_strength_index",
        "triple_exponential_derivative",
        "kaufmans_efficiency_ratio",
        "kaufmans_adaptive_moving_average",
        "chande_momentum_oscillator",
    ]
)


@dataclass(frozen=True, slots=True)
class Interval:
    width_ns: int = 0
    offset_ns: int = 0

    def __bool__(self) -> bool:
        return self.width_ns > 0


@dataclass(slots=True)
class _Check:
    select: Select
    interval: Interval
    is_inherited: bool
    calls: list[Call] = field(default_factory=list)
    fields: int = 0
    has_only_selectors: bool = True
    has_distinct: bool = False
    has_plain_fields: bool = False
    extreme: str = ""
    """`top` or `bottom`, where there is one."""


def check(select: Select, now_ns: int, outer: Interval | None = None, *, outer_ascends: bool | None = None) -> None:
    """Raises QueryError."""
    split_condition(select.condition, now_ns)
    own = interval_of(select, now_ns)
    is_inherited = not own and bool(outer)
    if select.zone not in {None, "UTC"}:
        raise not_supported(f"tz('{select.zone}')")
    if outer_ascends is not None and select.is_sorted and select.is_ascending is not outer_ascends:
        raise QueryError("subqueries must be ordered in the same direction as the query itself")
    found = _Check(select, outer if is_inherited and outer else own, is_inherited)
    for each in select.fields:
        if isinstance(each.expr, Ref) and each.expr.name == "time":
            continue
        found.fields += 1
        _expr(found, folded(each.expr), allows_wildcard=True)
    _combination(found)
    ascends = select.is_ascending if outer_ascends is None else outer_ascends
    for source in select.sources:
        if isinstance(source, Subquery):
            check(source.select, now_ns, found.interval, outer_ascends=ascends)


def interval_of(select: Select, now_ns: int) -> Interval:
    """That of GROUP BY time(…). Raises QueryError for a dimension that is none."""
    found = Interval()
    for each in select.dimensions:
        match each:
            case Ref(name=name) if name.lower() == "time":
                raise QueryError("time() is a function and expects at least one argument")
            case Ref() | Wildcard() | Regex():
                continue
            case Call(name=name) if name != "time":
                raise QueryError("only time() calls allowed in dimensions")
            case Call(args=args) if not 1 <= len(args) <= 2:
                raise QueryError("time dimension expected 1 or 2 arguments")
            case Call(args=(Duration(ns=width), *rest)):
                if found:
                    raise QueryError("multiple time dimensions not allowed")
                found = _interval(width, rest[0] if rest else None, now_ns)
            case Call():
                raise QueryError("time dimension must have duration argument")
            case _:
                raise QueryError("only time and tag dimensions allowed")
    return found


def _interval(width: int, offset: Expr | None, now_ns: int) -> Interval:
    if width <= 0:
        return Interval()
    if isinstance(offset, Text):
        raise QueryError(f"invalid time dimension offset: {text_of(offset)}")
    match None if offset is None else reduce_time(offset, now_ns):
        case None:
            return Interval(width)
        case Duration(ns=ns):
            return Interval(width, ns - int(ns / width) * width)
        case Instant(ns=ns):
            return Interval(width, ns % width)
        case _:
            raise QueryError("time dimension offset must be duration or now()")


def _expr(found: _Check, expr: Expr, *, allows_wildcard: bool) -> None:  # noqa: C901 - one a kind
    match expr:
        case Ref():
            found.has_plain_fields = True
        case Wildcard() | Regex():
            found.has_plain_fields = True
            if not allows_wildcard:
                kind = "wildcard" if isinstance(expr, Wildcard) else "regex"
                raise QueryError(f"unable to use {kind} in a binary expression")
        case Call(name=name, args=args) if name in MATH:
            _math(found, name, args, allows_wildcard=allows_wildcard)
        case Call():
            found.calls.append(expr)
            _call(found, expr, allows_wildcard=allows_wildcard)
        case Binary(left=left, right=right):
            if isinstance(left, LITERALS) and isinstance(right, LITERALS):
                raise QueryError("cannot perform a binary expression on two literals")
            for side in (left, right):
                if not isinstance(side, LITERALS):
                    _expr(found, side, allows_wildcard=False)
        case Paren(inner=inner):
            _expr(found, inner, allows_wildcard=allows_wildcard)
        case _:
            raise QueryError("field must contain at least one variable")


def _math(found: _Check, name: str, args: tuple[Expr, ...], *, allows_wildcard: bool) -> None:
    expected = 2 if name in TWO_ARGUMENTS else 1
    _count(name, args, expected)
    for arg in args:
        if not isinstance(arg, LITERALS):
            _expr(found, arg, allows_wildcard=allows_wildcard)


def _call(found: _Check, call: Call, *, allows_wildcard: bool) -> None:
    name, args = call.name, call.args
    if name in _LEFT_OUT:
        raise not_supported(f"{name}()")
    match name:
        case "percentile":
            _count(name, args, 2)
            if not isinstance(args[1], Integer | Number):
                raise QueryError("expected float argument in percentile()")
            _symbol(found, name, args[0], allows_wildcard=allows_wildcard)
        case "distinct":
            _distinct(found, args, is_nested=False)
        case "top" | "bottom":
            _extreme(found, call)
        case "integral":
            _between(name, args)
            if len(args) == 2:
                _unit(args[1], "second argument must be a duration")
            found.has_only_selectors = False
            _symbol(found, name, args[0], allows_wildcard=allows_wildcard)
        case _ if name in TRANSFORMS:
            _transform(found, name, args, allows_wildcard=allows_wildcard)
        case _ if name in PLAIN:
            _plain(found, name, args, allows_wildcard=allows_wildcard)
        case _:
            raise QueryError(f"undefined function {name}()")


def _plain(found: _Check, name: str, args: tuple[Expr, ...], *, allows_wildcard: bool) -> None:
    if name not in SELECTORS:
        found.has_only_selectors = False
    _count(name, args, 1)
    if name == "count" and isinstance(args[0], Call) and args[0].name == "distinct":
        _distinct(found, args[0].args, is_nested=True)
    else:
        _symbol(found, name, args[0], allows_wildcard=allows_wildcard)


def _transform(found: _Check, name: str, args: tuple[Expr, ...], *, allows_wildcard: bool) -> None:
    match name:
        case "moving_average":
            if len(args) != 2:
                raise QueryError(f"invalid number of arguments for moving_average, expected 2, got {len(args)}")
            _window(args[1])
        case _ if name in CHANGES:
            _between(name, args)
            if len(args) == 2:
                _unit(args[1], f"second argument to {name} must be a duration, got {go_type(args[1])}")
        case _:
            if len(args) != 1:
                raise QueryError(f"invalid number of arguments for {name}, expected 1, got {len(args)}")
    found.has_only_selectors = False
    argument = args[0]
    if isinstance(argument, Call):
        if not found.interval:
            raise QueryError(f"{name} aggregate requires a GROUP BY interval")
        if argument.name == "distinct":
            raise not_supported(f"{name}(distinct())")
        _expr(found, argument, allows_wildcard=allows_wildcard)
    else:
        if found.interval and not found.is_inherited:
            raise QueryError(f"aggregate function required inside the call to {name}")
        _symbol(found, name, argument, allows_wildcard=allows_wildcard)


def _window(size: Expr) -> None:
    if not isinstance(size, Integer):
        raise QueryError(f"second argument for moving_average must be an integer, got {go_type(size)}")
    if size.value <= 1:
        raise QueryError(f"moving_average window must be greater than 1, got {size.value}")


def _unit(unit: Expr, otherwise: str) -> None:
    if not isinstance(unit, Duration):
        raise QueryError(otherwise)
    if unit.ns <= 0:
        raise QueryError(f"duration argument must be positive, got {duration_text(unit.ns)}")


def _distinct(found: _Check, args: tuple[Expr, ...], *, is_nested: bool) -> None:
    if not args:
        raise QueryError("distinct function requires at least one argument")
    if len(args) != 1:
        raise QueryError("distinct function can only have one argument")
    if not isinstance(args[0], Ref):
        raise QueryError("expected field argument in distinct()")
    found.has_distinct |= not is_nested
    found.has_only_selectors = False


def _extreme(found: _Check, call: Call) -> None:
    name, args = call.name, call.args
    if found.extreme:
        raise QueryError(f"selector function {found.extreme}() cannot be combined with other functions")
    if len(args) < 2:
        raise QueryError(f"invalid number of arguments for {name}, expected at least 2, got {len(args)}")
    limit = args[-1]
    if not isinstance(limit, Integer):
        raise QueryError(f"expected integer as last argument in {name}(), found {text_of(limit)}")
    if limit.value <= 0:
        raise QueryError(f"limit ({limit.value}) in {name} function must be at least 1")
    if 0 < found.select.limit < limit.value:
        raise QueryError(
            f"limit ({limit.value}) in {name} function can not be larger than the LIMIT ({found.select.limit}) "
            "in the select statement"
        )
    if not isinstance(args[0], Ref):
        raise QueryError(f"expected first argument to be a field in {name}(), found {text_of(args[0])}")
    for arg in args[1:-1]:
        if not isinstance(arg, Ref):
            raise QueryError(f"only fields or tags are allowed in {name}(), found {text_of(arg)}")
        found.has_plain_fields = True
    found.extreme = name


def _symbol(found: _Check, name: str, argument: Expr, *, allows_wildcard: bool) -> None:
    match argument:
        case Ref():
            return
        case Wildcard() | Regex():
            if not allows_wildcard:
                kind = "wildcard" if isinstance(argument, Wildcard) else "regex field"
                raise QueryError(f"unsupported expression with {kind}: {name}()")
            found.has_only_selectors = False
        case _:
            raise QueryError(f"expected field argument in {name}()")


def _count(name: str, args: tuple[Expr, ...], expected: int) -> None:
    if len(args) != expected:
        raise QueryError(f"invalid number of arguments for {name}, expected {expected}, got {len(args)}")


def _between(name: str, args: tuple[Expr, ...]) -> None:
    if not 1 <= len(args) <= 2:
        raise QueryError(
            f"invalid number of arguments for {name}, expected at least 1 but no more than 2, got {len(args)}"
        )


def _combination(found: _Check) -> None:
    if not found.fields:
        raise QueryError("at least 1 non-time field must be queried")
    if len(found.calls) > 1 and found.extreme:
        raise QueryError(f"selector function {found.extreme}() cannot be combined with other functions")
    if not found.calls:
        if found.select.fill in {"none", "linear"}:
            raise QueryError(f"fill({found.select.fill}) must be used with a function")
        if found.interval and not found.is_inherited:
            raise QueryError("GROUP BY requires at least one aggregate function")
    if found.has_distinct and (len(found.calls) != 1 or found.has_plain_fields):
        raise QueryError("aggregate function distinct() cannot be combined with other functions or fields")
    if found.has_plain_fields:
        if not found.has_only_selectors:
            raise QueryError("mixing aggregate and non-aggregate queries is not supported")
        if len(found.calls) > 1:
            raise QueryError("mixing multiple selector functions with tags or fields is not supported")
