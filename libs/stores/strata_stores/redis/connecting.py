"""Clients whose every call is bounded."""

from collections.abc import Callable
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

CONNECT_TIMEOUT_S: Final = 0.05
TIMEOUT_S: Final = 0.1
CONNECTIONS: Final = 64


def connect(
    url: str,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    timeout_s: float | None = TIMEOUT_S,
    retries: int = 1,
    max_connections: int = CONNECTIONS,
    health_check_s: int = 0,
    on_connect: Callable[[Any], None] | None = None,
) -> redis.Redis:
    """One immediate retry where doubling does no harm: a pooled connection is stale after the server's restart.
    Never after a time-out, which would double the wait."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=connect_timeout_s,
        socket_timeout=timeout_s,
        retry=Retry(NoBackoff(), retries, (redis.ConnectionError,)),
        max_connections=max_connections,
        health_check_interval=health_check_s,
        # Both cost round trips on each new connection.
        driver_info=None,
        redis_connect_func=on_connect,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
