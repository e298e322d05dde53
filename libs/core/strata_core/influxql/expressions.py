"""Expressions, read from tokens."""

import re
from typing import Final

from strata_core.influxql.refusals import ParseError, parse_error, too_much, unexpected
from strata_core.influxql.syntax import (
    Binary,
    Boolean,
    Call,
    Duration,
    Expr,
    Integer,
    Number,
    Paren,
    Ref,
    Regex,
    Text,
    Wildcard,
    quoted,
)
from strata_core.influxql.tokens import Kind, Token, Tokens
from strata_core.series.selecting import matches
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import INFLUXQL_DEPTH, INFLUXQL_OPERATORS, REGEX_LENGTH

PRECEDENCE: Final = {
    "OR": 1,
    "AND": 2,
    **dict.fromkeys(("=", "!=", "=~", "!~", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-", "|", "^"), 4),
    **dict.fromkeys(("*", "/", "%", "&"), 5),
}
COMPARISONS: Final = frozenset({"=", "!=", "=~", "!~", "<", "<=", ">", ">=", "AND", "OR"})
_CASTS: Final = ("float", "integer", "unsigned", "string", "boolean", "field", "tag")
_DURATION: Final = re.compile(r"(\d+)(ns|u|µ|ms|m|s|h|d|w)")
_UNIT_NS: Final = {
    "ns": 1,
    "u": 1_000,
    "µ": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}


class Expressions:
    """What statements are read with, too."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._depth = 0
        self._operators = 0

    def refuse(self, token: Token, *expected: str) -> ParseError:
        return unexpected(token.shown, expected, self.tokens.place_of(token))

    def accept(self, *words: str) -> Token | None:
        """The next word if it is one of these; it stays where it is if not."""
        before = self.tokens.at
        token = self.tokens.next_word()
        if token.is_(*words):
            return token
        self.tokens.at = before
        return None

    def expect(self, *words: str) -> None:
        for word in words:
            token = self.tokens.next_word()
            if not token.is_(word):
                raise self.refuse(token, word)

    def name(self) -> str:
        token = self.tokens.next_word()
        if token.kind is not Kind.NAME:
            raise self.refuse(token, "identifier")
        return token.text

    def names(self) -> list[str]:
        found = [self.name()]
        while self.accept(","):
            found.append(self.name())
        return found

    def segments(self) -> list[str]:
        """`a.b.c`, of which one between two dots may be empty."""
        found = [self.name()]
        while True:
            before = self.tokens.at
            if not self.tokens.next().is_("."):
                self.tokens.at = before
                break
            if self.tokens.peek() in {"/", ":"} and self.tokens.peek():
                break
            found.append("" if self.tokens.peek() == "." else self.name())
        if len(found) > 3:
            shown = [f'"{each}"' if each else "" for each in found[:-1]]
            raise ParseError(f"too many segments in {'.'.join([*shown, quoted(found[-1])])} at line 1, char 1")
        return found

    def expression(self) -> Expr:
        self._depth += 1
        if self._depth > INFLUXQL_DEPTH:
            raise too_much("brackets in brackets", INFLUXQL_DEPTH, "write it flatter")
        operands: list[Expr] = [self._unary()]
        operators: list[str] = []
        while True:
            before = self.tokens.at
            token = self.tokens.next_word()
            if token.text not in PRECEDENCE or not token.is_(token.text):
                self.tokens.at = before
                break
            while operators and PRECEDENCE[operators[-1]] >= PRECEDENCE[token.text]:
                _fold(operands, operators)
            operators.append(token.text)
            self._operators += 1
            if self._operators > INFLUXQL_OPERATORS:
                raise too_much("operators of a statement", INFLUXQL_OPERATORS, "use a regex for many comparisons")
            operands.append(self._pattern() if token.text in {"=~", "!~"} else self._unary())
        while operators:
            _fold(operands, operators)
        self._depth -= 1
        return operands[0]

    def regex(self) -> Regex | None:
        """If the next is one."""
        self.tokens.skip_spaces()
        if self.tokens.peek() == "$":
            before = self.tokens.at
            token = self.tokens.next()
            if token.kind is not Kind.REGEX:
                self.tokens.at = before
                return None
            return _regex(token)
        return _regex(self.tokens.regex()) if self.tokens.peek() == "/" else None

    def _pattern(self) -> Regex:
        found = self.regex()
        if found is None:
            raise self.refuse(self.tokens.next_word(), "regex")
        return found

    def _unary(self) -> Expr:  # noqa: C901, PLR0911 - one a kind
        if self.accept("("):
            inner = self.expression()
            token = self.tokens.next_word()
            if not token.is_(")"):
                raise self.refuse(token, ")")
            return Paren(inner)
        before = self.tokens.at
        token = self.tokens.next_word()
        match token.kind:
            case Kind.NAME:
                if self.tokens.peek() == "(":
                    self.tokens.at += 1
                    return self._call(token.text)
                self.tokens.at = before
                return self._ref()
            case Kind.TEXT:
                return Text(token.text)
            case Kind.NUMBER:
                return Number(float(token.text))
            case Kind.INTEGER:
                return self._integer(token)
            case Kind.DURATION:
                return Duration(duration(token.text))
            case Kind.REGEX:
                return _regex(token)
            case Kind.PARAMETER:
                what = f"missing parameter: {token.text}" if token.text else "empty bound parameter"
                raise ParseError(what)
        return self._worded(token)

    def _worded(self, token: Token) -> Expr:
        if token.is_("TRUE", "FALSE"):
            return Boolean(token.text == "TRUE")
        if token.is_("DISTINCT"):
            return self._distinct()
        if token.is_("*"):
            return self._wildcard()
        if token.is_("+", "-"):
            return self._signed(token)
        raise self.refuse(token, "identifier", "string", "number", "bool")

    def _integer(self, token: Token) -> Expr:
        value = int(token.text)
        if value >= 2**64:
            raise parse_error("unable to parse integer", self.tokens.place_of(token))
        return Integer(value)

    def _distinct(self) -> Expr:
        token = self.tokens.next()
        if token.is_("("):
            return self._call("distinct")
        if token.kind is not Kind.SPACE:
            raise self.refuse(token, "(", "identifier")
        return Call("distinct", (Ref(self.name()),))

    def _wildcard(self) -> Expr:
        before = self.tokens.at
        if not self.tokens.next().is_("::"):
            self.tokens.at = before
            return Wildcard()
        token = self.tokens.next()
        if not token.is_("FIELD", "TAG"):
            raise self.refuse(token, "field", "tag")
        return Wildcard(token.text.lower())

    def _signed(self, sign: Token) -> Expr:
        before = self.tokens.at
        token = self.tokens.next_word()
        if token.kind not in {Kind.NUMBER, Kind.INTEGER, Kind.DURATION, Kind.NAME} and not token.is_("("):
            raise self.refuse(token, "identifier", "number", "duration", "(")
        self.tokens.at = before
        factor = -1 if sign.text == "-" else 1
        match self._unary():
            case Number(value=number):
                return Number(number * factor)
            case Integer(value=integer):
                if integer * factor < -(2**63):
                    raise ParseError(f"constant -{integer} underflows int64")
                return Integer(integer * factor)
            case Duration(ns=ns):
                return Duration(ns * factor)
            case other:
                return Binary("*", Integer(factor), other)

    def _ref(self) -> Ref:
        name = ".".join(self.segments())
        before = self.tokens.at
        if not self.tokens.next().is_("::"):
            self.tokens.at = before
            return Ref(name)
        token = self.tokens.next()
        cast = token.text.lower()
        if cast in _CASTS and token.kind in {Kind.NAME, Kind.KEYWORD}:
            return Ref(name, cast)
        raise self.refuse(token, *(_CASTS if token.kind is Kind.NAME else [c for c in _CASTS if c != "unsigned"]))

    def _call(self, name: str) -> Call:
        args: list[Expr] = []
        first = self.regex()
        if first is not None:
            args.append(first)
        else:
            before = self.tokens.at
            if self.tokens.next().is_(")"):
                return Call(name.lower())
            self.tokens.at = before
            args.append(self.expression())
        while self.accept(","):
            args.append(self.regex() or self.expression())
        self.tokens.skip_spaces()
        token = self.tokens.next()
        if not token.is_(")"):
            raise self.refuse(token, ")")
        return Call(name.lower(), tuple(args))


def duration(text: str) -> int:
    """Nanoseconds. Raises ParseError."""
    at, total = 0, 0
    while at < len(text):
        found = _DURATION.match(text, at)
        if found is None:
            raise ParseError("invalid duration")
        total += int(found[1]) * _UNIT_NS[found[2]]
        at = found.end()
    if total >= 2**63:
        raise ParseError(f"overflowed duration {text}: choose a smaller duration or INF")
    return total


def _regex(token: Token) -> Regex:
    if len(token.text) > REGEX_LENGTH:
        raise too_much("characters of a regex", REGEX_LENGTH, "write a shorter one")
    try:
        matches(token.text, [""])
    except InvalidError as error:
        raise ParseError(error.detail) from error
    return Regex(token.text)


def _fold(operands: list[Expr], operators: list[str]) -> None:
    right, left = operands.pop(), operands.pop()
    operands.append(Binary(operators.pop(), left, right))
