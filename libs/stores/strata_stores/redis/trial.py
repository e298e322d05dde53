"""What Redis lets us do: each kind of command that cache, live bus, doorbell and limits send, on keys of a probe."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import redis

from strata_core.ports.clock import Clock
from strata_datamodel.health import StoreTrial
from strata_datamodel.ids import PROBE
from strata_stores.breaker import Breaker
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import connect
from strata_stores.trials.attempts import attempt_each, seconds_ahead

_TIMEOUT_S: Final = 2.0
_KEEP_S: Final = 10
_KEY: Final = f"{PROBE}:doctor"
_QUEUE: Final = "rq:queue:strata-doctor"
_SCRIPT: Final = "return redis.call('HSET', KEYS[1], 'at', redis.call('TIME')[1])"


def redis_trial(url: str, clock: Clock) -> StoreTrial:
    client = connect(url, connect_timeout_s=_TIMEOUT_S, timeout_s=_TIMEOUT_S)
    acts = {"cache": _cache, "publish": _publish, "subscribe": _subscribe, "queue": _queue, "count": _count}
    calls = Calls(client, clock, Breaker(STORE, clock, failures_to_open=len(acts) + 2), timeout_s=_TIMEOUT_S)
    try:
        granted, refused = attempt_each({name: partial(calls.call, act) for name, act in acts.items()})
        return StoreTrial(STORE, granted, refused, seconds_ahead(clock, partial(calls.call, _time)))
    finally:
        calls.close()


Act = Callable[[redis.Redis], object]


def _cache(client: redis.Redis) -> None:
    client.set(_KEY, b"probe", nx=True, get=True, ex=_KEEP_S)
    client.mget([_KEY])
    client.delete(_KEY)


def _publish(client: redis.Redis) -> None:
    client.publish(f"{PROBE}:live:doctor", b"probe")


def _subscribe(client: redis.Redis) -> None:
    subscription = client.pubsub()  # type: ignore[no-untyped-call]
    try:
        subscription.subscribe(f"{PROBE}:live:doctor")
        subscription.get_message(timeout=_TIMEOUT_S)  # a refusal comes as the answer
    finally:
        subscription.close()


def _queue(client: redis.Redis) -> None:
    client.rpush(_QUEUE, b"probe")
    client.expire(_QUEUE, _KEEP_S)
    client.ltrim(_QUEUE, 0, 0)
    client.lpop(_QUEUE)


def _count(client: redis.Redis) -> None:
    client.eval(_SCRIPT, 1, f"{_KEY}:count")
    client.delete(f"{_KEY}:count")


def _time(client: redis.Redis) -> datetime:
    seconds, microseconds = client.time()
    return datetime.fromtimestamp(seconds + microseconds / 1_000_000, UTC)
