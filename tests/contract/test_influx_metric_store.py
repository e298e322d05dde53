"""The metric store contract on InfluxDB 1.x."""

import pytest

from contract.metric_erasure_contract import MetricErasureContract
from contract.metric_isolation_contract import MetricIsolationContract
from contract.metric_query_contract import MetricQueryContract
from contract.metric_write_contract import MetricWriteContract
from contract.prepared_stores import prepared_stores
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore


@pytest.fixture
def new_store(influx_url, influx_database):
    def build(_number, **options):
        return InfluxMetricStore(influx_url, SystemClock(), database=influx_database, retention=None, **options)

    with prepared_stores(build) as new_store:
        yield new_store


class TestWriting(MetricWriteContract):
    pass


class TestQuerying(MetricQueryContract):
    pass


class TestErasure(MetricErasureContract):
    pass


class TestIsolation(MetricIsolationContract):
    pass
