"""What a query is made of. Positions are characters into its text, for errors, and make no difference between two."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class ValueType(StrEnum):
    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


class MatchOp(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NO_REGEX = "!~"


NAME: Final = "__name__"


@dataclass(frozen=True, slots=True)
class Matcher:
    label: str
    op: MatchOp
    value: str

    @property
    def wants_empty(self) -> bool:
        """Whether it is known, without a regex being looked at, that a series without the label matches."""
        return not self.value if self.op is MatchOp.EQUAL else bool(self.value) and self.op is MatchOp.NOT_EQUAL


class Anchor(StrEnum):
    """Where `@` may point besides at an instant."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """How the time that is looked at differs from that of the step."""

    offset_ms: int = 0
    pinned: int | Anchor | None = None


@dataclass(frozen=True, slots=True)
class Selector:
    """`matchers` have that of the name, too."""

    matchers: tuple[Matcher, ...]
    moment: Moment = Moment()
    name: str | None = None
    """Where it is written before the braces."""
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RangeSelector:
    selector: Selector
    range_ms: int
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Subquery:
    body: "Expression"
    range_ms: int
    step_ms: int | None = None
    moment: Moment = Moment()
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parentheses:
    body: "Expression"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A plus or a minus before what is no literal number."""

    sign: str
    body: "Expression"
    at: int = field(default=0, compare=False)


class Cardinality(StrEnum):
    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class Matching:
    """Which elements of two vectors belong together. Without a word about it: those with the same labels."""

    labels: tuple[str, ...] = ()
    is_on: bool = False
    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    included: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: "Expression"
    right: "Expression"
    is_bool: bool = False
    matching: Matching = Matching()
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Aggregation:
    op: str
    body: "Expression"
    parameter: "Expression | None" = None
    labels: tuple[str, ...] = ()
    is_without: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Expression", ...] = ()
    at: int = field(default=0, compare=False)


Expression = Number | Text | Selector | RangeSelector | Subquery | Parentheses | Signed | Binary | Aggregation | Call

ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "^", "atan2"})
COMPARISONS: Final = frozenset({"==", "!=", "<", ">", "<=", ">="})
SET_OPS: Final = frozenset({"and", "or", "unless"})
BINDING: Final = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(COMPARISONS, 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
"""From the loosest to the tightest; all but `^` group to the left."""
UNARY_BINDING: Final = 6
"""`-a ^ b` is `-(a ^ b)`, and `-a * b` is `(-a) * b`."""
AGGREGATIONS: Final = {
    "sum": None,
    "avg": None,
    "min": None,
    "max": None,
    "count": None,
    "group": None,
    "stddev": None,
    "stdvar": None,
    "topk": ValueType.SCALAR,
    "bottomk": ValueType.SCALAR,
    "quantile": ValueType.SCALAR,
    "count_values": ValueType.STRING,
}
"""With the type of the parameter that some have."""


def bare(expression: Expression) -> Expression:
    """Without the parentheses around it."""
    while isinstance(expression, Parentheses):
        expression = expression.body
    return expression
