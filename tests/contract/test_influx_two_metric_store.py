"""What differs in InfluxDB 2.x: writing, deletion, buckets. Its API is played over a real 1.x, see fakes.influx_two;
questions go to both in the same words, so their part of the contract is not run twice."""

from datetime import timedelta
from uuid import uuid4

import pytest

from contract.metric_erasure_contract import MetricErasureContract
from contract.metric_isolation_contract import MetricIsolationContract
from contract.metric_views import BASE
from contract.metric_write_contract import MetricWriteContract
from factories.point_batches import SECOND, batch_of, point
from fakes.influx_two import TOKEN, influx_two
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import WriteOutcome
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore


@pytest.fixture
def server(influx_url):
    with influx_two(influx_url) as server:
        yield server


@pytest.fixture
def open_store(server, store_namespace):
    stores = []

    def build(**options):
        options = {"retention": None, "token": TOKEN, "organization": server.organization} | options
        stores.append(InfluxMetricStore(server.url, SystemClock(), database=store_namespace, **options))
        return stores[-1]

    yield build
    for store in stores:
        store.close()


@pytest.fixture
def new_store(open_store):
    def build(**options):
        store = open_store(**options)
        store.prepare()
        return store

    return build


class TestWriting(MetricWriteContract):
    pass


class TestErasure(MetricErasureContract):
    pass


class TestIsolation(MetricIsolationContract):
    pass


class TestBuckets:
    def test_a_tier_is_a_bucket_that_influxql_can_find(self, new_store, server, store_namespace):
        new_store(retention=timedelta(days=7))
        new_store(retention=timedelta(days=30), tier="1m")
        assert {name: bucket["retentionRules"][0]["everySeconds"] for name, bucket in server.buckets.items()} == {
            f"{store_namespace}/raw": 604_800,
            f"{store_namespace}/1m": 2_592_000,
        }
        assert {mapping["retention_policy"] for mapping in server.mappings} == {"raw", "1m"}
        new_store(retention=timedelta(days=7))
        assert (len(server.buckets), len(server.mappings)) == (2, 2)

    def test_retention_is_lengthened_and_never_shortened(self, new_store, server):
        kept = []
        for days in (7, 30, 7, None, 7):
            new_store(retention=None if days is None else timedelta(days=days))
            (bucket,) = server.buckets.values()
            kept.append(bucket["retentionRules"][0]["everySeconds"] // 86_400)
        assert kept == [7, 30, 30, 0, 0]

    def test_refused_points_are_found_in_the_answer_of_2x(self, new_store):
        store, organization_id = new_store(retention=timedelta(days=7)), OrganizationId(uuid4())
        now = SystemClock().now_ns()
        old = now - 40 * 86_400 * SECOND
        outcome = store.write(batch_of(organization_id, point(now, 1.0), point(old, 2.0), point(now + 1, 3.0)))
        assert [rejection.index for rejection in outcome.rejected] == [1]
        assert "retention" in outcome.rejected[0].reason
        assert store.count_points(organization_id) == 2

    def test_a_bucket_that_is_missing_is_made_by_the_first_write(self, open_store):
        assert open_store().write(batch_of(OrganizationId(uuid4()), point(BASE, 1.0))) == WriteOutcome(1)

    @pytest.mark.parametrize("wrong", [{"token": "wrong"}, {"token": None}, {"organization": "nobody"}])
    def test_wrong_credentials_are_unavailable_and_not_the_fault_of_the_points(self, open_store, wrong):
        store = open_store(**wrong)
        with pytest.raises(StoreUnavailableError):
            store.prepare()
        with pytest.raises(StoreUnavailableError):
            store.write(batch_of(OrganizationId(uuid4()), point(BASE, 1.0)))
