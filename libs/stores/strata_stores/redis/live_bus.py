"""The live bus: publish and subscribe, forgotten at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from redis.client import PubSub

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.breaker import Breaker
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import CONNECT_TIMEOUT_S, TIMEOUT_S, connect

_SUBSCRIBERS: Final = 1_024
_PAUSE_S: Final = 0.25
_HEALTH_CHECK_S: Final = 10
# The last when a bus is closed under somebody who waits: redis-py 8.1 goes on to what it has just let go.
_CUT: Final = (redis.RedisError, OSError, AttributeError)


class RedisSubscription:
    """Holds a connection of its own. A lost one is made again; what was published meanwhile is not made up for."""

    def __init__(
        self, client: redis.Redis, channel: str, clock: Clock, timeout_s: float, closed: threading.Event
    ) -> None:
        self._client = client
        self._channel = channel
        self._clock = clock
        self._timeout_s = timeout_s
        self._closed = closed
        self._pubsub: PubSub | None = None
        self._lost = 0
        self._try_subscribe()

    @property
    def lost_total(self) -> int:
        """How often the connection was lost or could not be made."""
        return self._lost

    def next(self, timeout_s: float) -> bytes | None:
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not self._closed.is_set():
            left_s = max(0.0, deadline_s - self._clock.monotonic_s())
            if self._pubsub is None:
                self._closed.wait(min(_PAUSE_S, left_s))
                self._try_subscribe()
            else:
                message = self._receive(self._pubsub, left_s)
                if message is not None:
                    return message
            if self._clock.monotonic_s() >= deadline_s:
                return None
        return None

    def close(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None

    def _try_subscribe(self) -> None:
        pubsub: PubSub = self._client.pubsub()  # type: ignore[no-untyped-call]
        try:
            pubsub.subscribe(self._channel)
            # Only from its confirmation on does the server keep messages for us.
            confirmation = pubsub.get_message(timeout=self._timeout_s)
        except (redis.RedisError, OSError):
            confirmation = None
        if confirmation is None:
            self._lost += 1
            pubsub.close()
        else:
            self._pubsub = pubsub

    def _receive(self, pubsub: PubSub, timeout_s: float) -> bytes | None:
        try:
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=timeout_s)
        except _CUT as error:
            if isinstance(error, AttributeError) and not self._closed.is_set():
                raise
            self._lost += 1
            self.close()
            return None
        data = message.get("data") if message is not None else None
        return data if isinstance(data, bytes) else None


class RedisLiveBus:
    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        breaker: Breaker | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        # No retry: a message that went out before the connection broke would come twice.
        publisher = connect(url, connect_timeout_s=connect_timeout_s, timeout_s=timeout_s, retries=0)
        self._calls = Calls(publisher, clock, breaker or Breaker(STORE, clock), timeout_s=timeout_s)
        self._subscriber = connect(
            url,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            retries=0,
            max_connections=_SUBSCRIBERS,
            health_check_s=_HEALTH_CHECK_S,
        )
        self._closed = threading.Event()

    @property
    def failures_total(self) -> int:
        """Messages that were not handed over."""
        return self._calls.failures_total

    def publish(self, organization_id: OrganizationId, topic: str, message: bytes) -> None:
        try:
            self._calls.call(lambda client: client.publish(_channel(organization_id, topic), message))
        except StoreUnavailableError:
            return

    @contextmanager
    def subscribe(self, organization_id: OrganizationId, topic: str) -> Iterator[RedisSubscription]:
        channel = _channel(organization_id, topic)
        subscription = RedisSubscription(self._subscriber, channel, self._clock, self._timeout_s, self._closed)
        try:
            yield subscription
        finally:
            subscription.close()

    def close(self) -> None:
        self._closed.set()
        self._calls.close()
        self._subscriber.close()


def _channel(organization_id: OrganizationId, topic: str) -> str:
    return f"{organization_id}:live:{topic}"
