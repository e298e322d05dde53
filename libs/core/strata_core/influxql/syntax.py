"""The syntax tree."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from strata_core.influxql.tokens import KEYWORDS

MIN_NS: Final = -(2**63) + 2
MAX_NS: Final = 2**63 - 2
"""What InfluxDB takes for ever, in both directions."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A field or a tag; `cast` as written after `::`."""

    name: str
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Wildcard:
    only: str | None = None
    """`field` or `tag`."""


@dataclass(frozen=True, slots=True)
class Regex:
    pattern: str


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Integer:
    value: int


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool


@dataclass(frozen=True, slots=True)
class Duration:
    ns: int


@dataclass(frozen=True, slots=True)
class Instant:
    ns: int


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple["Expr", ...] = ()


@dataclass(frozen=True, slots=True)
class Paren:
    inner: "Expr"


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: "Expr"
    right: "Expr"


Literal = Text | Number | Integer | Boolean | Duration | Instant | Regex
Expr = Ref | Wildcard | Literal | Call | Paren | Binary
LITERALS: Final = (Text, Number, Integer, Boolean, Duration, Instant)


@dataclass(frozen=True, slots=True)
class Field:
    expr: Expr
    alias: str = ""

    @property
    def name(self) -> str:
        return self.alias or name_of(self.expr)


@dataclass(frozen=True, slots=True)
class Measurement:
    """By name or by pattern."""

    name: str = ""
    pattern: str | None = None
    database: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Subquery:
    select: "Select"


Source = Measurement | Subquery


@dataclass(frozen=True, slots=True)
class Select:
    fields: tuple[Field, ...]
    sources: tuple[Source, ...]
    condition: Expr | None = None
    dimensions: tuple[Expr, ...] = ()
    fill: str = "null"
    """null, none, previous, linear, number."""
    fill_value: float | int | None = None
    is_ascending: bool = True
    is_sorted: bool = False
    """Whether it says in which order."""
    limit: int = 0
    offset: int = 0
    series_limit: int = 0
    series_offset: int = 0
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Show:
    """`what` as it is written: MEASUREMENTS, TAG KEYS and so on."""

    what: str
    sources: tuple[Measurement, ...] = ()
    condition: Expr | None = None
    key_op: str = ""
    keys: tuple[str, ...] = ()
    """Of TAG VALUES: the keys that are meant, or one pattern."""
    limit: int = 0
    offset: int = 0
    series_limit: int = 0
    series_offset: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement that InfluxDB knows and that is not answered here."""

    name: str


Statement = Select | Show | Refused

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNITS: Final = (
    (7 * 86_400_000_000_000, "w"),
    (86_400_000_000_000, "d"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "u"),
)


def walk(expr: Expr) -> Iterator[Expr]:
    yield expr
    match expr:
        case Call(args=args):
            for arg in args:
                yield from walk(arg)
        case Paren(inner=inner):
            yield from walk(inner)
        case Binary(left=left, right=right):
            yield from walk(left)
            yield from walk(right)


def refs(expr: Expr | None) -> set[str]:
    return set() if expr is None else {node.name for node in walk(expr) if isinstance(node, Ref)}


def name_of(expr: Expr) -> str:
    """Of the column that an expression makes."""
    match expr:
        case Call(name=name) | Ref(name=name):
            return name
        case Paren(inner=inner):
            return name_of(inner)
        case Binary():
            return "_".join(_names(expr))
        case _:
            return ""


def _names(expr: Expr) -> Iterator[str]:
    match expr:
        case Ref(name=name) | Call(name=name):
            yield name
        case Paren(inner=inner):
            yield from _names(inner)
        case Binary(left=left, right=right):
            yield from _names(left)
            yield from _names(right)
        case _:
            return


def quoted(name: str) -> str:
    if _BARE.fullmatch(name) and name.upper() not in KEYWORDS:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def duration_text(ns: int) -> str:
    if ns == 0:
        return "0s"
    for width, unit in _UNITS:
        if ns % width == 0:
            return f"{ns // width}{unit}"
    return f"{ns}ns"


def text_of(expr: Expr) -> str:  # noqa: C901, PLR0911 - one a kind
    """As it would be written."""
    match expr:
        case Ref(name=name, cast=cast):
            return quoted(name) + (f"::{cast}" if cast else "")
        case Wildcard(only=only):
            return f"*::{only}" if only else "*"
        case Regex(pattern=pattern):
            return "/" + pattern.replace("/", "\\/") + "/"
        case Text(value=text):
            return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
        case Number(value=number):
            return f"{number:.3f}"
        case Integer(value=integer):
            return str(integer)
        case Boolean(value=truth):
            return "true" if truth else "false"
        case Duration(ns=ns):
            return duration_text(ns)
        case Instant(ns=ns):
            return str(ns)
        case Call(name=name, args=args):
            return f"{name}({_listed(args)})"
        case Paren(inner=inner):
            return f"({text_of(inner)})"
        case Binary(op=op, left=left, right=right):
            return f"{text_of(left)} {op} {text_of(right)}"


def _listed(args: Sequence[Expr]) -> str:
    return ", ".join(text_of(arg) for arg in args)
