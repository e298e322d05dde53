"""What every Cache promises, and what Redis' must do when its server does not."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from faults.kinds import Bandwidth, BlackHole, CutReply, Latency, Refuse
from faults.proxy import FaultProxy
from fixtures.fault_proxies import MakeProxy
from strata_core.ports.cache import VERSION_MAX, Cache, Entry, Found
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


UNKNOWN = bytes(16)
KEPT_MS = 60_000


def entry(body: bytes, version: int = 1) -> Entry:
    return Entry(body, version, made_at_ms=1_700_000_000_000, fresh_ms=60_000, cost_ms=7)


def fill(cache: Cache, organization: OrganizationId, kind: str, key: str, body: bytes, version: int = 1) -> bool:
    """As a reader does: the generation first."""
    generation = cache.get(organization, kind, key).generation
    return cache.put(organization, kind, key, entry(body, version), generation=generation or UNKNOWN, kept_ms=KEPT_MS)


def body_of(cache: Cache, organization: OrganizationId, kind: str, key: str) -> bytes | None:
    found = cache.get(organization, kind, key).entry
    return None if found is None else found.body


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
    assert cache.get(organization, "dashboards", "one").entry is None


def test_an_invalidated_kind_is_gone_at_once(cache: Cache, organization: OrganizationId) -> None:
    for key in ("one", "two"):
        fill(cache, organization, "dashboards", key, b"old")
    cache.invalidate(organization, "dashboards")
    assert body_of(cache, organization, "dashboards", "one") is None
    assert body_of(cache, organization, "dashboards", "two") is None


def test_odd_arguments_do_no_harm(cache: Cache, organization: OrganizationId) -> None:
    generation = cache.get(organization, "kind", "").generation or UNKNOWN
    for kept_ms in (0, -1, 10**12):
        cache.put(organization, "kind", "", entry(b""), generation=generation, kept_ms=kept_ms)
    fill(cache, organization, "kind", "\0\n * \N{SNOWMAN}\ud800" * 1000, b"x")
    assert not fill(cache, organization, "kind", "big", bytes(2 << 20))
    assert body_of(cache, organization, "kind", "big") is None
    cache.invalidate(organization, "never used")
    cache.unlock(organization, "kind", "never locked", b"token")


def test_of_an_unknown_generation_nothing_is_kept(cache: Cache, organization: OrganizationId) -> None:
    assert not cache.put(organization, "kind", "one", entry(b"1"), generation=UNKNOWN, kept_ms=KEPT_MS)
    assert not cache.put(organization, "kind", "one", entry(b"1"), generation=b"", kept_ms=KEPT_MS)
    assert body_of(cache, organization, "kind", "one") is None


def test_whoever_locks_first_may_go_on(cache: Cache, organization: OrganizationId) -> None:
    assert cache.lock(organization, "kind", "one", b"mine", 10_000)
    cache.unlock(organization, "kind", "one", b"mine")
    assert cache.lock(organization, "kind", "one", b"next", 10_000)


def test_what_is_forgotten_is_gone(cache: Cache, organization: OrganizationId, other: OrganizationId) -> None:
    is_kept = fill(cache, organization, "profiles", "one", b"1")
    fill(cache, other, "profiles", "one", b"theirs")
    assert (cache.forget(organization) > 0) == is_kept
    assert body_of(cache, organization, "profiles", "one") is None
    assert body_of(cache, other, "profiles", "one") == (b"theirs" if is_kept else None)


def test_health_says_whether_it_answers(cache: Cache) -> None:
    health = cache.health()
    assert health.is_ready
    assert health.store == "redis"


def test_a_value_comes_back_as_it_was_until_its_kind_is_invalidated(
    redis_cache: RedisCache, organization: OrganizationId
) -> None:
    for number, value in enumerate((b"", b"\0", b"value", bytes(100_000))):
        assert fill(redis_cache, organization, "dashboards", "one", value, number)
        assert redis_cache.get(organization, "dashboards", "one").entry == entry(value, number)
    fill(redis_cache, organization, "profiles", "one", b"kept")
    redis_cache.invalidate(organization, "dashboards")
    assert body_of(redis_cache, organization, "dashboards", "one") is None
    assert body_of(redis_cache, organization, "profiles", "one") == b"kept"
    assert fill(redis_cache, organization, "dashboards", "one", b"new")
    assert body_of(redis_cache, organization, "dashboards", "one") == b"new"


def test_two_organizations_with_the_same_kind_and_key_never_meet(
    redis_cache: RedisCache, organization: OrganizationId, other: OrganizationId
) -> None:
    fill(redis_cache, organization, "dashboards", "one", b"mine")
    assert body_of(redis_cache, other, "dashboards", "one") is None
    fill(redis_cache, other, "dashboards", "one", b"theirs")
    redis_cache.invalidate(organization, "dashboards")
    assert body_of(redis_cache, organization, "dashboards", "one") is None
    assert body_of(redis_cache, other, "dashboards", "one") == b"theirs"


def test_a_generation_of_another_organization_opens_nothing(
    redis_cache: RedisCache, organization: OrganizationId, other: OrganizationId
) -> None:
    theirs = redis_cache.get(other, "dashboards", "one").generation
    assert theirs is not None
    redis_cache.get(organization, "dashboards", "one")
    assert not redis_cache.put(organization, "dashboards", "one", entry(b"x"), generation=theirs, kept_ms=KEPT_MS)


def test_kinds_and_keys_cannot_be_mixed_up(redis_cache: RedisCache, organization: OrganizationId) -> None:
    fill(redis_cache, organization, "a:b", "c", b"1")
    assert body_of(redis_cache, organization, "a", "b:c") is None
    assert body_of(redis_cache, organization, "a", "c") is None


def test_every_key_begins_with_its_organization_and_ends_by_itself(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    fill(redis_cache, organization, "dashboards", "one", b"1")
    redis_cache.lock(organization, "dashboards", "one", b"token", 10_000)
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        keys = list(client.scan_iter(match=f"*{organization}*"))
        assert len(keys) == 3
        assert all(key.startswith(str(organization).encode() + b":") for key in keys)
        assert all(client.ttl(key) > 0 for key in keys)


def test_an_invalidation_wins_over_a_value_computed_from_before_it(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    elsewhere = RedisCache(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    before = redis_cache.get(organization, "dashboards", "one").generation or UNKNOWN
    elsewhere.invalidate(organization, "dashboards")
    old, new = entry(b"read before the write", 9), entry(b"read after it", 1)
    assert not redis_cache.put(organization, "dashboards", "one", old, generation=before, kept_ms=KEPT_MS)
    assert body_of(redis_cache, organization, "dashboards", "one") is None
    after = redis_cache.get(organization, "dashboards", "one").generation or UNKNOWN
    assert redis_cache.put(organization, "dashboards", "one", new, generation=after, kept_ms=KEPT_MS)
    assert not redis_cache.put(organization, "dashboards", "one", old, generation=before, kept_ms=KEPT_MS)
    assert body_of(elsewhere, organization, "dashboards", "one") == b"read after it"
    elsewhere.close()


def test_a_higher_version_is_not_overtaken_before_the_invalidation_comes(
    redis_cache: RedisCache, organization: OrganizationId
) -> None:
    assert fill(redis_cache, organization, "profiles", "one", b"second", 2)
    assert not fill(redis_cache, organization, "profiles", "one", b"first", 1)
    assert body_of(redis_cache, organization, "profiles", "one") == b"second"
    assert fill(redis_cache, organization, "profiles", "one", b"last", VERSION_MAX)
    assert not fill(redis_cache, organization, "profiles", "one", b"one less", VERSION_MAX - 1)


def test_of_many_at_once_one_has_the_lock(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    elsewhere = RedisCache(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    assert redis_cache.lock(organization, "profiles", "one", b"mine", 10_000)
    assert not elsewhere.lock(organization, "profiles", "one", b"theirs", 10_000)
    elsewhere.unlock(organization, "profiles", "one", b"theirs")
    assert not elsewhere.lock(organization, "profiles", "one", b"theirs", 10_000)
    redis_cache.unlock(organization, "profiles", "one", b"mine")
    assert elsewhere.lock(organization, "profiles", "one", b"theirs", 50)
    eventually(lambda: redis_cache.lock(organization, "profiles", "one", b"mine", 10_000))
    elsewhere.close()


def test_after_losing_everything_it_is_empty_and_works(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    fill(redis_cache, organization, "dashboards", "one", b"1")
    before = redis_cache.get(organization, "dashboards", "one").generation or UNKNOWN
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        client.flushall()
    assert not redis_cache.put(organization, "dashboards", "one", entry(b"1"), generation=before, kept_ms=KEPT_MS)
    assert body_of(redis_cache, organization, "dashboards", "one") is None
    assert fill(redis_cache, organization, "dashboards", "one", b"2")
    assert body_of(redis_cache, organization, "dashboards", "one") == b"2"


def test_a_lost_generation_does_not_bring_old_entries_back(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    fill(redis_cache, organization, "dashboards", "one", b"old")
    redis_cache.invalidate(organization, "dashboards")
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        (generation,) = client.scan_iter(match=f"{organization}:*:generation:dashboards")
        client.delete(generation)
    assert body_of(redis_cache, organization, "dashboards", "one") is None


def test_a_damaged_entry_is_none(
    redis_cache: RedisCache, organization: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    fill(redis_cache, organization, "dashboards", "one", b"whole")
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        (value,) = client.scan_iter(match=f"{organization}:*:cache:*")
        whole = client.get(value) or b""
        for damaged in (b"", whole[:20], whole[:40], whole[:16] + b"x" * 40):
            client.set(value, damaged)
            assert body_of(redis_cache, organization, "dashboards", "one") is None
            assert fill(redis_cache, organization, "dashboards", "one", b"again")


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
        assert far_cache.get(organization, "dashboards", "one") == Found(None, None)
        assert far_cache.lock(organization, "dashboards", "one", b"anybody", 1_000)
    assert SystemClock().monotonic_s() - started_s < 5
    assert far_cache.failures_total >= before + 60
    assert breaker.opened_total >= 1
    assert not far_cache.health().is_ready
    proxy.heal()
    eventually(lambda: _stores(far_cache, organization))
    assert far_cache.health().is_ready
    eventually(lambda: breaker.state is BreakerState.CLOSED)


def _stores(cache: RedisCache, organization: OrganizationId) -> bool:
    fill(cache, organization, "dashboards", "one", b"1")
    return body_of(cache, organization, "dashboards", "one") == b"1"


def test_an_invalidation_that_met_a_dead_server_is_made_up_for(
    far_cache: RedisCache, proxy: FaultProxy, organization: OrganizationId, redis_cache: RedisCache
) -> None:
    fill(redis_cache, organization, "dashboards", "one", b"old")
    proxy.set(Refuse())
    far_cache.invalidate(organization, "dashboards")
    proxy.heal()
    eventually(
        lambda: body_of(far_cache, organization, "profiles", "any") is None and not far_cache.generations.has_unsent
    )
    assert body_of(redis_cache, organization, "dashboards", "one") is None


def test_a_server_that_trickles_counts_as_down(
    far_cache: RedisCache, proxy: FaultProxy, organization: OrganizationId, redis_cache: RedisCache
) -> None:
    fill(redis_cache, organization, "dashboards", "one", bytes(20_000))
    eventually(lambda: _stores(far_cache, organization))
    fill(redis_cache, organization, "dashboards", "one", bytes(20_000))
    proxy.set(Bandwidth(bytes_per_s=20_000))
    before = far_cache.failures_total
    assert far_cache.get(organization, "dashboards", "one") == Found(None, None)
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
                fill(cache, organization, "dashboards", "one", b"1")
                assert body_of(cache, organization, "dashboards", "one") in {None, b"1"}
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


def test_a_server_restored_from_an_old_file_shows_nothing_from_before(embedded_directory: Path) -> None:
    place = embedded_directory / "restored"
    server = EmbeddedValkey(
        place / "valkey", place / "run" / "valkey.sock", settings={"appendonly": "no", "dbfilename": "old.rdb"}
    )
    server.start()
    mine, theirs = OrganizationId(uuid4()), OrganizationId(uuid4())
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    cache = RedisCache(server.url(), SystemClock(), breaker=breaker, **TIMEOUTS)
    elsewhere = RedisCache(server.url(), SystemClock(), **TIMEOUTS)
    try:
        for organization in (mine, theirs):
            eventually(lambda organization=organization: _stores(cache, organization))
        before = cache.get(mine, "dashboards", "one").generation or UNKNOWN
        with connect(server.url(), timeout_s=5) as client:
            client.save()
        elsewhere.invalidate(mine, "dashboards")
        server.abort()
        server.start()
        with connect(server.url(), timeout_s=5) as client:
            assert list(client.scan_iter(match=f"{mine}:*:cache:*")), "the old entry is there again"
        for _ in range(10):
            assert body_of(cache, mine, "dashboards", "one") is None
        eventually(lambda: cache.get(mine, "dashboards", "one").generation)
        assert not cache.put(mine, "dashboards", "one", entry(b"old"), generation=before, kept_ms=KEPT_MS)
        eventually(lambda: _stores(cache, theirs))
    finally:
        cache.close()
        elsewhere.close()
        server.stop()
