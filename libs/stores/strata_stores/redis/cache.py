"""The cache. A value carries the generation it was made in, so that one MGET tells whether it still counts."""

import contextlib
import functools
import hashlib
import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, cast

import redis

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_stores.breaker import Breaker
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import CONNECT_TIMEOUT_S, TIMEOUT_S, connect

_GENERATION_BYTES: Final = 16
_GENERATION_TTL_S: Final = 7 * 24 * 3600
_REMEMBERED_MISSES: Final = 4_096
_UNSENT_INVALIDATIONS: Final = 10_000
_INVALIDATIONS_PER_CALL: Final = 500
_UNKNOWN: Final = b""
_Miss = tuple[int, OrganizationId, str, str]


class RedisCache:
    """Generations are drawn at random: one that was lost (eviction, FLUSHALL) never comes back by counting again."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        breaker: Breaker | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = TIMEOUT_S,
        max_value_bytes: int = 1 * MIB,
    ) -> None:
        client = connect(url, connect_timeout_s=connect_timeout_s, timeout_s=timeout_s)
        self._calls = Calls(client, clock, breaker or Breaker(STORE, clock), timeout_s=timeout_s)
        self._max_value_bytes = max_value_bytes
        self._lock = threading.Lock()
        self._misses: OrderedDict[_Miss, bytes] = OrderedDict()
        self._unsent: OrderedDict[str, object] = OrderedDict()

    @property
    def failures_total(self) -> int:
        """Calls that behaved as an empty cache because the server was down or slow."""
        return self._calls.failures_total

    def get(self, organization_id: OrganizationId, kind: str, key: str) -> bytes | None:
        try:
            self._send_invalidations()
            generation, value = self._look_up(organization_id, kind, key)
        except StoreUnavailableError:
            generation, value = _UNKNOWN, None
        if value is not None and value.startswith(generation):
            return value[_GENERATION_BYTES:]
        self._remember_miss(organization_id, kind, key, generation)
        return None

    def put(self, organization_id: OrganizationId, kind: str, key: str, value: bytes, ttl_s: int) -> None:
        """After a `get` of this thread that missed, the value counts for the generation of that moment: an invalidation
        while it was computed wins. Was the generation unknown then, the value is not stored."""
        if ttl_s <= 0 or len(value) > self._max_value_bytes:
            return
        generation = self._forget_miss(organization_id, kind, key)
        if generation == _UNKNOWN:
            return
        ttl_s = min(ttl_s, _GENERATION_TTL_S)
        try:
            self._send_invalidations()
            current = generation or self._generation(organization_id, kind)
            self._calls.call(
                lambda client: client.set(_value_key(organization_id, kind, key), current + value, ex=ttl_s)
            )
        except StoreUnavailableError:
            return

    def invalidate(self, organization_id: OrganizationId, kind: str) -> None:
        with self._lock:
            self._unsent[_generation_key(organization_id, kind)] = object()
            while len(self._unsent) > _UNSENT_INVALIDATIONS:
                self._unsent.popitem(last=False)
        with contextlib.suppress(StoreUnavailableError):  # every later call tries again before anything else
            self._send_invalidations()

    def health(self) -> StoreHealth:
        with contextlib.suppress(StoreUnavailableError):
            self._send_invalidations()
        return self._calls.health(STORE)

    def close(self) -> None:
        self._calls.close()

    def _send_invalidations(self) -> None:
        """One that met a server that was down must not be forgotten: its entries are there again with the server."""
        while self._unsent:
            with self._lock:
                batch = list(itertools.islice(self._unsent.items(), _INVALIDATIONS_PER_CALL))
            self._calls.call(functools.partial(_renew, keys=[key for key, _ in batch]))
            with self._lock:
                for key, wish in batch:
                    if self._unsent.get(key) is wish:  # else it was wished again meanwhile
                        del self._unsent[key]

    def _look_up(self, organization_id: OrganizationId, kind: str, key: str) -> tuple[bytes, bytes | None]:
        keys = [_generation_key(organization_id, kind), _value_key(organization_id, kind, key)]
        generation, value = cast("list[bytes | None]", self._calls.call(lambda client: client.mget(keys)))
        return generation or self._generation(organization_id, kind), value if generation else None

    def _generation(self, organization_id: OrganizationId, kind: str) -> bytes:
        """The present one, drawn when there is none."""
        key, fresh = _generation_key(organization_id, kind), secrets.token_bytes(_GENERATION_BYTES)
        stored = self._calls.call(lambda client: client.set(key, fresh, nx=True, get=True, ex=_GENERATION_TTL_S))
        return cast("bytes | None", stored) or fresh

    def _remember_miss(self, organization_id: OrganizationId, kind: str, key: str, generation: bytes) -> None:
        with self._lock:
            self._misses[threading.get_ident(), organization_id, kind, key] = generation
            while len(self._misses) > _REMEMBERED_MISSES:
                self._misses.popitem(last=False)

    def _forget_miss(self, organization_id: OrganizationId, kind: str, key: str) -> bytes | None:
        with self._lock:
            return self._misses.pop((threading.get_ident(), organization_id, kind, key), None)


def _renew(client: redis.Redis, keys: Sequence[str]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.set(key, secrets.token_bytes(_GENERATION_BYTES), ex=_GENERATION_TTL_S)
        pipeline.execute()


def _generation_key(organization_id: OrganizationId, kind: str) -> str:
    return f"{organization_id}:generation:{kind}"


def _value_key(organization_id: OrganizationId, kind: str, key: str) -> str:
    """Hashed, so that its length is bounded and no key can be taken for another kind's."""
    return f"{organization_id}:cache:{kind}:{hashlib.sha256(key.encode('utf-8')).hexdigest()}"
