"""How a query is refused, in InfluxDB's words where it has some."""

from collections.abc import Sequence
from typing import NamedTuple

from strata_datamodel.errors import InvalidError, LimitError


class Place(NamedTuple):
    """Both from one."""

    line: int
    char: int


class QueryError(InvalidError):
    """Of a statement that was understood and cannot be answered."""

    code = "influxql_refused"


class ParseError(InvalidError):
    """Of a query that was not understood: nothing of it is answered."""

    code = "influxql_unparsable"


def parse_error(message: str, place: Place) -> ParseError:
    return ParseError(f"{message} at line {place.line}, char {place.char}")


def unexpected(found: str, expected: Sequence[str], place: Place) -> ParseError:
    return parse_error(f"found {found}, expected {', '.join(expected)}", place)


def not_supported(what: str) -> QueryError:
    return QueryError(f"{what} is not supported: InfluxQL reads here, with SELECT and SHOW")


def too_much(what: str, limit: int, hint: str) -> LimitError:
    return LimitError(f"{what}: at most {limit}", code="influxql_limit", hint=hint)
