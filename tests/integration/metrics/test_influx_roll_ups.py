"""What the contract of tiers is too small to meet: names of all sorts, more than a request holds, a killed InfluxDB."""

from dataclasses import replace
from uuid import uuid4

import pytest

from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import MINUTE, SECOND, batch_of, point, question
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate
from strata_datamodel.tiers import ROLLED_UP, Stretch, Tier
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore

ACME, UMBRELLA = OrganizationId(uuid4()), OrganizationId(uuid4())
HOUR = 60 * MINUTE
ODD = [
    "a b",
    "a,b",
    "a=b",
    'a"b',
    "a'b",
    "a\\b",
    "Größe",
    "time",
    "tier",
    "organization",
    "/x/",
    "$v0",
    "_m",
    "#m",
    "count_",
]
HOURLY = (Stretch(Tier.HOUR, BASE, BASE + HOUR),)


@pytest.fixture
def store(influx_url, influx_database):
    store = InfluxMetricStore(influx_url, SystemClock(), database=influx_database, kept_ns=None)
    store.prepare()
    yield store
    store.close()


def _rolled_up(store):
    for tier in ROLLED_UP:
        store.roll_up(tier, BASE, BASE + 2 * HOUR)


def test_whatever_is_called_whatever_it_is_rolled_up(store):
    rows = [
        point(BASE + at * 40 * SECOND, value, measurement=name, field=name, **{name: name})
        for name in ODD
        for at, value in enumerate((1.5, 2.5, name))
    ]
    for organization_id in (ACME, UMBRELLA):
        store.write(batch_of(organization_id, *rows))
    store.write(batch_of(UMBRELLA, point(BASE, 1.0, measurement=ODD[0], field=ODD[0])))
    _rolled_up(store)
    assert [store.count_windows(ACME, tier) for tier in ROLLED_UP] == [2 * len(ODD)] * 3
    for name in ODD:
        query = whole_range(ACME, Aggregate.SUM, measurement=name, field=name, group_by=(name,))
        assert answered(store, replace(query, stretches=HOURLY)) == {(name,): [(BASE // 10**6, 4.0)]}
    assert store.gaps(ACME, Tier.HOUR, BASE, BASE + HOUR) == ()


def test_more_measurements_and_fields_than_a_request_holds_are_all_rolled_up(store):
    many = [point(BASE + at * SECOND, 1.0, measurement=f"m{number}") for number in range(40) for at in (0, 1)]
    wide = [point(BASE, float(number), field=f"f{number}") for number in range(40)]
    store.write(batch_of(ACME, *many, *wide))
    _rolled_up(store)
    assert [store.count_windows(ACME, tier) for tier in ROLLED_UP] == [80, 80, 80]
    assert store.roll_up(Tier.MINUTE, BASE, BASE + HOUR).points == 120
    last = question(ACME, BASE, BASE + HOUR, Aggregate.LAST, field="f39")
    assert answered(store, replace(last, stretches=HOURLY)) == {(): [(BASE // 10**6, 39.0)]}
