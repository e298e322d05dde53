"""The cache. A value carries the generation it was made in, so that one MGET tells whether it still counts."""

import contextlib
import functools
import hashlib
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
from strata_stores.redis.connecting import CONNECT_TIMEOUT_S, CONNECTIONS, TIMEOUT_S
from strata_stores.redis.entries import packed, unpacked, version_digits
from strata_stores.redis.generations import GENERATION_TTL_S, Generations, generation_key

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
        self.generations = Generations(
            url,
            clock,
            breaker,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            max_connections=max_connections,
        )
        self._put_script = self.generations.client.register_script(_PUT)
        self._unlock_script = self.generations.client.register_script(_UNLOCK)
        self._max_value_bytes = max_value_bytes

    @property
    def failures_total(self) -> int:
        """Calls that behaved as an empty cache because the server was down or slow."""
        return self.generations.failures_total

    def get(self, organization_id: OrganizationId, kind: str, key: str) -> Found:
        generations = self.generations
        try:
            life = generations.life()
            names = [generation_key(organization_id, kind, life), _value_key(organization_id, life, kind, key)]
            generation, value = cast("list[bytes | None]", generations.call(lambda client: client.mget(names)))
            if generation is None:
                generation, value = generations.drawn(names[0]), None
        except StoreUnavailableError:
            return _UNKNOWN
        if not generations.is_still(life):
            return _UNKNOWN
        return Found(generation, None if value is None else unpacked(value, generation))

    def put(
        self, organization_id: OrganizationId, kind: str, key: str, entry: Entry, *, generation: bytes, kept_ms: int
    ) -> bool:
        if kept_ms <= 0 or len(entry.body) > self._max_value_bytes:
            return False
        try:
            life = self.generations.life()
            names = [generation_key(organization_id, kind, life), _value_key(organization_id, life, kind, key)]
            arguments: list[bytes | int] = [
                generation,
                version_digits(entry.version),
                packed(generation, entry),
                min(kept_ms, GENERATION_TTL_S * 1_000),
            ]
            put = functools.partial(self._put_script, names, arguments)
            kept = cast("int", self.generations.call(lambda client: put(client=client)))
        except StoreUnavailableError:
            return False
        return kept == 1

    def invalidate(self, organization_id: OrganizationId, kind: str) -> bool:
        return self.generations.invalidate(organization_id, kind)

    def lock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes, hold_ms: int) -> bool:
        try:
            name = _lock_key(organization_id, self.generations.life(), kind, key)
            return bool(self.generations.call(lambda client: client.set(name, token, nx=True, px=hold_ms)))
        except StoreUnavailableError:
            return True

    def unlock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes) -> None:
        with contextlib.suppress(StoreUnavailableError):
            name = _lock_key(organization_id, self.generations.life(), kind, key)
            self.generations.call(lambda client: self._unlock_script(keys=[name], args=[token], client=client))

    def forget(self, organization_id: OrganizationId) -> int:
        removed = cursor = 0
        while True:
            look = functools.partial(_scanned, cursor=cursor, pattern=f"{organization_id}:*")
            cursor, names = self.generations.call(look)
            if names:
                removed += self.generations.call(functools.partial(_removed, names=names))
            if not cursor:
                return removed

    def health(self) -> StoreHealth:
        return self.generations.health()

    def close(self) -> None:
        self.generations.close()


def _scanned(client: redis.Redis, cursor: int, pattern: str) -> tuple[int, list[bytes]]:
    return cast("tuple[int, list[bytes]]", client.scan(cursor, match=pattern, count=_KEYS_PER_SCAN))


def _removed(client: redis.Redis, names: Sequence[bytes]) -> int:
    return client.unlink(*names)


def _value_key(organization_id: OrganizationId, life: str, kind: str, key: str) -> str:
    return f"{organization_id}:{life}:cache:{kind}:{hashed(key)}"


def _lock_key(organization_id: OrganizationId, life: str, kind: str, key: str) -> str:
    return f"{organization_id}:{life}:lock:{kind}:{hashed(key)}"


def hashed(key: str) -> str:
    """So that its length is bounded and no key can be taken for another kind's."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
