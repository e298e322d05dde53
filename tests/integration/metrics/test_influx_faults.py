"""InfluxDB behind a network that breaks: nothing is concluded, nothing doubles, nobody waits for long."""

from uuid import uuid4

import pytest

from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import SECOND, batch_of, point
from faults.kinds import BlackHole, CutReply, CutRequest, Latency, Refuse, Reset
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, WriteOutcome
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore

ACME, UMBRELLA = OrganizationId(uuid4()), OrganizationId(uuid4())
SUM = whole_range(ACME, Aggregate.SUM)
THREE_POINTS = batch_of(ACME, *(point(BASE + at * SECOND, float(at + 1)) for at in range(3)))


@pytest.fixture
def proxy(influx_url, fault_proxy):
    return fault_proxy(influx_url)


@pytest.fixture
def store(proxy, influx_database):
    clock = SystemClock()
    store = InfluxMetricStore(
        proxy.url,
        clock,
        database=influx_database,
        kept_ns=None,
        breaker=Breaker("metrics", clock, failures_to_open=1000),
        connect_timeout_s=0.5,
        query_timeout_s=0.5,
        write_timeout_s=0.5,
        delete_timeout_s=0.5,
    )
    store.prepare()
    store.write(batch_of(UMBRELLA, point(BASE, 100.0)))
    yield store
    store.close()


@pytest.mark.parametrize(
    "fault",
    [BlackHole(), Reset(), Refuse(), Latency(to_client_s=5), CutRequest(after_bytes=20)],
    ids=lambda f: type(f).__name__,
)
def test_a_store_that_does_not_answer_is_unavailable_for_everything_and_recovers(store, proxy, fault):
    store.write(THREE_POINTS)
    proxy.set(fault)
    for call in (
        lambda: store.write(THREE_POINTS),
        lambda: store.query(SUM),
        lambda: store.count_points(ACME),
        lambda: store.delete_organization(UMBRELLA),
        store.prepare,
    ):
        with pytest.raises(StoreUnavailableError):
            call()
    assert not store.health().is_ready
    proxy.heal()
    assert store.health().is_ready
    assert store.count_points(ACME) == 3
    assert answered(store, SUM) == {(): [(BASE // 10**6, 6.0)]}


def test_fault_07_a_write_whose_acknowledgement_was_cut_leaves_its_points_once_when_repeated(store, proxy):
    proxy.set(CutReply(), times=1)
    with pytest.raises(StoreUnavailableError):
        store.write(THREE_POINTS)
    assert store.count_points(ACME) == 3
    assert store.write(THREE_POINTS) == WriteOutcome(3)
    assert store.count_points(ACME) == 3
    assert store.count_points(UMBRELLA) == 1


@pytest.mark.parametrize("after_bytes", [0, 50, 300, 5_000, 12_000])
def test_an_answer_that_is_cut_is_never_taken_for_a_whole_one(store, proxy, after_bytes):
    store.write(batch_of(ACME, *(point(BASE + at * SECOND, float(at)) for at in range(3_600))))
    proxy.set(CutReply(after_bytes=after_bytes), times=1)
    query = whole_range(ACME, Aggregate.SUM, step_ns=SECOND)
    with pytest.raises(StoreUnavailableError):
        store.query(query)
    assert len(answered(store, query)[()]) == 3_600


def test_the_breaker_answers_at_once_when_the_store_does_not(proxy, influx_database):
    clock = SystemClock()
    breaker = Breaker("metrics", clock, failures_to_open=2, open_s=0.05)
    store = InfluxMetricStore(
        proxy.url, clock, database=influx_database, kept_ns=None, breaker=breaker, query_timeout_s=0.2
    )
    store.prepare()
    proxy.set(BlackHole())
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            store.query(SUM)
    connections = proxy.connections
    with pytest.raises(StoreUnavailableError, match="did not answer lately"):
        store.query(SUM)
    assert proxy.connections == connections
    store.close()
