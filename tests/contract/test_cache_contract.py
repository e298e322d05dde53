"""What every Cache promises, and what Redis' must do when its server does not."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from faults.kinds import Bandwidth, BlackHole, CutReply, Latency, Refuse
from faults.proxy import FaultProxy
from fixtures.fault_proxies import MakeProxy
from strata_core.ports.cache import Cache
from strata_datamodel.ids import OrganizationId
from strata_stores.breaker import Breaker, BreakerState
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.null.cache import NullCache
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.connecting import connect
from waiting import eventually

# Longer than the product's: on a busy test machine a healthy server may take long to be scheduled.
TIMEOUTS = {"connect_timeout_s": 1.0, "timeout_s": 2.0}
SHORT = {"connect_timeout_s": 0.1, "timeout_s": 0.1}


@pytest.fixture
def organization() -> OrganizationId:
    return OrganizationId(uuid4())


@pytest.fixture
def other() -> OrganizationId:
    return OrganizationId(uuid4())


@pytest.fixture(params=["valkey", "null"])
def cache(request: pytest.FixtureRequest) -> Iterator[Cache]:
    if request.param == "null":
        yield NullCache()
        return
    server: EmbeddedValkey = request.getfixturevalue("embedded_valkey")
    cache = RedisCache(server.url(), SystemClock(), **TIMEOUTS)
    yield cache
    cache.close()


@pytest.fixture
def redis_cache(embedded_valkey: EmbeddedValkey) -> Iterator[RedisCache]:
    cache = RedisCache(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    yield cache
    cache.close()


def test_what_was_not_put_is_not_there(cache: Cache, organization: OrganizationId) -> None:
    assert cache.get(organization, "dashboards", "one") is None


def test_an_invalidated_kind_is_gone_at_once(cache: Cache, organization: OrganizationId) -> None:
    for key in ("one", "two"):
        cache.put(organization, "dashboards", key, b"old", 60)
    cache.invalidate(organization, "dashboards")
    assert cache.get(organization, "dashboards", "one") is None
    assert cache.get(organization, "dashboards", "two") is None


def test_odd_arguments_do_no_harm(cache: Cache, organization: OrganizationId) -> None:
    for ttl_s in (0, -1, 10**9):
        cache.put(organization, "kind", "", b"", ttl_s)
    cache.put(organization, "kind", "\0\n * \N{SNOWMAN}" * 1000, b"x", 60)
    cache.put(organization, "kind", "big", bytes(2 << 20), 60)
    assert cache.get(organization, "kind", "big") is None
    cache.invalidate(organization, "never used")


def test_health_says_whether_it_answers(cache: Cache) -> None:
    health = cache.health()
    assert health.is_ready
    assert health.store == "redis"


def test_a_value_comes_back_until_its_kind_is_invalidated(
    redis_cache: RedisCache, organization: OrganizationId
) -> None:
    for value in (b"", b"\0", b"value", bytes(100_000)):
        redis_cache.put(organization, "dashboards", "one", value, 60)
        assert redis_cache.get(organization, "dashboards", "one") == value
    redis_cache.put(organization, "profiles", "one", b"kept", 60)
    redis_cache.invalidate(organization, "dashboards")
    assert redis_cache.get(organization, "dashboards", "one") is None
    assert redis_cache.get(organization, "profiles", "one") == b"kept"
    redis_cache.put(organization, "dashboards", "one", b"new", 60)
    assert redis_cache.get(organization, "dashboards", "one") == b"new"


def test_two_organizations_with_the_same_kind_and_key_never_meet(
    redis_cache: RedisCache, organization: OrganizationId, other: OrganizationId
) -> None:
    redis_cache.put(organization, "dashboards", "one", b"mine", 60)
    assert redis_cache.get(other, "dashboards", "one") is None
    redis_cache.put(other, "dashboards", "one", b"theirs", 60)
    redis_cache.invalidate(organization, "dashboards")
    assert redis_cache.get(organization, "dashboards", "one") is None
    assert redis_cache.get(other, "dashboards", "one") == b"theirs"


def test_kinds_and_keys_cannot_be_mixed_up(redis_cache: RedisCache, organization: OrganizationId) -> None:
    redis_cache.put(organization, "a:b", "c", b"1", 60)
    assert redis_cache.get(organization, "a", "b:c") is None
    assert redis_cache.get(organization, "a", "c") is None


def test_every_key_begins_with_its_organization_and_ends_by_itself(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    redis_cache.put(organization, "dashboards", "one", b"1", 60)
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        keys = list(client.scan_iter(match=f"*{organization}*"))
        assert len(keys) == 2
        assert all(key.startswith(str(organization).encode() + b":") for key in keys)
        assert all(client.ttl(key) > 0 for key in keys)


def test_an_invalidation_wins_over_a_value_computed_from_before_it(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    elsewhere = RedisCache(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    assert redis_cache.get(organization, "dashboards", "one") is None
    elsewhere.invalidate(organization, "dashboards")
    redis_cache.put(organization, "dashboards", "one", b"read before the write", 60)
    assert redis_cache.get(organization, "dashboards", "one") is None
    redis_cache.put(organization, "dashboards", "one", b"read after it", 60)
    assert elsewhere.get(organization, "dashboards", "one") == b"read after it"
    elsewhere.close()


def test_after_losing_everything_it_is_empty_and_works(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    redis_cache.put(organization, "dashboards", "one", b"1", 60)
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        client.flushall()
    assert redis_cache.get(organization, "dashboards", "one") is None
    redis_cache.put(organization, "dashboards", "one", b"2", 60)
    assert redis_cache.get(organization, "dashboards", "one") == b"2"


def test_a_lost_generation_does_not_bring_old_entries_back(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    redis_cache.put(organization, "dashboards", "one", b"old", 60)
    redis_cache.invalidate(organization, "dashboards")
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        client.delete(f"{organization}:generation:dashboards")
    assert redis_cache.get(organization, "dashboards", "one") is None


@pytest.fixture
def proxy(fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey) -> FaultProxy:
    return fault_proxy(Path(embedded_valkey.socket_path))


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)


@pytest.fixture
def far_cache(proxy: FaultProxy, breaker: Breaker) -> Iterator[RedisCache]:
    cache = RedisCache(f"redis://{proxy.address}", SystemClock(), breaker=breaker, **SHORT)
    yield cache
    cache.close()


@pytest.mark.parametrize("fault", [Refuse(), BlackHole(), CutReply(), Latency(to_client_s=1.0)], ids=repr)
def test_a_server_that_is_down_or_slow_is_an_empty_cache_and_is_counted(
    far_cache: RedisCache, proxy: FaultProxy, breaker: Breaker, organization: OrganizationId, fault: Refuse
) -> None:
    eventually(lambda: _stores(far_cache, organization))
    proxy.set(fault)
    before = far_cache.failures_total
    started_s = SystemClock().monotonic_s()
    for _ in range(30):
        assert far_cache.get(organization, "dashboards", "one") is None
        far_cache.put(organization, "dashboards", "two", b"2", 60)
    assert SystemClock().monotonic_s() - started_s < 5
    assert far_cache.failures_total >= before + 30
    assert breaker.opened_total >= 1
    assert not far_cache.health().is_ready
    proxy.heal()
    eventually(lambda: _stores(far_cache, organization))
    assert far_cache.health().is_ready
    eventually(lambda: breaker.state is BreakerState.CLOSED)


def _stores(cache: RedisCache, organization: OrganizationId) -> bool:
    cache.put(organization, "dashboards", "one", b"1", 60)
    return cache.get(organization, "dashboards", "one") == b"1"


def test_an_invalidation_that_met_a_dead_server_is_made_up_for(
    far_cache: RedisCache, proxy: FaultProxy, organization: OrganizationId, redis_cache: RedisCache
) -> None:
    redis_cache.put(organization, "dashboards", "one", b"old", 60)
    proxy.set(Refuse())
    far_cache.invalidate(organization, "dashboards")
    proxy.heal()
    eventually(lambda: far_cache.get(organization, "profiles", "any") is None and not far_cache._unsent)
    assert redis_cache.get(organization, "dashboards", "one") is None


def test_a_value_read_when_the_generation_was_unknown_is_not_stored(
    far_cache: RedisCache, proxy: FaultProxy, organization: OrganizationId
) -> None:
    eventually(lambda: _stores(far_cache, organization))
    proxy.set(Refuse())
    assert far_cache.get(organization, "dashboards", "two") is None
    proxy.heal()
    eventually(lambda: far_cache.health().is_ready)
    far_cache.put(organization, "dashboards", "two", b"may be from before an invalidation", 60)
    assert far_cache.get(organization, "dashboards", "two") is None


def test_a_server_that_trickles_counts_as_down(
    far_cache: RedisCache, proxy: FaultProxy, organization: OrganizationId, redis_cache: RedisCache
) -> None:
    redis_cache.put(organization, "dashboards", "one", bytes(20_000), 60)
    eventually(lambda: _stores(far_cache, organization))
    redis_cache.put(organization, "dashboards", "one", bytes(20_000), 60)
    proxy.set(Bandwidth(bytes_per_s=20_000))
    before = far_cache.failures_total
    assert far_cache.get(organization, "dashboards", "one") is None
    assert far_cache.failures_total == before + 1


def test_a_server_killed_in_mid_use_comes_back_without_a_restart_of_ours(embedded_directory: Path) -> None:
    place = embedded_directory / "killed"
    server = EmbeddedValkey(place / "valkey", place / "run" / "valkey.sock", settings={"appendonly": "no"})
    server.start()
    organization = OrganizationId(uuid4())
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    cache = RedisCache(server.url(), SystemClock(), breaker=breaker, **TIMEOUTS)
    stop = threading.Event()
    errors: list[BaseException] = []

    def use() -> None:
        while not stop.is_set():
            try:
                cache.put(organization, "dashboards", "one", b"1", 60)
                assert cache.get(organization, "dashboards", "one") in {None, b"1"}
            except BaseException as error:  # noqa: BLE001 - anything here breaks the contract
                errors.append(error)
                return

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    try:
        eventually(lambda: _stores(cache, organization))
        server.abort()
        eventually(lambda: breaker.opened_total > 0)
        server.start()
        eventually(lambda: _stores(cache, organization))
    finally:
        stop.set()
        for user in users:
            user.join()
        cache.close()
        server.stop()
    assert not errors
