"""What PostgreSQL's errors mean to the rest. Their texts hold values of rows: none of that is repeated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from strata_datamodel.errors import (
    ConflictError,
    DeadlineError,
    DeniedError,
    InvalidError,
    StoreBusyError,
    StoreRefusedError,
    StoreUnavailableError,
    StrataError,
)
from strata_stores.postgres.connecting import STORE

T = TypeVar("T")

_SIGNS: Final = {
    "certificate": "its certificate is not trusted (see STRATA_CA_FILE and sslrootcert)",
    "password authentication failed": "refuses the login: the password is wrong",
    "no password supplied": "refuses the login: it wants a password",
    "no pg_hba.conf entry": "refuses the login from this address (pg_hba.conf)",
    "does not exist": "refuses the login: no such user or database",
    "Connection refused": "nobody listens at its address",
    "could not translate host name": "its host name cannot be resolved",
    "Name or service not known": "its host name cannot be resolved",
    "too many clients": "has no connection left",
}


def mapped(call: Callable[[], T]) -> T:
    """Raises outside of the handler: the driver's error, rows and all, must not even hang on as context."""
    problem: StrataError
    try:
        return call()
    except (SQLAlchemyError, psycopg.Error) as error:
        found = _problem(error)
        if found is None:
            raise
        problem = found
    raise problem


@contextmanager
def mapped_failures() -> Iterator[None]:
    """For blocks that handle no tenant's rows: the driver's error stays behind as context."""
    try:
        yield
    except (SQLAlchemyError, psycopg.Error) as error:
        problem = _problem(error)
        if problem is None:
            raise
        raise problem from error


def _problem(error: Exception) -> StrataError | None:
    if isinstance(error, PoolTimeoutError):
        return StoreBusyError(STORE, "all connections are in use", retry_after_s=1)
    if isinstance(error, ResourceClosedError):
        return StoreUnavailableError(STORE, "the connection was lost")
    cause = error.orig if isinstance(error, DBAPIError) else error
    return meaning_of(cause) if isinstance(cause, psycopg.Error) else None


def meaning_of(error: psycopg.Error) -> StrataError | None:
    """None for a mistake in the calling code, which is raised on as it is."""
    state = error.sqlstate
    if state is None:
        return _without_answer(error)
    make = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if make is None:
        return StoreRefusedError(STORE, f"refused a statement (SQLSTATE {state})")
    return make(state, error.diag.constraint_name or "a constraint")


def _without_answer(error: psycopg.Error) -> StrataError | None:
    if isinstance(error, psycopg.DataError):  # found before sending, as a NUL in a text
        return InvalidError("a value cannot be stored", code="invalid_value")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailableError(STORE, _why_not(str(error)))
    return None


def _why_not(text: str) -> str:
    """libpq tells failures to connect by text alone. Only what is matched is told: the rest may hold names."""
    return next((meaning for sign, meaning in _SIGNS.items() if sign in text), "does not answer")


def _cannot_serve(state: str, _: str) -> StrataError:
    return StoreUnavailableError(STORE, f"cannot serve now (SQLSTATE {state})")


def _refuses_login(state: str, _: str) -> StrataError:
    return StoreUnavailableError(STORE, f"refuses the login (SQLSTATE {state})", retry_after_s=30)


def _invalid_value(state: str, _: str) -> StrataError:
    return InvalidError(f"a value cannot be stored (SQLSTATE {state})", code="invalid_value")


def _concurrent_update(_: str, __: str) -> StrataError:
    return ConflictError(
        "another request changes the same thing", code="concurrent_update", hint="try again", retry_after_s=1
    )


_Meaning = Callable[[str, str], StrataError]
_BY_CLASS: Final[dict[str, _Meaning]] = {
    "08": _cannot_serve,  # connection exception
    "22": _invalid_value,
    "28": _refuses_login,
    "53": _cannot_serve,  # out of connections, memory, disk
    "58": _cannot_serve,  # system error
    "F0": _cannot_serve,  # configuration file
    "XX": _cannot_serve,  # internal error
}
_BY_STATE: Final[dict[str, _Meaning]] = {
    "25006": _cannot_serve,  # a standby: read only
    "25P03": _cannot_serve,  # idle in transaction timeout
    "57P01": _cannot_serve,  # administrator's shutdown
    "57P02": _cannot_serve,  # crash of another backend
    "57P03": _cannot_serve,  # starting up or recovering
    "57P05": _cannot_serve,  # idle session timeout
    "40001": _concurrent_update,  # serialization
    "40P01": _concurrent_update,  # deadlock
    "55P03": _concurrent_update,  # lock_timeout
    "57014": lambda _, __: DeadlineError("the database took too long", hint="ask for less, or try again later"),
    "42501": lambda _, __: DeniedError("the database's own rules refuse this", code="database_refused"),
    "23505": lambda _, name: ConflictError(f"there is one already ({name})", code="already_exists"),
    "23503": lambda _, name: ConflictError(f"something it refers to does not exist ({name})", code="reference_missing"),
    "23514": lambda _, name: InvalidError(f"a value is not allowed ({name})", code="value_not_allowed"),
    "23502": lambda _, __: InvalidError("a value is missing", code="value_missing"),
    "23P01": lambda _, name: ConflictError(f"it overlaps another ({name})", code="overlaps"),
}
