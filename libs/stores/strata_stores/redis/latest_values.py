"""A hash a host: one field a metric, and one that says when it was filled in whole, and in which generation."""

import functools
from collections.abc import Iterable, Mapping
from typing import Final, cast

import msgspec
import redis

from strata_core.caching.kinds import LATEST
from strata_core.ports.clock import Clock
from strata_core.ports.latest_values import Standing
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.latest import LatestValue, Metric, Values
from strata_stores.redis.cache import hashed
from strata_stores.redis.entries import GENERATION_BYTES
from strata_stores.redis.generations import Generations, generation_key

_FILLED: Final = b"filled"  # no metric's name: those are JSON lists
_DIGITS: Final = 16
_KEPT_MS: Final = LATEST.fresh_s * 1_000
_HOSTS_PER_CALL: Final = 100
_VALUES_PER_HOST: Final = 2_000
_NOTHING: Final = Standing({}, is_complete=False, generation=None)

# ARGV: the generation to fill in or nothing, now, how long to keep, the most values; then metric, time, value of each.
# A host with more metrics than may be kept is never complete.
_WRITE: Final = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local left = tonumber(ARGV[4]) - redis.call('HLEN', KEYS[2])
for i = 5, #ARGV, 3 do
    local old = redis.call('HGET', KEYS[2], ARGV[i])
    local at, is_newer = tonumber(ARGV[i + 1]), true
    if old then
        local old_at = tonumber(string.sub(old, 1, 16))
        is_newer = at > old_at
        if at == old_at then
            local value, old_value = ARGV[i + 2], string.sub(old, 17)
            local number, old_number = tonumber(value), tonumber(old_value)
            if number and old_number then is_newer = number > old_number else is_newer = value > old_value end
        end
    elseif left <= 0 then
        redis.call('HDEL', KEYS[2], 'filled')
        is_newer = false
        ARGV[1] = ''
    else
        left = left - 1
    end
    if is_newer then redis.call('HSET', KEYS[2], ARGV[i], string.format('%016.0f', at) .. ARGV[i + 2]) end
end
if ARGV[1] ~= '' then redis.call('HSET', KEYS[2], 'filled', ARGV[1] .. string.format('%016.0f', ARGV[2])) end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return ARGV[1] ~= '' and 1 or 0
"""


class RedisLatestValues:
    """Shares its connections, and the way it is invalidated, with the cache."""

    def __init__(self, generations: Generations, clock: Clock) -> None:
        self._generations = generations
        self._clock = clock
        self._script = generations.client.register_script(_WRITE)

    def of_host(self, organization_id: OrganizationId, host: str) -> Standing:
        try:
            life = self._generations.life()
            name = generation_key(organization_id, LATEST.name, life)
            look = functools.partial(_look, generation=name, host=_host_key(organization_id, life, host))
            generation, found = self._generations.call(look)
            if generation is None:
                generation = self._generations.drawn(name)
        except StoreUnavailableError:
            return _NOTHING
        if not self._generations.is_still(life):
            return _NOTHING
        is_complete = self._is_complete(found.pop(_FILLED, b""), generation)
        return Standing(dict(map(_read, found.items())), is_complete, generation)

    def write(self, organization_id: OrganizationId, hosts: Mapping[str, Values]) -> None:
        life = self._generations.life()
        items = list(hosts.items())
        for start in range(0, len(items), _HOSTS_PER_CALL):
            some = items[start : start + _HOSTS_PER_CALL]
            self._generations.call(
                functools.partial(self._write, organization_id=organization_id, life=life, hosts=some)
            )

    def fill(self, organization_id: OrganizationId, host: str, values: Values, generation: bytes) -> bool:
        try:
            life = self._generations.life()
            keys, arguments = self._sent(organization_id, life, host, values, generation)
            put = functools.partial(self._script, keys, arguments)
            return cast("int", self._generations.call(lambda client: put(client=client))) == 1
        except StoreUnavailableError:
            return False

    def doubt(self, organization_id: OrganizationId) -> None:
        self._generations.invalidate(organization_id, LATEST.name)

    def _write(
        self, client: redis.Redis, organization_id: OrganizationId, life: str, hosts: Iterable[tuple[str, Values]]
    ) -> None:
        with client.pipeline(transaction=False) as pipeline:
            for host, values in hosts:
                keys, arguments = self._sent(organization_id, life, host, values, b"")
                self._script(keys, arguments, client=pipeline)
            pipeline.execute()

    def _sent(
        self, organization_id: OrganizationId, life: str, host: str, values: Values, generation: bytes
    ) -> tuple[list[str], list[bytes | int | str]]:
        keys = [generation_key(organization_id, LATEST.name, life), _host_key(organization_id, life, host)]
        arguments: list[bytes | int | str] = [generation, self._now_ms(), _KEPT_MS, _VALUES_PER_HOST]
        for metric, latest in values.items():
            arguments += (msgspec.json.encode(metric), latest.at_ms, msgspec.json.encode(latest.value))
        return keys, arguments

    def _is_complete(self, filled: bytes, generation: bytes) -> bool:
        digits = filled[GENERATION_BYTES:]
        if not filled.startswith(generation) or not digits.isdigit():
            return False
        return 0 <= self._now_ms() - int(digits) < _KEPT_MS

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000


def _look(client: redis.Redis, generation: str, host: str) -> tuple[bytes | None, dict[bytes, bytes]]:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.get(generation)
        pipeline.hgetall(host)
        return cast("tuple[bytes | None, dict[bytes, bytes]]", tuple(pipeline.execute()))


def _read(item: tuple[bytes, bytes]) -> tuple[Metric, LatestValue]:
    name, value = item
    read = msgspec.json.decode(value[_DIGITS:], type=float | bool | str)
    return msgspec.json.decode(name, type=Metric), LatestValue(int(value[:_DIGITS]), read)


def _host_key(organization_id: OrganizationId, life: str, host: str) -> str:
    return f"{organization_id}:{life}:latest:{hashed(host)}"
