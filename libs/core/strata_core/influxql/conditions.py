"""What a WHERE says of time, and what it says of everything else."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from strata_core.influxql.refusals import QueryError
from strata_core.influxql.syntax import (
    MAX_NS,
    MIN_NS,
    Binary,
    Boolean,
    Call,
    Duration,
    Expr,
    Instant,
    Integer,
    Number,
    Paren,
    Ref,
    Regex,
    Text,
    Wildcard,
    text_of,
)

MATH: Final = frozenset(
    [
        "abs",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "atan2",
        "exp",
        "log",
        "ln",
        "log2",
        "log10",
        "sqrt",
        "pow",
        "floor",
        "ceil",
        "round",
    ]
)
TWO_ARGUMENTS: Final = frozenset({"atan2", "pow", "log"})
_SWAPPED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_ARITHMETIC: Final = frozenset("+-*/%")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_PLAIN: Final = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?")
_RFC3339: Final = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9})\d*)?(Z|[+-]\d{2}:\d{2})")
_GO_TYPES: Final = {
    Text: "*influxql.StringLiteral",
    Boolean: "*influxql.BooleanLiteral",
    Ref: "*influxql.VarRef",
    Binary: "*influxql.BinaryExpr",
    Call: "*influxql.Call",
    Paren: "*influxql.ParenExpr",
    Regex: "*influxql.RegexLiteral",
    Wildcard: "*influxql.Wildcard",
    Number: "*influxql.NumberLiteral",
    Integer: "*influxql.IntegerLiteral",
    Duration: "*influxql.DurationLiteral",
}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Both ends count; None where nothing is said."""

    first_ns: int | None = None
    last_ns: int | None = None

    def within(self, other: "TimeRange") -> "TimeRange":
        firsts = [each for each in (self.first_ns, other.first_ns) if each is not None]
        lasts = [each for each in (self.last_ns, other.last_ns) if each is not None]
        return TimeRange(max(firsts, default=None), min(lasts, default=None))


def go_type(expr: Expr) -> str:
    """As InfluxDB's messages call it."""
    return _GO_TYPES.get(type(expr), "*influxql.NilLiteral")


def split_condition(condition: Expr | None, now_ns: int) -> tuple[Expr | None, TimeRange]:
    """The part that is not about time, and the range. Times are intersected, be it that OR stands between them: so does
    InfluxDB. Raises QueryError."""
    rest, times = _split(condition, now_ns)
    _check_calls(rest)
    return rest, times


def _split(condition: Expr | None, now_ns: int) -> tuple[Expr | None, TimeRange]:  # noqa: PLR0911 - one a kind
    match condition:
        case None:
            return None, TimeRange()
        case Binary(op=("AND" | "OR") as op, left=left, right=right):
            (one, ones_times), (other, others_times) = _split(left, now_ns), _split(right, now_ns)
            times = ones_times.within(others_times)
            if one is None or other is None:
                return one or other, times
            return Binary(op, one, other), times
        case Binary(op=op, left=Ref(name=name), right=right) if name.lower() == "time":
            return None, _time_range(op, right, now_ns)
        case Binary(op=op, left=left, right=Ref(name=name)) if name.lower() == "time":
            return None, _time_range(_SWAPPED.get(op, op), left, now_ns)
        case Paren(inner=inner):
            rest, times = _split(inner, now_ns)
            return None if rest is None else Paren(rest), times
        case Binary() | Boolean():
            return condition, TimeRange()
        case _:
            raise QueryError(f"invalid condition expression: {text_of(condition)}")


def _time_range(op: str, side: Expr, now_ns: int) -> TimeRange:
    reduced = reduce_time(side, now_ns)
    match reduced:
        case Instant(ns=ns) | Duration(ns=ns):
            value = ns
        case Integer(value=value):
            pass
        case Number(value=number):
            value = int(number)
        case _:
            raise QueryError(f"invalid operation: time and {go_type(reduced)} are not compatible")
    if not MIN_NS < value <= MAX_NS:
        raise QueryError(f"time {value} is outside of what can be told")
    match op:
        case ">":
            return TimeRange(value + 1, None)
        case ">=":
            return TimeRange(value, None)
        case "<":
            return TimeRange(None, value - 1)
        case "<=":
            return TimeRange(None, value)
        case "=":
            return TimeRange(value, value)
        case _:
            raise QueryError(f"invalid time comparison operator: {op}")


