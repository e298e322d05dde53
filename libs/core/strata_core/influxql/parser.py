"""Statements, read from text."""

from collections.abc import Mapping
from typing import Final

from strata_core.influxql.expressions import COMPARISONS, Expressions, duration
from strata_core.influxql.refusals import ParseError, too_much, unexpected
from strata_core.influxql.syntax import (
    Binary,
    Call,
    Expr,
    Field,
    Integer,
    Measurement,
    Number,
    Refused,
    Select,
    Show,
    Source,
    Statement,
    Subquery,
    Text,
    duration_text,
    text_of,
    walk,
)
from strata_core.influxql.tokens import Kind, Tokens
from strata_datamodel.limits import INFLUXQL_LENGTH, INFLUXQL_STATEMENTS, INFLUXQL_SUBQUERIES

_FIRST: Final = ("SELECT", "DELETE", "SHOW", "CREATE", "DROP", "EXPLAIN", "GRANT", "REVOKE", "ALTER", "SET", "KILL")
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "CONTINUOUS": ("QUERIES",),
    "DATABASES": (),
    "DIAGNOSTICS": (),
    "FIELD": ("KEY", "KEYS"),
    "GRANTS": ("FOR",),
    "MEASUREMENT": ("EXACT", "CARDINALITY"),
    "MEASUREMENTS": (),
    "QUERIES": (),
    "RETENTION": ("POLICIES",),
    "SERIES": (),
    "SHARD": ("GROUPS",),
    "SHARDS": (),
    "STATS": (),
    "SUBSCRIPTIONS": (),
    "TAG": ("KEY", "KEYS", "VALUES"),
    "USERS": (),
}
_ANSWERED: Final = frozenset(
    {"DATABASES", "FIELD KEYS", "MEASUREMENTS", "RETENTION POLICIES", "SERIES", "TAG KEYS", "TAG VALUES"}
)
_MADE: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "CREATE": {
        "CONTINUOUS": ("QUERY",),
        "DATABASE": (),
        "USER": (),
        "RETENTION": ("POLICY",),
        "SUBSCRIPTION": (),
    },
    "DROP": {
        "CONTINUOUS": ("QUERY",),
        "DATABASE": (),
        "MEASUREMENT": (),
        "RETENTION": ("POLICY",),
        "SERIES": (),
        "SHARD": (),
        "SUBSCRIPTION": (),
        "USER": (),
    },
    "ALTER": {"RETENTION": ("POLICY",)},
    "SET": {"PASSWORD": ("FOR",)},
    "KILL": {"QUERY": ()},
}
Parameters = Mapping[str, object]


def parsed(text: str, parameters: Parameters | None = None) -> list[Statement]:
    """Raises ParseError for text that is not InfluxQL, and LimitError."""
    if len(text) > INFLUXQL_LENGTH:
        raise too_much("characters of a query", INFLUXQL_LENGTH, "ask in several requests")
    bound = {name: _bound(value) for name, value in (parameters or {}).items()}
    if any("\x00" in each for each in (text, *(said for _, said in bound.values()))):
        raise ParseError("a query and its parameters cannot hold NUL")
    tokens = Tokens(text, bound)
    reader = _Statements(tokens)
    statements: list[Statement] = []
    is_separated = True
    while True:
        before = tokens.at
        token = tokens.next_word()
        if token.kind is Kind.EOF:
            return statements
        if token.is_(";"):
            is_separated = True
            continue
        if not is_separated:
            raise unexpected(token.shown, [";"], tokens.place_of(token))
        tokens.at = before
        statements.append(reader.statement())
        is_separated = False
        if len(statements) > INFLUXQL_STATEMENTS:
            raise too_much("statements of a query", INFLUXQL_STATEMENTS, "ask in several requests")


