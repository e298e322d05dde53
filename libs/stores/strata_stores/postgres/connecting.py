"""Connections that cannot wait without end."""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_dumps, set_json_loads

STORE: Final = "postgres"
_WAKE_S: Final = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """`answer_s` is kept on this side, for a server that fell silent: longer than those that PostgreSQL keeps."""

    connect_s: int = 5
    statement_s: float = 10.0
    lock_s: float = 5.0
    idle_in_transaction_s: float = 30.0
    answer_s: float = 15.0


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """The server keeps statement_timeout. Behind a dead link, or for a frozen backend, nobody would."""

    answer_s: float | None = None

    def wait(self, gen: PQGen[T], interval: float = _WAKE_S, timeout: float | None = None) -> T:
        limit_s = self.answer_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit_s)
        except errors._WaitTimeout:  # noqa: SLF001  # not exported by psycopg 3.3, and its parent is too wide
            if timeout is not None:
                raise
            self.pgconn.finish()  # what comes next on this link could be the answer to this question
            raise psycopg.OperationalError(f"no answer in {limit_s} s") from None


def connect(url: str, *, timeouts: Timeouts, role: str | None = None, application: str = "strata") -> BoundedConnection:
    """`url` is what libpq takes, unix sockets included. With `role` the session acts as that role from the start, and
    RESET ROLE leads back to it, not to the user that logged in."""
    connection = BoundedConnection.connect(
        url,
        connect_timeout=timeouts.connect_s,
        application_name=application,
        client_encoding="utf8",
        options=_options(url, timeouts, role),
    )
    connection.answer_s = timeouts.answer_s
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)
    return connection


def _options(url: str, timeouts: Timeouts, role: str | None) -> str:
    settings = {
        "statement_timeout": _ms(timeouts.statement_s),
        "lock_timeout": _ms(timeouts.lock_s),
        "idle_in_transaction_session_timeout": _ms(timeouts.idle_in_transaction_s),
        "timezone": "UTC",
        "jit": "off",  # compiling costs more than the short statements here run
    }
    if role is not None:
        settings["role"] = role
    given = str(conninfo_to_dict(url).get("options") or "")
    return " ".join([given, *(f"-c {name}={value}" for name, value in settings.items())]).strip()


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
