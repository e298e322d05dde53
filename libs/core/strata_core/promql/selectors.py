"""How a query says which series, and when."""

from dataclasses import replace
from typing import Final

from strata_core.promql.lexer import Kind, Token, duration_ms, number_of
from strata_core.promql.syntax import (
    NAME,
    Anchor,
    Expression,
    Matcher,
    MatchOp,
    Moment,
    RangeSelector,
    Selector,
    Subquery,
)
from strata_core.promql.tokens import Tokens
from strata_core.series.selecting import matches
from strata_datamodel.errors import InvalidError

_EVER_MS: Final = 2**63 // 1_000_000


def matchers_in(tokens: Tokens) -> tuple[Matcher, ...]:
    tokens.expect("{", "label matching")
    found = []
    while not tokens.is_sign("}"):
        found.append(_matcher(tokens))
        if not tokens.is_sign(","):
            break
        tokens.take()
    tokens.expect("}", "label matching")
    return tuple(found)


def selector_of(tokens: Tokens, name: str | None, first: Token, matchers: tuple[Matcher, ...]) -> Selector:
    if name is not None:
        if any(each.label == NAME for each in matchers):
            raise tokens.wrong(f'metric name must not be set twice: "{name}"', first)
        matchers = (*matchers, Matcher(NAME, MatchOp.EQUAL, name))
    if all(takes_empty(each) for each in matchers):
        raise tokens.wrong("vector selector must contain at least one non-empty matcher", first)
    return Selector(matchers, name=name, at=first.at)


def takes_empty(matcher: Matcher) -> bool:
    """Whether a series that has no such label is one of those meant."""
    return bool(chosen(matcher, [""])[0])


def chosen(matcher: Matcher, values: list[str]) -> list[bool]:
    """Raises InvalidError (code `bad_regex`)."""
    match matcher.op:
        case MatchOp.EQUAL:
            return [value == matcher.value for value in values]
        case MatchOp.NOT_EQUAL:
            return [value != matcher.value for value in values]
        case _:
            wanted = matcher.op is MatchOp.REGEX
            return [found is wanted for found in matches(f"^(?:{matcher.value})$", values)]


def moment_after(tokens: Tokens, expression: Expression) -> Expression:
    """With the `offset` or `@` that comes next."""
    token = tokens.take()
    is_offset = token.text != "@"
    moment = _moment_of(expression)
    word = "offset" if is_offset else "@"
    if moment is None:
        raise tokens.wrong(
            f"{word} modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            token,
        )
    if (moment.offset_ms if is_offset else moment.pinned is not None) and (is_offset or moment.pinned is not None):
        raise tokens.wrong(f"{word} may not be set multiple times", token)
    moment = replace(moment, offset_ms=_offset(tokens)) if is_offset else replace(moment, pinned=_pinned(tokens))
    return _moved(expression, moment)


def _moment_of(expression: Expression) -> Moment | None:
    match expression:
        case Selector() | Subquery():
            return expression.moment
        case RangeSelector():
            return expression.selector.moment
        case _:
            return None


def _moved(expression: Expression, moment: Moment) -> Expression:
    match expression:
        case Selector() | Subquery():
            return replace(expression, moment=moment)
        case RangeSelector():
            return replace(expression, selector=replace(expression.selector, moment=moment))
        case _:
            return expression


def _offset(tokens: Tokens) -> int:
    is_back = tokens.is_sign("-")
    if is_back:
        tokens.take()
    token = tokens.take()
    length = duration_ms(token.text) if token.kind is Kind.DURATION else None
    if length is None:
        raise tokens.wrong(f"unexpected {token.shown} in offset, expected duration", token)
    return -length if is_back else length


def _pinned(tokens: Tokens) -> int | Anchor:
    if tokens.is_word(*Anchor):
        anchor = Anchor(tokens.take().text.lower())
        tokens.expect("(", "@")
        tokens.expect(")", "@")
        return anchor
    is_negative = tokens.is_sign("-")
    if tokens.is_sign("-", "+"):
        tokens.take()
    token = tokens.take()
    if token.kind is not Kind.NUMBER:
        raise tokens.wrong(f"unexpected {token.shown} in @, expected timestamp", token)
    time_ms = number_of(token.text) * 1_000 * (-1 if is_negative else 1)
    if not abs(time_ms) < _EVER_MS:
        raise tokens.wrong("timestamp out of bounds for @ modifier", token)
    return round(time_ms)


def _matcher(tokens: Tokens) -> Matcher:
    label = tokens.take()
    if label.kind is not Kind.NAME or ":" in label.text:
        raise tokens.wrong(f'unexpected {label.shown} in label matching, expected identifier or "}}"', label)
    op = tokens.take()
    if op.kind is not Kind.SIGN or op.text not in set(MatchOp):
        raise tokens.wrong(f"unexpected {op.shown} in label matching, expected label matching operator", op)
    value = tokens.take()
    if value.kind is not Kind.STRING:
        raise tokens.wrong(f"unexpected {value.shown} in label matching, expected string", value)
    matcher = Matcher(label.text, MatchOp(op.text), value.text)
    try:
        chosen(matcher, [""])
    except InvalidError as error:
        raise tokens.wrong(f"{error.detail}", value) from None
    return matcher
