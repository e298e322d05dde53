"""The doorbell on RQ, of which only the queue is used: no retries, results, schedules or callbacks."""

import threading
from typing import Final

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from strata_core.outbox.ringing import FUNCTION, sign
from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OutboxId
from strata_stores.breaker import Breaker
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import CONNECT_TIMEOUT_S, TIMEOUT_S, connect

QUEUE: Final = "strata"
_RING_TTL_S: Final = 60  # the relay rings again long before
_JOB_TIMEOUT_S: Final = 60
_WORKER_CONNECT_TIMEOUT_S: Final = 1.0


class RqDoorbell:
    """RQ's keys are the one exception to organization-first keys: they name outbox rows, never organizations."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        ring_key: bytes,
        breaker: Breaker | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = TIMEOUT_S,
        queue_name: str = QUEUE,
        max_waiting: int = 10_000,
    ) -> None:
        self._url = url
        self._ring_key = ring_key
        self._queue_name = queue_name
        self._max_waiting = max_waiting
        self._client = connect(url, connect_timeout_s=connect_timeout_s, timeout_s=timeout_s)
        self._calls = Calls(self._client, clock, breaker or Breaker(STORE, clock), timeout_s=timeout_s)
        self._queue = _queue(self._client, queue_name)
        self._lock = threading.Lock()
        self._not_rung = 0

    @property
    def failures_total(self) -> int:
        """Calls that the server did not answer."""
        return self._calls.failures_total

    @property
    def not_rung_total(self) -> int:
        """Rings that were not handed over, for whatever reason."""
        return self._not_rung

    def ring(self, outbox_id: OutboxId) -> bool:
        try:
            is_handed_over = self._calls.call(lambda client: self._enqueue(client, outbox_id))
        except StoreUnavailableError:
            is_handed_over = False
        if not is_handed_over:
            with self._lock:
                self._not_rung += 1
        return is_handed_over

    def depth(self) -> int | None:
        try:
            return self._calls.call(lambda client: client.llen(self._queue.key))
        except StoreUnavailableError:
            return None

    def health(self) -> StoreHealth:
        return self._calls.health("doorbell")

    def worker_queue(self) -> Queue:
        """On a connection of its own: RQ changes the time-out of a worker's connections to its blocking reads.
        The caller closes `queue.connection`."""
        return _queue(connect(self._url, connect_timeout_s=_WORKER_CONNECT_TIMEOUT_S, timeout_s=None), self._queue_name)

    def close(self) -> None:
        self._calls.close()

    def _enqueue(self, client: redis.Redis, outbox_id: OutboxId) -> bool:
        with client.pipeline() as pipeline:
            self._queue.enqueue_call(
                FUNCTION,
                args=(str(outbox_id), sign(self._ring_key, outbox_id)),
                timeout=_JOB_TIMEOUT_S,
                ttl=_RING_TTL_S,
                result_ttl=0,
                failure_ttl=_RING_TTL_S,
                description="ring",
                pipeline=pipeline,
            )
            waiting = int(pipeline.execute()[-1])  # RPUSH comes last and answers with the length
        if waiting <= self._max_waiting:
            return True
        # Ids of expired rings stay in RQ's list until a worker comes: without a worker it would grow for ever.
        client.ltrim(self._queue.key, 0, self._max_waiting - 1)
        return False


def _queue(client: redis.Redis, name: str) -> Queue:
    return Queue(name, connection=client, serializer=JSONSerializer, default_timeout=_JOB_TIMEOUT_S)