class _Statements(Expressions):
    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self._within = 0

    def statement(self) -> Statement:
        self._operators = 0
        token = self.tokens.next_word()
        if not token.is_(*_FIRST):
            raise self.refuse(token, *_FIRST)
        if token.text == "SELECT":
            return self._selected()
        if token.text == "SHOW":
            return self._show()
        words = [token.text]
        kinds: Mapping[str, tuple[str, ...]] = _MADE.get(token.text, {})
        if kinds:
            words += self._words(kinds)
        return self._left_out(" ".join(words))

    def _words(self, kinds: Mapping[str, tuple[str, ...]]) -> list[str]:
        token = self.tokens.next_word()
        if not token.is_(*kinds):
            raise self.refuse(token, *kinds)
        if not kinds[token.text]:
            return [token.text]
        second = self.tokens.next_word()
        if not second.is_(*kinds[token.text]):
            raise self.refuse(second, *kinds[token.text])
        return [token.text, second.text]

    def _left_out(self, name: str) -> Refused:
        """The rest of it is not looked at, but for where it ends."""
        while True:
            before = self.tokens.at
            token = self.tokens.next()
            if token.kind is Kind.EOF or token.is_(";"):
                self.tokens.at = before
                return Refused(name)
            if token.kind is Kind.ILLEGAL and token.end == before:
                raise self.refuse(token, ";")

    def _selected(self) -> Select | Refused:
        try:
            return self._select()
        except _IntoError:
            return self._left_out("SELECT INTO")

    def _select(self) -> Select:
        fields = [self._field()]
        while self.accept(","):
            fields.append(self._field())
        if not self._within and self.accept("INTO"):
            raise _IntoError
        self.expect("FROM")
        sources = self._sources(with_subqueries=True)
        condition = self._condition()
        dimensions = self._dimensions()
        fill, fill_value = self._fill()
        order = self._order()
        counts = [self._count(word) for word in ("LIMIT", "OFFSET", "SLIMIT", "SOFFSET")]
        limit, offset, series_limit, series_offset = counts
        return Select(
            tuple(fields),
            sources,
            condition,
            dimensions,
            fill,
            fill_value,
            is_ascending=order is not False,
            is_sorted=order is not None,
            limit=limit,
            offset=offset,
            series_limit=series_limit,
            series_offset=series_offset,
            zone=self._zone(),
        )

    def _field(self) -> Field:
        regex = self.regex()
        if regex is not None:
            return Field(regex, self._alias())
        before = self.tokens.at
        first = self.tokens.next_word()
        self.tokens.at = before
        expr = self.expression()
        wrong = next((node.op for node in walk(expr) if isinstance(node, Binary) and node.op in COMPARISONS), None)
        if wrong is not None:
            place = self.tokens.place_of(first)
            raise ParseError(
                f"invalid operator {wrong} in SELECT clause at line {place.line}, char {place.char}; "
                "operator is intended for WHERE clause"
            )
        return Field(expr, self._alias())

    def _alias(self) -> str:
        alias = self.name() if self.accept("AS") else ""
        self.tokens.skip_spaces()
        return alias

    def _sources(self, *, with_subqueries: bool = False) -> tuple[Source, ...]:
        found = [self._source(with_subqueries=with_subqueries)]
        while self.accept(","):
            found.append(self._source(with_subqueries=with_subqueries))
        return tuple(found)

    def _source(self, *, with_subqueries: bool) -> Source:
        regex = self.regex()
        if regex is not None:
            return Measurement(pattern=regex.pattern)
        if with_subqueries and self.accept("("):
            return self._subquery()
        parts = self.segments()
        if len(parts) == 3:
            return Measurement(parts[2], None, parts[0], parts[1])
        regex = self.regex()
        if regex is None:
            return Measurement(parts[-1], None, "", parts[0] if len(parts) == 2 else "")
        return Measurement("", regex.pattern, parts[0] if len(parts) == 2 else "", parts[-1])

    def _subquery(self) -> Subquery:
        self.expect("SELECT")
        self._within += 1
        if self._within > INFLUXQL_SUBQUERIES:
            raise too_much("queries in queries", INFLUXQL_SUBQUERIES, "nest fewer of them")
        select = self._select()
        self.expect(")")
        self._within -= 1
        return Subquery(select)

    def _condition(self) -> Expr | None:
        return self.expression() if self.accept("WHERE") else None

    def _dimensions(self) -> tuple[Expr, ...]:
        if not self.accept("GROUP"):
            return ()
        self.expect("BY")
        found: list[Expr] = []
        while True:
            found.append(self.regex() or self.expression())
            self.tokens.skip_spaces()
            before = self.tokens.at
            if not self.tokens.next().is_(","):
                self.tokens.at = before
                return tuple(found)

    def _fill(self) -> tuple[str, float | int | None]:
        if not self._is_named("fill"):
            return "null", None
        match self.expression():
            case Call(args=(argument,)):
                if text_of(argument) in {"null", "none", "previous", "linear"}:
                    return text_of(argument), None
                if isinstance(argument, Integer | Number):
                    return "number", argument.value
                raise ParseError("expected number argument in fill()")
            case Call():
                raise ParseError("fill requires an argument, e.g.: 0, null, none, previous, linear")
            case _:
                raise ParseError("fill must be a function call")

    def _zone(self) -> str | None:
        if not self._is_named("tz"):
            return None
        match self.expression():
            case Call(args=(Text(value=zone),)):
                return zone
            case Call(args=(_,)):
                raise ParseError("expected string argument in tz()")
            case Call():
                raise ParseError("tz requires exactly one argument")
            case _:
                raise ParseError("tz must be a function call")

    def _is_named(self, name: str) -> bool:
        before = self.tokens.at
        token = self.tokens.next_word()
        self.tokens.at = before
        return token.kind is Kind.NAME and token.text.lower() == name

    def _order(self) -> bool | None:
        """Whether it ascends; None where nothing is said of it."""
        if not self.accept("ORDER"):
            return None
        self.expect("BY")
        token = self.tokens.next_word()
        if token.is_("ASC", "DESC"):
            ascends = token.text == "ASC"
        elif token.kind is Kind.NAME:
            if token.text != "time":
                raise ParseError("only ORDER BY time supported at this time")
            direction = self.accept("ASC", "DESC")
            ascends = direction is None or direction.text == "ASC"
        else:
            raise self.refuse(token, "identifier", "ASC", "DESC")
        if self.accept(","):
            raise ParseError("only ORDER BY time supported at this time")
        return ascends

    def _count(self, word: str) -> int:
        if not self.accept(word):
            return 0
        token = self.tokens.next_word()
        if token.kind is not Kind.INTEGER:
            raise self.refuse(token, "integer")
        return min(int(token.text), 2**62)

    def _show(self) -> Statement:
        what = " ".join(self._words(_SHOWN))
        if what not in _ANSWERED or (what in {"SERIES", "TAG VALUES"} and self.accept("EXACT", "CARDINALITY")):
            return self._left_out(f"SHOW {what}" if what not in _ANSWERED else f"SHOW {what} CARDINALITY")
        if what == "DATABASES":
            return Show(what)
        database = self.name() if self.accept("ON") else ""
        if what == "RETENTION POLICIES":
            return Show(what, (Measurement(database=database),))
        sources = self._shown_sources(what, database)
        op, keys = self._keys() if what == "TAG VALUES" else ("", ())
        condition = None if what == "FIELD KEYS" else self._condition()
        self._order()
        words = ("LIMIT", "OFFSET", "SLIMIT", "SOFFSET") if what == "TAG KEYS" else ("LIMIT", "OFFSET")
        return Show(what, sources, condition, op, keys, *(self._count(word) for word in words))

    def _shown_sources(self, what: str, database: str) -> tuple[Measurement, ...]:
        named: tuple[Source, ...] = (Measurement(database=database),) if database else ()
        if what == "MEASUREMENTS":
            if self.accept("WITH"):
                self.expect("MEASUREMENT")
                token = self.tokens.next_word()
                if not token.is_("=", "=~"):
                    raise self.refuse(token, "=", "=~")
                named += (self._source(with_subqueries=False),)
        elif self.accept("FROM"):
            named += self._sources()
        return tuple(each for each in named if isinstance(each, Measurement))

    def _keys(self) -> tuple[str, tuple[str, ...]]:
        self.expect("WITH", "KEY")
        token = self.tokens.next_word()
        if token.is_("IN"):
            self.expect("(")
            keys = self.names()
            self.expect(")")
            return "IN", tuple(keys)
        if token.is_("=", "!="):
            return token.text, (self.name(),)
        if token.is_("=~", "!~"):
            return token.text, (self._pattern().pattern,)
        raise self.refuse(token, "IN", "=", "=~")


class _IntoError(Exception):
    """What follows is not looked at."""


def _bound(value: object) -> tuple[Kind, str]:
    """A value that was sent along, as the token that it stands for: it is never read as InfluxQL."""
    match value:
        case bool():
            return Kind.KEYWORD, "TRUE" if value else "FALSE"
        case str():
            return Kind.TEXT, value
        case int():
            return Kind.INTEGER, str(value)
        case float():
            return Kind.NUMBER, repr(value)
        case dict() if len(value) == 1:
            return _typed(*next(iter(value.items())))
        case _:
            raise ParseError(f"unable to bind parameter with type {type(value).__name__}")


def _typed(name: object, value: object) -> tuple[Kind, str]:
    match name, value:
        case "identifier", str():
            return Kind.NAME, value
        case "regex", str():
            return Kind.REGEX, value
        case "string", str():
            return Kind.TEXT, value
        case "duration", str():
            return Kind.DURATION, duration_text(duration(value))
        case "duration", int():
            return Kind.DURATION, duration_text(value)
        case (("float" | "number" | "integer" | "boolean"), bool() | int() | float()):
            return _bound(float(value) if name in {"float", "number"} else value)
        case _:
            raise ParseError(f"unable to bind parameter as {name}")
