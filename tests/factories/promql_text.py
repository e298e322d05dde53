"""A query as text again: what is read from it is the same query."""

from typing import Final

from strata_core.promql.numerals import go_shortest
from strata_core.promql.syntax import (
    Aggregation,
    Anchor,
    Binary,
    Call,
    Cardinality,
    Expression,
    Matching,
    Moment,
    Number,
    Parentheses,
    RangeSelector,
    Selector,
    Signed,
    Subquery,
    Text,
)

_SIDES: Final = {Cardinality.MANY_TO_ONE: "group_left", Cardinality.ONE_TO_MANY: "group_right"}
_UNITS: Final = (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def written(expression: Expression) -> str:  # noqa: C901, PLR0911 - one for each kind
    match expression:
        case Number():
            return go_shortest(expression.value)
        case Text():
            return quoted(expression.value)
        case Selector():
            return _selector(expression) + _moment(expression.moment)
        case RangeSelector(selector, range_ms):
            return f"{_selector(selector)}[{_duration(range_ms)}]{_moment(selector.moment)}"
        case Subquery(body, range_ms, step_ms, moment):
            step = "" if step_ms is None else _duration(step_ms)
            return f"{written(body)}[{_duration(range_ms)}:{step}]{_moment(moment)}"
        case Parentheses():
            return f"({written(expression.body)})"
        case Signed():
            return f"{expression.sign}{written(expression.body)}"
        case Binary(op, left, right, is_bool, matching):
            return f"{written(left)} {op}{' bool' * is_bool}{_matching(matching)} {written(right)}"
        case Aggregation():
            return _aggregation(expression)
        case Call(function, arguments):
            return f"{function}({', '.join(map(written, arguments))})"


def quoted(text: str) -> str:
    out = []
    for sign in text:
        if sign in '"\\':
            out.append("\\" + sign)
        elif sign.isprintable():
            out.append(sign)
        else:
            out.append(f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}")
    return f'"{"".join(out)}"'


def _selector(selector: Selector) -> str:
    # That of a name before the braces is the last one.
    inner = selector.matchers if selector.name is None else selector.matchers[:-1]
    braces = ", ".join(f"{each.label}{each.op}{quoted(each.value)}" for each in inner)
    return f"{selector.name or ''}{{{braces}}}" if braces or not selector.name else selector.name


def _moment(moment: Moment) -> str:
    pinned = moment.pinned
    at = ""
    if pinned is not None:
        at = f" @ {pinned}()" if isinstance(pinned, Anchor) else f" @ {pinned / 1_000:.3f}"
    sign = "-" if moment.offset_ms < 0 else ""
    return at + (f" offset {sign}{_duration(abs(moment.offset_ms))}" if moment.offset_ms else "")


def _duration(length_ms: int) -> str:
    parts = []
    for unit, size in _UNITS:
        count, length_ms = divmod(length_ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _matching(matching: Matching) -> str:
    side = _SIDES.get(matching.cardinality)
    if not (matching.labels or matching.is_on or side):
        return ""
    word = "on" if matching.is_on else "ignoring"
    group = f" {side}({', '.join(matching.included)})" if side else ""
    return f" {word}({', '.join(matching.labels)}){group}"


def _aggregation(expression: Aggregation) -> str:
    word = "without" if expression.is_without else "by"
    grouping = f" {word} ({', '.join(expression.labels)})" if expression.labels or expression.is_without else ""
    inner = [each for each in (expression.parameter, expression.body) if each is not None]
    return f"{expression.op}{grouping}({', '.join(map(written, inner))})"
