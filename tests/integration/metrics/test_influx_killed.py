"""An InfluxDB that is killed while it writes: what it acknowledged stays, and what came meanwhile is made up for."""

import threading
from uuid import uuid4

import pytest

from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import MINUTE, SECOND, batch_of, point
from fixtures.own_influxd import Influxd
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate
from strata_datamodel.tiers import RESOLUTION_NS, ROLLED_UP
from waiting import eventually

ACME, UMBRELLA = OrganizationId(uuid4()), OrganizationId(uuid4())
HOUR = 60 * MINUTE
_POINTS = 10  # a second each
_OUTAGE = 60  # batches: ten minutes
_MOST = 300


@pytest.fixture
def influxd(influx_url, tmp_path):
    """`influx_url` says whether this run is to have any InfluxDB."""
    server = Influxd(tmp_path)
    yield server
    server.kill()


def _batch(organization_id, number):
    start = BASE + number * _POINTS * SECOND
    return batch_of(organization_id, *(point(start + at * SECOND, float(number), host="a") for at in range(_POINTS)))


def test_fault_13_killed_while_writing_nothing_acknowledged_is_lost_and_every_window_of_the_outage_is_filled(influxd):
    store = influxd.start()
    store.write(_batch(UMBRELLA, 0))
    acknowledged = []

    def write_until_it_is_gone():
        for number in range(_MOST):
            try:
                store.write(_batch(ACME, number))
            except StoreUnavailableError:
                return
            acknowledged.append(number)

    writer = threading.Thread(target=write_until_it_is_gone)
    writer.start()
    eventually(lambda: len(acknowledged) > 5, what="some writes")
    influxd.kill()
    writer.join(30)
    assert len(acknowledged) < _MOST
    store.close()
    store = influxd.start()
    counts = answered(store, whole_range(ACME, Aggregate.COUNT, step_ns=_POINTS * SECOND))[()]
    assert counts[: len(acknowledged)] == [
        ((BASE + number * _POINTS * SECOND) // 10**6, _POINTS) for number in acknowledged
    ]
    # What the spool held meanwhile comes now, the batch whose answer was lost once more.
    batches = len(acknowledged) + _OUTAGE
    for number in range(len(acknowledged), batches):
        store.write(_batch(ACME, number))
    for tier in ROLLED_UP:
        store.roll_up(tier, BASE, BASE + HOUR)
        assert store.gaps(ACME, tier, BASE, BASE + HOUR) == ()
        assert store.count_windows(ACME, tier) == -(-batches * _POINTS * SECOND // RESOLUTION_NS[tier])
    assert (store.count_points(ACME), store.count_points(UMBRELLA)) == (batches * _POINTS, _POINTS)
    assert [store.count_windows(UMBRELLA, tier) for tier in ROLLED_UP] == [1, 1, 1]
    store.close()
