"""What PostgreSQL lets the application and the workers do, as PostgreSQL itself decides it for the role in use."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from strata_core.ports.clock import Clock
from strata_datamodel.errors import DeniedError
from strata_datamodel.health import StoreTrial
from strata_stores.postgres.connecting import STORE
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.failures import mapped_failures
from strata_stores.postgres.roles import APP, WORKER
from strata_stores.trials.attempts import attempt_each, seconds_ahead

# Not every grant, which docs/security/database-roles.md has: those without which nobody signs in, nothing is taken in,
# no rule is evaluated. A restore without privileges, or a grant taken back by hand, misses one of them.
_READ: Final = "organizations users memberships api_keys sessions hosts alert_rules alerts notifications dead_letters"
_NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
    APP: {
        "SELECT": f"{_READ} schema_ledger outbox idempotency",
        "INSERT": "audit_log outbox idempotency hosts sessions metric_series dead_letters",
        "UPDATE": "hosts sessions alerts",
        "DELETE": "idempotency hosts",
    },
    WORKER: {
        "SELECT": f"{_READ} outbox alert_states",
        "INSERT": "audit_log outbox alerts alert_states notifications",
        "UPDATE": "outbox alerts alert_states notifications",
        "DELETE": "outbox idempotency sessions",
    },
}
_MISSING: Final = text("""
    SELECT name FROM unnest(string_to_array(:names, ' ')) AS name
    WHERE to_regclass('public.' || name) IS NULL OR NOT has_table_privilege('public.' || name, :privilege)
""")


def relational_trial(app_url: str, worker_url: str, clock: Clock) -> StoreTrial:
    acts: dict[str, Callable[[], object]] = {
        f"{role.removeprefix('strata_')} {privilege.lower()}": _right(url, role, privilege, names)
        for role, url in ((APP, app_url), (WORKER, worker_url))
        for privilege, names in _NEEDED[role].items()
    }
    granted, refused = attempt_each(acts)
    return StoreTrial(STORE, granted, refused, seconds_ahead(clock, lambda: _time(app_url)))


def _right(url: str, role: str, privilege: str, names: str) -> Callable[[], object]:
    def ask() -> None:
        with _connection(url, role) as connection:
            missing = connection.execute(_MISSING, {"names": names, "privilege": privilege}).scalars().all()
        if missing:
            raise DeniedError(f"{role} may not {privilege} {', '.join(missing)}")

    return ask


def _time(url: str) -> datetime:
    with _connection(url, APP) as connection:
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return theirs


@contextmanager
def _connection(url: str, role: str) -> Iterator[Connection]:
    engine = open_engine(url, role=role, pool_size=1, application="strata-doctor")
    try:
        with mapped_failures(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
