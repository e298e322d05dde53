"""Whether PostgreSQL can serve, and whether it is the database this code expects."""

from typing import Final

from sqlalchemy import Engine, text

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StrataError
from strata_datamodel.health import StoreHealth
from strata_stores.postgres.connecting import STORE
from strata_stores.postgres.failures import mapped
from strata_stores.postgres.migrating import OLDEST_SERVER, head

_STATE: Final = text("""
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
        r.rolsuper OR r.rolbypassrls AS sees_past_walls, pg_is_in_recovery() AS is_standby,
        to_regclass('public.schema_ledger') IS NOT NULL AS has_schema
    FROM pg_roles r WHERE r.rolname = current_user
""")
_SCHEMA: Final = text("SELECT max(version) FROM schema_ledger")


def relational_health(engine: Engine, clock: Clock) -> StoreHealth:
    """Never raises. A newer schema than this code knows is fine: the next release is being rolled out."""
    started = clock.monotonic_s()
    try:
        version, detail = mapped(lambda: _examine(engine))
    except StrataError as error:
        return StoreHealth(STORE, is_ready=False, detail=error.detail)
    latency_ms = (clock.monotonic_s() - started) * 1000
    return StoreHealth(STORE, not detail, detail or "answers", version=version, latency_ms=latency_ms)


def _examine(engine: Engine) -> tuple[str, str]:
    """The server's version, and what is wrong with it."""
    with engine.connect() as connection:
        state = connection.execute(_STATE).mappings().one()
        schema = connection.execute(_SCHEMA).scalar_one() if state["has_schema"] else None
    return str(state["version"]), _what_is_wrong(state["number"], state["sees_past_walls"], state["is_standby"], schema)


def _what_is_wrong(number: int, sees_past_walls: bool, is_standby: bool, schema: str | None) -> str:  # noqa: FBT001
    if number < OLDEST_SERVER:
        return "is older than 15"
    if sees_past_walls:
        return "the role in use is not bound by row security"
    if is_standby:
        return "is a standby and takes no writes"
    if schema is None or schema < head():
        return f"has schema {schema or 'none'}, needs {head()}: run `strata db upgrade`"
    return ""
