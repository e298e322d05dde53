"""The metric store contract on DuckDB."""

import pytest

from contract.metric_erasure_contract import MetricErasureContract
from contract.metric_isolation_contract import MetricIsolationContract
from contract.metric_query_contract import MetricQueryContract
from contract.metric_readings_contract import MetricReadingsContract
from contract.metric_slices_contract import MetricSlicesContract, other  # noqa: F401
from contract.metric_tiers_contract import MetricTiersContract
from contract.metric_values_contract import MetricValuesContract
from contract.metric_write_contract import MetricWriteContract
from contract.prepared_stores import prepared_stores
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore


@pytest.fixture
def new_store(tmp_path):
    def build(number, **options):
        return DuckDbMetricStore(tmp_path / f"metrics{number}", SystemClock(), **options)

    with prepared_stores(build) as new_store:
        yield new_store


class TestWriting(MetricWriteContract):
    pass


class TestQuerying(MetricQueryContract):
    pass


class TestValues(MetricValuesContract):
    pass


class TestErasure(MetricErasureContract):
    pass


class TestIsolation(MetricIsolationContract):
    pass


class TestSlices(MetricSlicesContract):
    pass


class TestTiers(MetricTiersContract):
    pass


class TestReadings(MetricReadingsContract):
    pass
