"""Newest values in Redis: whatever order they come in, whatever is lost, the newest is shown or the store is asked."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import Counter

from factories.point_batches import SECOND, batch_of, point
from fakes.manual_clock import ManualClock
from faults.kinds import Refuse
from faults.proxy import FaultProxy
from fixtures.fault_proxies import MakeProxy
from strata_core.caching.kinds import LATEST
from strata_core.latest.nowhere import Nowhere
from strata_core.ports.latest_values import LatestValues
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.latest import LatestValue
from strata_datamodel.metrics import Rejection
from strata_ingest.newest import NewestValues
from strata_ingest.newest_points import newest_points
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.connecting import connect
from strata_stores.redis.latest_values import RedisLatestValues
from waiting import eventually

CPU, DISK = ("cpu", "usage"), ("disk", "free")
LONG = {"connect_timeout_s": 1.0, "timeout_s": 2.0}
SHORT = {"connect_timeout_s": 0.1, "timeout_s": 0.1}
NOW_MS = 1_772_366_400_000


def value(at_s: int, number: float | bool | str = 1.0) -> LatestValue:
    return LatestValue(NOW_MS + at_s * 1_000, number)


@pytest.fixture
def mine() -> OrganizationId:
    return OrganizationId(uuid4())


@pytest.fixture
def theirs() -> OrganizationId:
    return OrganizationId(uuid4())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def redis_latest(embedded_valkey: EmbeddedValkey, clock: ManualClock) -> Iterator[RedisLatestValues]:
    cache = RedisCache(embedded_valkey.url(), SystemClock(), **LONG)
    yield RedisLatestValues(cache.generations, clock)
    cache.close()


@pytest.fixture(params=["valkey", "nowhere"])
def latest(request: pytest.FixtureRequest) -> LatestValues:
    return Nowhere() if request.param == "nowhere" else request.getfixturevalue("redis_latest")


def fill(latest: LatestValues, organization_id: OrganizationId, host: str, **values: LatestValue) -> bool:
    generation = latest.of_host(organization_id, host).generation
    metrics = {{"cpu": CPU, "disk": DISK}[name]: each for name, each in values.items()}
    return generation is not None and latest.fill(organization_id, host, metrics, generation)


def test_nothing_is_complete_that_was_not_filled(latest: LatestValues, mine: OrganizationId) -> None:
    assert not latest.of_host(mine, "web1").is_complete
    latest.write(mine, {"web1": {CPU: value(1)}, "": {}})
    assert not latest.of_host(mine, "web1").is_complete
    assert not latest.fill(mine, "web1", {}, b"another generation")
    assert not latest.of_host(mine, "web1").is_complete


def test_doubt_ends_what_was_complete(latest: LatestValues, mine: OrganizationId) -> None:
    fill(latest, mine, "web1", cpu=value(1))
    latest.doubt(mine)
    assert not latest.of_host(mine, "web1").is_complete


NUMBERS = st.one_of(st.floats(-1e9, 1e9), st.booleans(), st.text(max_size=5))


@given(written=st.lists(st.tuples(st.integers(0, 4), st.floats(-1e6, 1e6)), min_size=1, max_size=8), data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_values_come_the_same_one_stays(
    redis_latest: RedisLatestValues, written: list[tuple[int, float]], data: st.DataObject
) -> None:
    organization_id = OrganizationId(uuid4())
    values = [value(at_s, number) for at_s, number in written]
    for each in data.draw(st.permutations([*values, *values])):
        redis_latest.write(organization_id, {"web1": {CPU: each}})
    newest = values[0]
    for each in values:
        newest = each if each.outranks(newest) else newest
    assert redis_latest.of_host(organization_id, "web1").values == {CPU: newest}


@given(number=NUMBERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_comes_back_as_it_was(redis_latest: RedisLatestValues, number: float | bool | str) -> None:
    organization_id = OrganizationId(uuid4())
    redis_latest.write(organization_id, {"web1": {CPU: value(1, number)}})
    found = redis_latest.of_host(organization_id, "web1").values[CPU].value
    assert (type(found), found) == (type(number), number)


def test_two_organizations_with_a_host_of_one_name_never_meet(
    redis_latest: RedisLatestValues, mine: OrganizationId, theirs: OrganizationId
) -> None:
    assert fill(redis_latest, mine, "web1", cpu=value(1, 1.0))
    assert fill(redis_latest, theirs, "web1", cpu=value(2, 2.0))
    redis_latest.doubt(mine)
    assert redis_latest.of_host(mine, "web1").values == {CPU: value(1, 1.0)}
    standing = redis_latest.of_host(theirs, "web1")
    assert (standing.values, standing.is_complete) == ({CPU: value(2, 2.0)}, True)
    assert not redis_latest.of_host(mine, "web2").values


def test_what_is_written_after_a_fill_belongs_to_it_and_for_five_minutes(
    redis_latest: RedisLatestValues, mine: OrganizationId, clock: ManualClock
) -> None:
    assert fill(redis_latest, mine, "web1", cpu=value(1))
    redis_latest.write(mine, {"web1": {CPU: value(2), DISK: value(1)}})
    standing = redis_latest.of_host(mine, "web1")
    assert (standing.values, standing.is_complete) == ({CPU: value(2), DISK: value(1)}, True)
    clock.advance(LATEST.fresh_s)
    assert not redis_latest.of_host(mine, "web1").is_complete


def test_a_fill_does_not_overtake_what_was_written_or_doubted_meanwhile(
    redis_latest: RedisLatestValues, mine: OrganizationId
) -> None:
    generation = redis_latest.of_host(mine, "web1").generation
    assert generation is not None
    redis_latest.write(mine, {"web1": {CPU: value(9)}})
    assert redis_latest.fill(mine, "web1", {CPU: value(5)}, generation)
    assert redis_latest.of_host(mine, "web1").values == {CPU: value(9)}
    redis_latest.doubt(mine)
    assert not redis_latest.fill(mine, "web1", {CPU: value(10)}, generation)
    assert redis_latest.of_host(mine, "web1").values == {CPU: value(9)}


def test_a_flushed_server_knows_that_it_knows_nothing(
    redis_latest: RedisLatestValues, mine: OrganizationId, embedded_valkey: EmbeddedValkey
) -> None:
    assert fill(redis_latest, mine, "web1", cpu=value(1))
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        client.flushall()
        redis_latest.write(mine, {"web1": {DISK: value(2)}})
        standing = redis_latest.of_host(mine, "web1")
        assert (standing.values, standing.is_complete) == ({DISK: value(2)}, False)
        keys = list(client.scan_iter(match=f"{mine}:*"))
        assert keys
        assert all(client.ttl(key) > 0 for key in keys)


def test_a_host_with_too_many_metrics_is_never_complete(redis_latest: RedisLatestValues, mine: OrganizationId) -> None:
    assert fill(redis_latest, mine, "web1", cpu=value(1))
    redis_latest.write(mine, {"web1": {("many", str(number)): value(1) for number in range(2_100)}})
    standing = redis_latest.of_host(mine, "web1")
    assert not standing.is_complete
    assert len(standing.values) <= 2_000


def counter() -> Counter:
    return Counter("given_up", "for a test", registry=None)


def test_of_a_batch_the_newest_of_each_series_of_a_host_is_told(mine: OrganizationId) -> None:
    batch = batch_of(
        mine,
        point(3 * SECOND, 3.0, host="web1", core="0"),
        point(5 * SECOND, 5.0, host="web1", core="0"),
        point(4 * SECOND, 4.0, host="web1", core="0"),
        point(9 * SECOND, 9.0, host="web1", core="1"),
        point(5 * SECOND, 1.0, host_id="web2"),
        point(5 * SECOND, 2.0, rack="no host"),
    )
    told = sorted((host, each.at_ms, each.value) for host, _, each in newest_points(batch).told())
    assert told == [("web1", 5_000, 5.0), ("web1", 9_000, 9.0), ("web2", 5_000, 1.0)]
    told = sorted(
        (host, each.at_ms) for host, _, each in newest_points(batch, [Rejection(1, "no"), Rejection(4, "no")]).told()
    )
    assert told == [("web1", 4_000), ("web1", 9_000)]


def test_values_met_by_a_dead_server_are_told_once_it_is_back(
    fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey, redis_latest: RedisLatestValues,
    mine: OrganizationId, theirs: OrganizationId,
) -> None:  # fmt: skip
    proxy: FaultProxy = fault_proxy(Path(embedded_valkey.socket_path))
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    cache = RedisCache(f"redis://{proxy.address}", SystemClock(), breaker=breaker, **SHORT)
    far = RedisLatestValues(cache.generations, SystemClock())
    newest = NewestValues(far, counter(), pause_s=0.02)
    assert fill(redis_latest, mine, "web1", cpu=value(1))
    assert fill(redis_latest, theirs, "web1", cpu=value(1))
    proxy.set(Refuse())
    newest.start()
    at_ns = (NOW_MS + 5_000) * 1_000_000
    newest.note(batch_of(mine, point(at_ns, 5.0, host="web1")))
    with pytest.raises(StoreUnavailableError):
        far.write(mine, {"web1": {}})
    newest.note(batch_of(mine, point(at_ns + SECOND, 6.0, host="web1")))
    proxy.heal()
    eventually(lambda: redis_latest.of_host(mine, "web1").values[CPU] == value(6, 6.0))
    assert not redis_latest.of_host(mine, "web1").is_complete, "an earlier process may have died with values in hand"
    assert redis_latest.of_host(theirs, "web1").is_complete
    newest.stop()
    cache.close()


def test_what_is_too_much_to_hold_is_given_up_and_doubted(
    redis_latest: RedisLatestValues, mine: OrganizationId
) -> None:
    given_up = counter()
    newest = NewestValues(redis_latest, given_up, held=10)
    assert fill(redis_latest, mine, "web1", cpu=value(1))
    newest.note(batch_of(mine, *(point(number * SECOND, 1.0, host=f"web{number}") for number in range(20))))
    assert not redis_latest.of_host(mine, "web1").is_complete
    assert given_up.collect()[0].samples[0].value == 20
    newest.stop()
    assert redis_latest.of_host(mine, "web1").values == {CPU: value(1)}


def test_a_deleted_organizations_values_are_not_told(redis_latest: RedisLatestValues, mine: OrganizationId) -> None:
    newest = NewestValues(redis_latest, counter())
    newest.note(batch_of(mine, point(SECOND, 1.0, host="web1")))
    newest.forget(mine)
    newest.stop()
    assert not redis_latest.of_host(mine, "web1").values
