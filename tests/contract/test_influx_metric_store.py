"""The metric store contract on InfluxDB 1.x."""

import pytest

from contract.metric_erasure_contract import MetricErasureContract
from contract.metric_isolation_contract import MetricIsolationContract
from contract.metric_query_contract import MetricQueryContract
from contract.metric_write_contract import MetricWriteContract
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore


@pytest.fixture
def new_store(influx_url, influx_database):
    stores = []

    def build(**options):
        store = InfluxMetricStore(influx_url, SystemClock(), database=influx_database, retention=None, **options)
        stores.append(store)
        store.prepare()
        return store

    yield build
    for store in stores:
        store.close()


class TestWriting(MetricWriteContract):
    pass


class TestQuerying(MetricQueryContract):
    pass


class TestErasure(MetricErasureContract):
    pass


class TestIsolation(MetricIsolationContract):
    pass
