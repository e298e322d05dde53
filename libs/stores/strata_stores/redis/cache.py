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

from strata_core.ports.cache import Entry, Found
from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_stores.breaker import Breaker
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import CONNECT_TIMEOUT_S, CONNECTIONS, TIMEOUT_S, connect
from strata_stores.redis.entries import GENERATION_BYTES, packed, unpacked, version_digits
from strata_stores.redis.server_life import ServerLife

_GENERATION_TTL_S: Final = 7 * 24 * 3600
_UNSENT_INVALIDATIONS: Final = 10_000
_INVALIDATIONS_PER_CALL: Final = 500
_KEYS_PER_SCAN: Final = 1_000
_UNKNOWN: Final = Found(None, None)

# Numbers and not bytes are compared: Lua compares strings by the server's locale.
_PUT: Final = """
local generation = redis.call('GET', KEYS[1])
if generation ~= ARGV[1] then return 0 end
local old = redis.call('GETRANGE', KEYS[2], 0, 31)
if #old == 32 and string.sub(old, 1, 16) == generation then
    local version = tonumber(string.sub(old, 17, 32))
    if version and version > tonumber(ARGV[2]) then return 0 end
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1
"""
_UNLOCK: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


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
        max_connections: int = CONNECTIONS,
    ) -> None:
        self._life = ServerLife()
        client = connect(
            url,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            max_connections=max_connections,
            on_connect=self._life.learn,
        )
        self._calls = Calls(client, clock, breaker or Breaker(STORE, clock), timeout_s=timeout_s)
        self._put_script = client.register_script(_PUT)
        self._unlock_script = client.register_script(_UNLOCK)
        self._max_value_bytes = max_value_bytes
        self._lock = threading.Lock()
        self._unsent: OrderedDict[tuple[OrganizationId, str], object] = OrderedDict()

    @property
    def failures_total(self) -> int:
        """Calls that behaved as an empty cache because the server was down or slow."""
        return self._calls.failures_total

    def get(self, organization_id: OrganizationId, kind: str, key: str) -> Found:
        try:
            life = self._prepared()
            names = [_generation_key(organization_id, kind, life), _value_key(organization_id, life, kind, key)]
            generation, value = cast("list[bytes | None]", self._calls.call(lambda client: client.mget(names)))
            if generation is None:
                generation, value = self._drawn(names[0]), None
        except StoreUnavailableError:
            return _UNKNOWN
        if life != self._life.name:  # this very call may have been the first to a server that came back
            return _UNKNOWN
        return Found(generation, None if value is None else unpacked(value, generation))

    def put(
        self, organization_id: OrganizationId, kind: str, key: str, entry: Entry, *, generation: bytes, kept_ms: int
    ) -> bool:
        if kept_ms <= 0 or len(entry.body) > self._max_value_bytes:
            return False
        try:
            life = self._prepared()
            names = [_generation_key(organization_id, kind, life), _value_key(organization_id, life, kind, key)]
            arguments: list[bytes | int] = [
                generation,
                version_digits(entry.version),
                packed(generation, entry),
                min(kept_ms, _GENERATION_TTL_S * 1_000),
            ]
            put = functools.partial(self._put_script, names, arguments)
            kept = cast("int", self._calls.call(lambda client: put(client=client)))
        except StoreUnavailableError:
            return False
        return kept == 1

    def invalidate(self, organization_id: OrganizationId, kind: str) -> None:
        with self._lock:
            self._unsent[organization_id, kind] = object()
            while len(self._unsent) > _UNSENT_INVALIDATIONS:
                self._unsent.popitem(last=False)
        with contextlib.suppress(StoreUnavailableError):  # every later call tries again before anything else
            self._prepared()

    def lock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes, hold_ms: int) -> bool:
        try:
            name = _lock_key(organization_id, self._prepared(), kind, key)
            return bool(self._calls.call(lambda client: client.set(name, token, nx=True, px=hold_ms)))
        except StoreUnavailableError:
            return True

    def unlock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes) -> None:
        with contextlib.suppress(StoreUnavailableError):
            name = _lock_key(organization_id, self._prepared(), kind, key)
            self._calls.call(lambda client: self._unlock_script(keys=[name], args=[token], client=client))

    def forget(self, organization_id: OrganizationId) -> int:
        removed = cursor = 0
        while True:
            look = functools.partial(_scanned, cursor=cursor, pattern=f"{organization_id}:*")
            cursor, names = self._calls.call(look)
            if names:
                removed += self._calls.call(functools.partial(_removed, names=names))
            if not cursor:
                return removed

    def health(self) -> StoreHealth:
        with contextlib.suppress(StoreUnavailableError):
            self._prepared()
        return self._calls.health(STORE)

    def close(self) -> None:
        self._calls.close()

    def _prepared(self) -> str:
        """The server's life, once all that was to be invalidated is. An invalidation that met a server that was down
        must not be forgotten: its entries are there again with the server."""
        if not self._life.name:
            self._calls.call(lambda client: client.ping())
        while self._unsent:
            with self._lock:
                batch = list(itertools.islice(self._unsent.items(), _INVALIDATIONS_PER_CALL))
            life = self._life.name
            names = [_generation_key(*place, life=life) for place, _ in batch]
            self._calls.call(functools.partial(_renew, names=names))
            if life != self._life.name:
                continue
            with self._lock:
                for place, wish in batch:
                    if self._unsent.get(place) is wish:  # else it was wished again meanwhile
                        del self._unsent[place]
        return self._life.name

    def _drawn(self, name: str) -> bytes:
        """The present generation, drawn when there is none."""
        fresh = secrets.token_bytes(GENERATION_BYTES)
        stored = self._calls.call(lambda client: client.set(name, fresh, nx=True, get=True, ex=_GENERATION_TTL_S))
        return cast("bytes | None", stored) or fresh


def _renew(client: redis.Redis, names: Sequence[str]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.set(name, secrets.token_bytes(GENERATION_BYTES), ex=_GENERATION_TTL_S)
        pipeline.execute()


def _scanned(client: redis.Redis, cursor: int, pattern: str) -> tuple[int, list[bytes]]:
    return cast("tuple[int, list[bytes]]", client.scan(cursor, match=pattern, count=_KEYS_PER_SCAN))


def _removed(client: redis.Redis, names: Sequence[bytes]) -> int:
    return client.unlink(*names)


def _generation_key(organization_id: OrganizationId, kind: str, life: str) -> str:
    return f"{organization_id}:{life}:generation:{kind}"


def _value_key(organization_id: OrganizationId, life: str, kind: str, key: str) -> str:
    return f"{organization_id}:{life}:cache:{kind}:{_hashed(key)}"


def _lock_key(organization_id: OrganizationId, life: str, kind: str, key: str) -> str:
    return f"{organization_id}:{life}:lock:{kind}:{_hashed(key)}"


def _hashed(key: str) -> str:
    """So that its length is bounded and no key can be taken for another kind's."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
