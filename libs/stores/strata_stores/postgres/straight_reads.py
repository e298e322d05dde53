"""Pages of lists, read on the shortest way: one round trip, prepared, and the text of each row passed through.

Binding and reading are sent together. PostgreSQL runs what comes before one Sync as one transaction, so that the
settings hold for the read and for nothing after it."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import count
from typing import Any, Final, cast
from uuid import UUID

import orjson
import psycopg
from psycopg import errors, pq
from psycopg.abc import PQGen
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait
from sqlalchemy import Engine, PoolProxiedConnection, Select
from sqlalchemy.dialects.postgresql.base import PGDialect

from strata_core.ports.clock import Clock
from strata_core.ports.list_reader import ListedRow, Question
from strata_datamodel.errors import InvalidError
from strata_stores.breaker import Breaker
from strata_stores.postgres.binding import SETTINGS, Scope
from strata_stores.postgres.connecting import BoundedConnection
from strata_stores.postgres.failures import mapped

_STATEMENTS: Final = 2_048
_PREPARED: Final = "strata_prepared"
_PREPARED_MAX: Final = 200
_DIALECT: Final = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_ROWS: Final = pq.ExecStatus.TUPLES_OK
_FAILED: Final = frozenset({pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE})
_END: Final = pq.ExecStatus.PIPELINE_SYNC
_NUMBERS: Final = count()
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """`names` are those of its values, in their order."""

    name: bytes
    sql: bytes
    names: tuple[str, ...]


_BIND: Final = _Prepared(
    b"strata_bind",
    ("SELECT " + ", ".join(f"set_config('app.{name}', ${at}, true)" for at, name in enumerate(SETTINGS, 1))).encode(),
    SETTINGS,
)


class StraightReads:
    def __init__(self, engine: Engine, clock: Clock, breaker: Breaker) -> None:
        self._engine = engine
        self._clock = clock
        self._breaker = breaker

    def page(self, question: Question) -> list[ListedRow]:
        reading = _prepared(question.statement)
        settings = Scope(organization_id=question.organization_id).settings(self._clock.offset)
        asked: _Asked = [
            (_BIND, [settings[name].encode() for name in SETTINGS]),
            (reading, [_text(question.values[name]) for name in reading.names]),
        ]
        with self._breaker.guard():
            return mapped(lambda: self._rows(asked))

    def _rows(self, asked: "_Asked") -> list[ListedRow]:
        """A pooled connection may be dead since the server restarted. Reading again does no harm."""
        try:
            return self._read(asked)
        except _LostError:
            return self._read(asked)

    def _read(self, asked: "_Asked") -> list[ListedRow]:
        pooled = self._engine.raw_connection()
        try:
            answer = _answered(pooled, asked)
        except BaseException:
            pooled.invalidate()  # what it still has to say would be taken for the answer to the next question
            raise
        pooled.close()
        columns = range(answer.nfields)
        # No column of a list is null: each row is an object, and keys are not null.
        return [[cast("bytes", answer.get_value(row, column)) for column in columns] for row in range(answer.ntuples)]


class _LostError(psycopg.OperationalError):
    """The connection ended before the answer."""


_Asked = list[tuple[_Prepared, list[bytes | None]]]


def _answered(pooled: PoolProxiedConnection, asked: _Asked) -> PGresult:
    """The result of the last of them. psycopg deallocates every prepared statement of a connection, ours among them,
    when a transaction in which it used its own is rolled back: then they are prepared again."""
    known = cast("set[bytes]", pooled.info.setdefault(_PREPARED, set()))
    try:
        return _answered_with(pooled, known, asked)
    except errors.InvalidSqlStatementName:
        known.clear()
        return _answered_with(pooled, known, asked)


def _answered_with(pooled: PoolProxiedConnection, known: set[bytes], asked: _Asked) -> PGresult:
    connection = cast("BoundedConnection", pooled.driver_connection)
    pgconn = connection.pgconn
    try:
        fresh = _send(pgconn, known, asked)
        results = connection.wait(_results(pgconn))
        pgconn.exit_pipeline_mode()
    except psycopg.OperationalError as error:
        if pgconn.status == pq.ConnStatus.BAD:
            raise _LostError(str(error)) from None
        raise
    for result in results:
        if result.status in _FAILED:
            raise errors.error_from_result(result)
    known.update(fresh)
    return next(result for result in reversed(results) if result.status == _ROWS)


def _send(pgconn: PGconn, known: set[bytes], asked: _Asked) -> list[bytes]:
    """The names of the statements that are prepared with it."""
    fresh = []
    pgconn.enter_pipeline_mode()
    for statement, values in asked:
        if statement.name in known:
            pgconn.send_query_prepared(statement.name, values)
        elif len(known) >= _PREPARED_MAX:
            pgconn.send_query_params(statement.sql, values)
        else:
            pgconn.send_prepare(statement.name, statement.sql)
            pgconn.send_query_prepared(statement.name, values)
            fresh.append(statement.name)
    pgconn.pipeline_sync()
    return fresh


def _results(pgconn: PGconn) -> PQGen[list[PGresult]]:
    results: list[PGresult] = []
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one statement's results
            if pgconn.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the connection was lost")
            continue
        if result.status == _END:
            return results
        results.append(result)


@lru_cache(_STATEMENTS)
def _prepared(statement: Select[Any]) -> _Prepared:
    compiled = statement.compile(dialect=_DIALECT)
    return _Prepared(b"strata_list_%d" % next(_NUMBERS), str(compiled).encode(), tuple(compiled.positiontup or ()))


def _text(value: object) -> bytes | None:
    """As PostgreSQL reads it. Raises InvalidError for what no text of PostgreSQL can hold."""
    if isinstance(value, Enum):
        value = value.value
    match value:
        case None:
            return None
        case str() | int() | float() | UUID() | datetime():
            return _encoded(str(value))
        case tuple():
            return b"{" + b",".join(_quoted(part) for part in value) + b"}"
        case _:
            return _written(value)


def _written(value: object) -> bytes:
    """As JSON. PostgreSQL would refuse a NUL in it, and the connection would go with the refusal."""
    text = orjson.dumps(value)
    if _NUL.search(text):
        raise _cannot_be_stored()
    return text


def _quoted(part: object) -> bytes:
    return b'"' + (_text(part) or b"").replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _encoded(text: str) -> bytes:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:  # libpq would end the value there
        raise _cannot_be_stored()
    return encoded


def _cannot_be_stored() -> InvalidError:
    return InvalidError("a value cannot be stored", code="invalid_value")
