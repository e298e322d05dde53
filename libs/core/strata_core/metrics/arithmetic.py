"""Arithmetic between queries: `a / b * 100`. Text goes in, a tree of bounded depth comes out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.limits import EXPRESSION_DEPTH, EXPRESSION_LENGTH, EXPRESSION_OPERATORS

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?|\.\d+)|(?P<name>[a-zA-Z_]\w*)|(?P<sign>[-+*/()]))", re.ASCII
)
_PRECEDENCE: Final = {"+": 1, "-": 1, "*": 2, "/": 2}


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Operation:
    operator: str
    left: "Node"
    right: "Node"


Node: TypeAlias = Number | Name | Negative | Operation


def parsed(text: str) -> Node:
    """Raises InvalidError (code `bad_expression`), and LimitError (code `expression_size`)."""
    if len(text) > EXPRESSION_LENGTH:
        raise LimitError(f"at most {EXPRESSION_LENGTH} characters an expression", code="expression_size")
    tokens = list(_tokens(text))
    if sum(kind == "sign" and token in _PRECEDENCE for kind, token in tokens) > EXPRESSION_OPERATORS:
        raise LimitError(f"at most {EXPRESSION_OPERATORS} operators an expression", code="expression_size")
    reading = _Reading(tokens)
    node = reading.sum(1, 0)
    if reading.next is not None:
        raise bad_expression(f"{reading.next} was not expected there")
    return node


def names_in(node: Node) -> set[str]:
    match node:
        case Name(name):
            return {name}
        case Negative(operand):
            return names_in(operand)
        case Operation(_, left, right):
            return names_in(left) | names_in(right)
        case Number():
            return set()


def bad_expression(detail: str) -> InvalidError:
    return InvalidError(
        detail, code="bad_expression", hint="an expression has names of queries, numbers, + - * / and parentheses"
    )


class _Reading:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def sum(self, least: int, depth: int) -> Node:
        """What is joined by operators that bind at least so strongly."""
        if depth > EXPRESSION_DEPTH:
            raise LimitError(f"an expression nests at most {EXPRESSION_DEPTH} deep", code="expression_size")
        left = self._one(depth)
        while (operator := self.next) is not None and _PRECEDENCE.get(operator, 0) >= least:
            self._at += 1
            left = Operation(operator, left, self.sum(_PRECEDENCE[operator] + 1, depth + 1))
        return left

    def _one(self, depth: int) -> Node:
        kind, text = self._taken()
        if kind == "number":
            return Number(float(text))
        if kind == "name":
            return Name(text)
        if text == "-":
            return Negative(self.sum(max(_PRECEDENCE.values()), depth + 1))
        if text != "(":
            raise bad_expression(f"{text} was not expected there")
        inner = self.sum(1, depth + 1)
        if self.next != ")":
            raise bad_expression("a parenthesis is not closed")
        self._at += 1
        return inner

    def _taken(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise bad_expression("the expression ends too early")
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise bad_expression(f"{text[at : at + 20]!r} cannot be read")
        yield str(found.lastgroup), found[str(found.lastgroup)]
        at = found.end()