def reduce_time(expr: Expr, now_ns: int) -> Expr:
    """Sums of instants and durations, told as one."""
    match expr:
        case Text(value=text) if _DATE.match(text):
            return Instant(instant(text))
        case Call(name="now", args=()):
            return Instant(now_ns)
        case Paren(inner=inner):
            return reduce_time(inner, now_ns)
        case Binary(op=op, left=left, right=right):
            return _reduced(op, reduce_time(left, now_ns), reduce_time(right, now_ns))
        case _:
            return expr


def _reduced(op: str, left: Expr, right: Expr) -> Expr:  # noqa: PLR0911 - one a kind
    match left, op, right:
        case (Instant(ns=a), "+", Duration(ns=b) | Integer(value=b)) | (
            Duration(ns=a) | Integer(value=a),
            "+",
            Instant(ns=b),
        ):
            return Instant(a + b)
        case Instant(ns=a), "-", (Duration(ns=b) | Integer(value=b)):
            return Instant(a - b)
        case Instant(ns=a), "-", Instant(ns=b):
            return Duration(a - b)
        case Duration(ns=a), ("+" | "-"), (Duration(ns=b) | Integer(value=b)):
            return Duration(a + b if op == "+" else a - b)
        case Integer(value=a), ("+" | "-"), Duration(ns=b):
            return Duration(a + b if op == "+" else a - b)
        case (Duration(ns=a), "*", Integer(value=b)) | (Integer(value=a), "*", Duration(ns=b)):
            return Duration(a * b)
        case Duration(ns=a), "/", Integer(value=b) if b:
            return Duration(a // b)
        case Integer(value=a), ("+" | "-" | "*"), Integer(value=b):
            return Integer({"+": a + b, "-": a - b, "*": a * b}[op])
        case _:
            return Binary(op, left, right)


def folded(expr: Expr) -> Expr:
    """With numbers that stand beside each other reckoned."""
    match expr:
        case Binary(op=op, left=left, right=right):
            one, other = folded(left), folded(right)
            match one, other:
                case ((Integer(value=a) | Number(value=a)), (Integer(value=b) | Number(value=b))) if op in _ARITHMETIC:
                    return _number(op, a, b)
            return Binary(op, one, other)
        case Paren(inner=inner):
            found = folded(inner)
            return found if isinstance(found, Integer | Number) else Paren(found)
        case Call(name=name, args=args):
            return Call(name, tuple(folded(arg) for arg in args))
        case _:
            return expr


def _number(op: str, a: float, b: float) -> Expr:
    match op:
        case "/":
            return Number(a / b if b else 0.0)
        case "%":
            found = math.fmod(a, b) if b else 0
        case _:
            found = {"+": a + b, "-": a - b, "*": a * b}[op]
    is_whole = isinstance(a, int) and isinstance(b, int) and -(2**63) <= found < 2**63
    return Integer(int(found)) if is_whole else Number(float(found))


def instant(text: str) -> int:
    """Nanoseconds since 1970 of `2006-01-02`, `2006-01-02 15:04:05.999` or RFC 3339. Raises QueryError."""
    try:
        if _DATE.fullmatch(text):
            return _ns(datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC), "")
        if found := _PLAIN.fullmatch(text):
            return _ns(datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00"), found[3] or "")
        if found := _RFC3339.fullmatch(text):
            zone = "+00:00" if found[4] == "Z" else found[4]
            return _ns(datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}"), found[3] or "")
    except ValueError as error:
        raise QueryError("invalid timestamp string") from error
    raise QueryError("invalid timestamp string")


def _ns(at: datetime, fraction: str) -> int:
    seconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // _SECOND
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


_SECOND: Final = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def _check_calls(expr: Expr | None) -> None:
    match expr:
        case Binary(left=left, right=right):
            _check_calls(left)
            _check_calls(right)
        case Paren(inner=inner):
            _check_calls(inner)
        case Call(name=name, args=args):
            if name not in MATH:
                raise QueryError(f"invalid function call in condition: {text_of(expr)}")
            expected = 2 if name in TWO_ARGUMENTS else 1
            if len(args) != expected:
                raise QueryError(f"invalid number of arguments for {name}, expected {expected}, got {len(args)}")
            for arg in args:
                _check_calls(arg)
