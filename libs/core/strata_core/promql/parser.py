"""PromQL's grammar: operators by their binding, and what they stand between."""

from typing import Final

from strata_core.promql.errors import PromqlParseError, PromqlUnsupportedError
from strata_core.promql.lexer import Kind, Token, duration_ms, number_of, tokens_of
from strata_core.promql.selectors import matchers_in, moment_after, selector_of
from strata_core.promql.signatures import FUNCTIONS, LEFT_OUT
from strata_core.promql.syntax import (
    AGGREGATIONS,
    BINDING,
    COMPARISONS,
    SET_OPS,
    UNARY_BINDING,
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Expression,
    Matching,
    Number,
    Parentheses,
    RangeSelector,
    Selector,
    Signed,
    Subquery,
    Text,
)
from strata_core.promql.tokens import Tokens
from strata_datamodel.errors import LimitError
from strata_datamodel.limits import PROMQL_DEPTH, PROMQL_LENGTH

_WORD_OPS: Final = SET_OPS | {"atan2"}
_WORD_NUMBERS: Final = frozenset({"inf", "nan"})
_MATCHING_WORDS: Final = frozenset({"on", "ignoring"})
_GROUP_SIDES: Final = {"group_left": Cardinality.MANY_TO_ONE, "group_right": Cardinality.ONE_TO_MANY}
_NO_NAMES: Final = _MATCHING_WORDS | set(_GROUP_SIDES) | {"bool", "atan2"}
"""All other words may name a metric, even those that are operators elsewhere."""


def parsed(query: str) -> Expression:
    """Types are looked at elsewhere. Raises PromqlParseError, and LimitError (code `promql_length`)."""
    if len(query) > PROMQL_LENGTH:
        raise LimitError(f"the query has more than {PROMQL_LENGTH} characters", code="promql_length")
    tokens = Tokens(query, tokens_of(query))
    if tokens.is_at_end():
        raise tokens.wrong("no expression found in input")
    reader = _Reader(tokens)
    expression = reader.expression(0)
    if not tokens.is_at_end():
        raise tokens.wrong(f"unexpected {tokens.peek.shown}")
    return expression


