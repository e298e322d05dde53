"""The metric store contract on DuckDB."""

import pytest

from contract.metric_erasure_contract import MetricErasureContract
from contract.metric_isolation_contract import MetricIsolationContract
from contract.metric_query_contract import MetricQueryContract
from contract.metric_write_contract import MetricWriteContract
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore


@pytest.fixture
def new_store(tmp_path):
    stores = []

    def build(**options):
        store = DuckDbMetricStore(tmp_path / f"metrics{len(stores)}", SystemClock(), **options)
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
