"""One transaction, bound first thing to what it may see."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, CursorResult, Engine, Executable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from strata_core.ports.clock import Clock
from strata_core.ports.list_reader import ListedRow, Question
from strata_core.ports.unit_of_work import Parameters, UnitOfWork
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId, UserId
from strata_stores.breaker import Breaker
from strata_stores.postgres.binding import SETTINGS, Scope
from strata_stores.postgres.failures import mapped
from strata_stores.postgres.straight_reads import StraightReads

_log = structlog.get_logger("strata.postgres")

_BIND: Final = "SELECT transaction_timestamp(), " + ", ".join(
    f"set_config('app.{name}', %({name})s, true)" for name in SETTINGS
)
_BIND_ANEW: Final = (
    "SELECT set_config('app.organization_id', %(organization_id)s, true), set_config('app.user_id', %(user_id)s, true)"
)


class _Unit:
    def __init__(self, connection: Connection, scope: Scope, now: datetime) -> None:
        self._connection = connection
        self._scope = scope
        self._now = now
        self.actions: list[Callable[[], None]] = []

    @property
    def organization_id(self) -> OrganizationId:
        if self._scope.organization_id is None:
            raise InvalidError("this transaction is not bound to an organization", code="no_organization")
        return self._scope.organization_id

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        return mapped(lambda: self._connection.execute(statement, parameters))

    def now(self) -> datetime:
        return self._now

    def after_commit(self, action: Callable[[], None]) -> None:
        self.actions.append(action)

    def within(self, organization_id: OrganizationId) -> AbstractContextManager[UnitOfWork]:
        return self._seeing(replace(self._scope, organization_id=organization_id))

    def of_person(self, user_id: UserId) -> AbstractContextManager[UnitOfWork]:
        return self._seeing(replace(self._scope, user_id=user_id))

    @contextmanager
    def _seeing(self, scope: Scope) -> Iterator[UnitOfWork]:
        inner = _Unit(self._connection, scope, self._now)
        inner.actions = self.actions
        self._bind(scope)
        yield inner
        self._bind(self._scope)

    def _bind(self, scope: Scope) -> None:
        bound = scope.settings(timedelta(0))
        mapped(lambda: self._connection.exec_driver_sql(_BIND_ANEW, bound))


class _Transactions:
    def __init__(self, engine: Engine, clock: Clock, breaker: Breaker) -> None:
        self._engine = engine
        self._clock = clock
        self._breaker = breaker

    @contextmanager
    def open(self, scope: Scope) -> Iterator[UnitOfWork]:
        offset = self._clock.offset
        with self._breaker.guard():
            connection, instant = mapped(lambda: self._bound_connection(scope.settings(offset)))
        unit = _Unit(connection, scope, instant + offset)
        try:
            yield unit
            mapped(connection.commit)
        finally:
            _release(connection)
        for action in unit.actions:
            _run(action)

    def _bound_connection(self, settings: dict[str, str]) -> tuple[Connection, datetime]:
        """A pooled connection may be dead since the server restarted. Binding finds that out, where a ping would cost
        every transaction a round trip; nothing was done yet, so a new connection can be tried."""
        try:
            return self._bind(settings)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._bind(settings)

    def _bind(self, settings: dict[str, str]) -> tuple[Connection, datetime]:
        connection = self._engine.connect()
        try:
            instant: datetime = connection.exec_driver_sql(_BIND, settings).scalar_one()
        except BaseException:
            _release(connection)
            raise
        return connection, instant


class PostgresUnitsOfWork:
    """`system` sees everything on an engine that acts as strata_worker, and nothing on one that acts as strata_app:
    row security decides by the role."""

    def __init__(self, engine: Engine, clock: Clock, breaker: Breaker) -> None:
        self._transactions = _Transactions(engine, clock, breaker)
        self._reads = StraightReads(engine, clock, breaker)

    def organization(self, organization_id: OrganizationId) -> AbstractContextManager[UnitOfWork]:
        return self._transactions.open(Scope(organization_id=organization_id))

    def person(self, user_id: UserId) -> AbstractContextManager[UnitOfWork]:
        return self._transactions.open(Scope(user_id=user_id))

    def credential(self, fingerprint: str) -> AbstractContextManager[UnitOfWork]:
        return self._transactions.open(Scope(credential=fingerprint))

    def page(self, question: Question) -> list[ListedRow]:
        return self._reads.page(question)

    def system(self) -> AbstractContextManager[UnitOfWork]:
        return self._transactions.open(Scope(is_system=True))


def _release(connection: Connection) -> None:
    """Back to the pool, rolled back when not committed. A link that broke has nothing to roll back."""
    with suppress(SQLAlchemyError):
        connection.close()


def _run(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:  # noqa: BLE001  # the port promises it: the transaction stands, whatever the action did
        _log.exception("after_commit_failed")