class _Reader:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._depth = 0

    def expression(self, binding: int) -> Expression:
        self._depth += 1
        if self._depth > PROMQL_DEPTH:
            raise LimitError(f"the query is nested more than {PROMQL_DEPTH} deep", code="promql_depth")
        found = self._operated(self._unary(), binding)
        self._depth -= 1
        return found

    def _operated(self, left: Expression, binding: int) -> Expression:
        while (op := self._operator()) is not None and BINDING[op] > binding:
            token = self._tokens.take()
            is_bool, matching = self._modifiers(op)
            # `^` alone groups to the right.
            right = self.expression(BINDING[op] - (op == "^"))
            left = Binary(op, left, right, is_bool, matching, token.at)
        return left

    def _operator(self) -> str | None:
        token = self._tokens.peek
        if token.kind is Kind.NAME and token.text.lower() in _WORD_OPS:
            return token.text.lower()
        return token.text if token.kind is Kind.SIGN and token.text in BINDING else None

    def _modifiers(self, op: str) -> tuple[bool, Matching]:
        is_bool = False
        if self._tokens.is_word("bool"):
            if op not in COMPARISONS:
                raise self._tokens.wrong("bool modifier can only be used on comparison operators")
            is_bool = bool(self._tokens.take())
        cardinality = Cardinality.MANY_TO_MANY if op in SET_OPS else Cardinality.ONE_TO_ONE
        word = self._tokens.peek.text.lower() if self._tokens.peek.kind is Kind.NAME else ""
        if word not in _MATCHING_WORDS or not self._tokens.is_next("("):
            return is_bool, Matching(cardinality=cardinality)
        self._tokens.take()
        labels = self._labels()
        side = self._tokens.peek
        included: tuple[str, ...] = ()
        if side.kind is Kind.NAME and side.text.lower() in _GROUP_SIDES:
            if op in SET_OPS:
                raise self._tokens.wrong(f'no grouping allowed for "{op}" operation')
            cardinality = _GROUP_SIDES[self._tokens.take().text.lower()]
            included = self._labels() if self._tokens.is_sign("(") else ()
            if both := [label for label in labels if word == "on" and label in included]:
                raise self._tokens.wrong(f'label "{both[0]}" must not occur in ON and GROUP clause at once', side)
        return is_bool, Matching(labels, word == "on", cardinality, included)

    def _unary(self) -> Expression:
        token = self._tokens.peek
        if token.kind is Kind.SIGN and token.text in {"+", "-"}:
            self._tokens.take()
            body = self.expression(UNARY_BINDING - 1)
            if isinstance(body, Number):
                return Number(-body.value if token.text == "-" else body.value, token.at)
            return Signed(token.text, body, token.at)
        return self._postfixed(self._primary())

    def _postfixed(self, expression: Expression) -> Expression:
        while True:
            if self._tokens.is_sign("["):
                expression = self._ranged(expression)
            elif self._tokens.is_word("offset") or self._tokens.is_sign("@"):
                expression = moment_after(self._tokens, expression)
            else:
                return expression

    def _ranged(self, expression: Expression) -> Expression:
        opening = self._tokens.take()
        range_ms = self._duration()
        if self._tokens.is_sign(":"):
            self._tokens.take()
            step_ms = None if self._tokens.is_sign("]") else self._duration()
            self._tokens.expect("]", "subquery selector")
            return Subquery(expression, range_ms, step_ms, at=opening.at)
        self._tokens.expect("]", "range selector")
        if not isinstance(expression, Selector):
            raise self._tokens.wrong("ranges only allowed for vector selectors", opening)
        if expression.moment.pinned is not None:
            raise self._tokens.wrong("no @ modifiers allowed before range", opening)
        if expression.moment.offset_ms:
            raise self._tokens.wrong("no offset modifiers allowed before range", opening)
        return RangeSelector(expression, range_ms, expression.at)

    def _duration(self) -> int:
        token = self._tokens.take()
        length = duration_ms(token.text) if token.kind is Kind.DURATION else None
        if length is None:
            raise self._tokens.wrong(f"unexpected {token.shown}, expected a duration", token)
        if length == 0:
            raise self._tokens.wrong("duration must be greater than 0", token)
        return length

    def _primary(self) -> Expression:
        token = self._tokens.peek
        match token.kind:
            case Kind.NUMBER:
                self._tokens.take()
                return Number(number_of(token.text), token.at)
            case Kind.STRING:
                self._tokens.take()
                return Text(token.text, token.at)
            case Kind.NAME:
                return self._named()
            case Kind.SIGN if token.text == "(":
                self._tokens.take()
                body = self.expression(0)
                self._tokens.expect(")", "parentheses")
                return Parentheses(body, token.at)
            case Kind.SIGN if token.text == "{":
                return selector_of(self._tokens, None, token, matchers_in(self._tokens))
            case _:
                raise self._tokens.wrong(f"unexpected {token.shown}")

    def _named(self) -> Expression:
        token = self._tokens.take()
        word = token.text.lower()
        if word in AGGREGATIONS and (self._tokens.is_sign("(") or self._tokens.is_word("by", "without")):
            return self._aggregation(word, token)
        if self._tokens.is_sign("("):
            return self._call(token)
        if word in _WORD_NUMBERS:
            return Number(float(word), token.at)
        if word in _NO_NAMES:
            raise self._tokens.wrong(f"unexpected {token.shown}", token)
        matchers = matchers_in(self._tokens) if self._tokens.is_sign("{") else ()
        return selector_of(self._tokens, token.text, token, matchers)

    def _call(self, token: Token) -> Expression:
        if token.text not in FUNCTIONS:
            if token.text in LEFT_OUT:
                raise PromqlUnsupportedError(f"function {token.text}")
            raise self._tokens.wrong(f'unknown function with name "{token.text}"', token)
        return Call(token.text, self._arguments(), token.at)

    def _arguments(self) -> tuple[Expression, ...]:
        self._tokens.expect("(", "call")
        found: list[Expression] = []
        while not self._tokens.is_sign(")") or found:
            found.append(self.expression(0))
            if not self._tokens.is_sign(","):
                break
            self._tokens.take()
            if self._tokens.is_sign(")"):
                raise self._tokens.wrong("trailing commas not allowed in function call args")
        self._tokens.expect(")", "call")
        return tuple(found)

    def _aggregation(self, op: str, token: Token) -> Expression:
        grouping = self._grouping()
        arguments = self._arguments()
        labels, is_without = grouping or self._grouping() or ((), False)
        has_parameter = AGGREGATIONS[op] is not None
        if len(arguments) != 1 + has_parameter:
            wanted = "2 arguments" if has_parameter else "1 argument"
            raise self._tokens.wrong(
                f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(arguments)}",
                token,
            )
        parameter = arguments[0] if has_parameter else None
        return Aggregation(op, arguments[-1], parameter, labels, is_without, token.at)

    def _grouping(self) -> tuple[tuple[str, ...], bool] | None:
        if not self._tokens.is_word("by", "without"):
            return None
        is_without = self._tokens.take().text.lower() == "without"
        return self._labels(), is_without

    def _labels(self) -> tuple[str, ...]:
        self._tokens.expect("(", "grouping opts")
        found = []
        while not self._tokens.is_sign(")"):
            token = self._tokens.take()
            if token.kind is not Kind.NAME or ":" in token.text:
                raise PromqlParseError(
                    self._tokens.query, token.at, f"unexpected {token.shown} in grouping opts, expected label"
                )
            found.append(token.text)
            if not self._tokens.is_sign(","):
                break
            self._tokens.take()
        self._tokens.expect(")", "grouping opts")
        return tuple(found)
