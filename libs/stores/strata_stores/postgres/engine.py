"""Bounded pools of bounded connections."""

from typing import Final

from sqlalchemy import Engine, NullPool, QueuePool, create_engine

from strata_stores.postgres.connecting import Timeouts, connect

_RECYCLE_S: Final = 1_800  # lets load balancers and changed host entries take effect
DEFAULT_TIMEOUTS: Final = Timeouts()


def open_engine(
    url: str,
    *,
    role: str | None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    pool_size: int = 10,
    pool_wait_s: float = 5.0,
    application: str = "strata",
) -> Engine:
    """Connects on first use. `dispose()` closes it. A connection that went stale is found when a unit is opened."""
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(url, timeouts=timeouts, role=role, application=application),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_wait_s,
        pool_use_lifo=True,  # few connections stay warm; the rest age out at the server's side
        pool_recycle=_RECYCLE_S,
        use_native_hstore=False,  # spares a look-up for a type that is not used
        hide_parameters=True,  # rows must not get into errors and logs
    )


def open_unpooled_engine(url: str, *, timeouts: Timeouts, application: str) -> Engine:
    """For migrations and set-up: acts as the user that logs in."""
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(url, timeouts=timeouts, application=application),
        poolclass=NullPool,
        use_native_hstore=False,
        hide_parameters=True,
    )
