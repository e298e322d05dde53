"""What differs in InfluxDB 2.x: writing, deletion, buckets. Its API is played over a real 1.x, see fakes.influx_two;
questions go to both in the same words, so their part of the contract is not run twice."""

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
from strata_datamodel.tiers import KEPT_NS, ROLLED_UP, Tier
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore

HOUR = 3600 * SECOND
_SHARD_DAYS = {Tier.RAW: 1, Tier.MINUTE: 1, Tier.FIVE_MINUTES: 7, Tier.HOUR: 28}


def _kept(server):
    rules = ((name, bucket["retentionRules"][0]) for name, bucket in server.buckets.items())
    return {name: (rule["everySeconds"], rule["shardGroupDurationSeconds"]) for name, rule in rules}


def _held(store, organization_id):
    return [store.count_points(organization_id), *(store.count_windows(organization_id, tier) for tier in ROLLED_UP)]


@pytest.fixture
def server(influx_url):
    with influx_two(influx_url) as server:
        yield server


@pytest.fixture
def open_store(server, store_namespace):
    stores = []

    def build(**options):
        options = {"kept_ns": None, "token": TOKEN, "organization": server.organization} | options
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
        for _ in range(2):
            new_store(kept_ns=KEPT_NS)
            assert _kept(server) == {
                f"{store_namespace}/{tier}": (kept_ns // SECOND, _SHARD_DAYS[tier] * 86_400)
                for tier, kept_ns in KEPT_NS.items()
            }
            assert [mapping["retention_policy"] for mapping in server.mappings] == list(Tier)

    def test_a_bucket_is_kept_for_as_long_as_it_was_last_told(self, new_store, server, store_namespace):
        store = new_store(kept_ns=KEPT_NS)
        for days in (30, 2, 30):
            store.keep({Tier.RAW: days * 86_400 * SECOND})
            assert _kept(server)[f"{store_namespace}/raw"] == (days * 86_400, 86_400)
        new_store(kept_ns=KEPT_NS)
        assert _kept(server)[f"{store_namespace}/raw"] == (30 * 86_400, 86_400)

    def test_a_tier_expires_and_loses_windows_in_its_own_bucket_alone(self, new_store):
        store, acme, umbrella = new_store(), OrganizationId(uuid4()), OrganizationId(uuid4())
        for organization_id in (acme, umbrella):
            store.write(batch_of(organization_id, point(BASE, 1.0), point(BASE + HOUR, 2.0)))
        for tier in ROLLED_UP:
            store.roll_up(tier, BASE, BASE + 2 * HOUR)
        store.expire(acme, Tier.FIVE_MINUTES, BASE + HOUR)
        store.expire(acme, Tier.RAW, BASE + 1)
        assert _held(store, acme) == [1, 2, 1, 2]
        store.roll_up(Tier.MINUTE, BASE, BASE + 2 * HOUR)
        assert (_held(store, acme), _held(store, umbrella)) == ([1, 1, 1, 2], [2, 2, 2, 2])

    def test_refused_points_are_found_in_the_answer_of_2x(self, new_store):
        store, organization_id = new_store(kept_ns=KEPT_NS), OrganizationId(uuid4())
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
